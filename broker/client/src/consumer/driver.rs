//! The consumer's state and the loop that moves it: start what can be started, wait for what happens,
//! take it in. Runs inside the application's own calls; what it started goes on when a call is dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::fetching::Fetcher;
use super::group::Group;
use super::jobs::{Event, Job, refresh};
use super::member::MemberEvent;
use super::partitions::Partitions;
use super::{Rebalance, TopicFilter};
use crate::client::Client;
use crate::cluster::{ClusterView, TopicScope};
use crate::config::ConsumerConfig;
use crate::deadline::after;
use crate::errand::Errand;
use crate::error::ClientError;

/// With nothing to wait for, the loop looks around this often.
const IDLE: Duration = Duration::from_secs(60);

/// What the application asked for.
#[derive(Debug)]
pub(super) enum Interest {
    Nothing,
    /// Partitions, by hand.
    Manual,
    Topics(BTreeSet<Arc<str>>),
    /// Topics that a filter takes, and which those are now.
    Matching {
        filter: TopicFilter,
        topics: BTreeSet<Arc<str>>,
    },
}

impl Interest {
    /// The topics that are subscribed to.
    pub(super) fn topics(&self) -> BTreeSet<Arc<str>> {
        match self {
            Self::Nothing | Self::Manual => BTreeSet::new(),
            Self::Topics(topics) | Self::Matching { topics, .. } => topics.clone(),
        }
    }

    pub(super) fn is_subscription(&self) -> bool {
        matches!(self, Self::Topics(_) | Self::Matching { .. })
    }
}

type Listener = Box<dyn FnMut(Rebalance<'_>) + Send>;

/// See the module.
pub(super) struct Core {
    pub(super) client: Client,
    pub(super) config: Arc<ConsumerConfig>,
    pub(super) interest: Interest,
    pub(super) partitions: Partitions,
    pub(super) fetcher: Fetcher,
    pub(super) group: Option<Group>,
    pub(super) jobs: FuturesUnordered<Job>,
    pub(super) listener: Option<Listener>,
    /// To be returned by the next call.
    pub(super) failure: Option<ClientError>,
    metadata: Errand,
    refreshed_at: Option<Instant>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("interest", &self.interest)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

enum Wake {
    Event(Event),
    Member(Option<MemberEvent>),
    Time,
}

impl Core {
    pub(super) fn new(config: ConsumerConfig) -> Result<Self, ClientError> {
        let client = Client::new(config.client.clone())?;
        let group = config.group.clone().map(|group| Group::new(&client, group, &config));
        let now = Instant::now();
        Ok(Self {
            client,
            config: Arc::new(config),
            interest: Interest::Nothing,
            partitions: Partitions::default(),
            fetcher: Fetcher::default(),
            group,
            jobs: FuturesUnordered::new(),
            listener: None,
            failure: None,
            metadata: Errand::new(now),
            refreshed_at: None,
        })
    }

    /// Moves everything until `done` returns something or the time is up.
    pub(super) async fn drive<T>(
        &mut self,
        deadline: Instant,
        mut done: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, ClientError> {
        loop {
            // Before records are handed out that are there already: the group does not wait for them to end.
            self.take_in_what_is_there();
            let wake_at = self.advance();
            if let Some(result) = done(self) {
                // What this made room for is asked for before the application goes away: requests leave when their
                // jobs are looked at for the first time.
                self.start_fetches(Instant::now());
                self.take_in_what_is_there();
                return Ok(Some(result));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if !self.wait(wake_at.min(deadline)).await && Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Waits for something to happen and takes it in; `false` when only time passed.
    async fn wait(&mut self, until: Instant) -> bool {
        let member = self.group.as_mut().and_then(Group::events);
        let wake = tokio::select! {
            biased;
            Some(event) = self.jobs.next(), if !self.jobs.is_empty() => Wake::Event(event),
            event = next_event(member) => Wake::Member(event),
            () = tokio::time::sleep_until(until) => Wake::Time,
        };
        match wake {
            Wake::Event(event) => self.take_in(event),
            Wake::Member(event) => self.take_in_member(event),
            Wake::Time => return false,
        }
        true
    }

    /// Takes in what has happened, without waiting.
    fn take_in_what_is_there(&mut self) {
        while let Some(Some(event)) = self.jobs.next().now_or_never() {
            self.take_in(event);
        }
        while let Some(events) = self.group.as_mut().and_then(Group::events) {
            match events.try_recv() {
                Ok(event) => self.take_in_member(Some(event)),
                Err(TryRecvError::Disconnected) => self.take_in_member(None),
                Err(TryRecvError::Empty) => break,
            }
        }
    }

    /// Starts all that can be started now, and returns when there may be more to start.
    fn advance(&mut self) -> Instant {
        let now = Instant::now();
        self.drive_group(now);
        self.start_lookups(now);
        self.start_fetches(now);
        self.keep_metadata(now);
        let waits = self.partitions.iter().filter_map(|(_, partition)| partition.retry_at);
        let old_at = self.refreshed_at.map(|at| after(at, self.config.client.timeouts.metadata_max_age));
        let metadata = self.metadata.due().into_iter().chain(old_at);
        // What was due and could not be started is started by what it waits for, not by time.
        let waits = waits.chain(self.fetcher.quiet_until()).chain(metadata).filter(|at| *at > now);
        waits.fold(now + IDLE, Instant::min)
    }

    pub(super) fn take_in(&mut self, event: Event) {
        match event {
            Event::Refreshed(result) => self.refreshed(result),
            Event::CommittedFound { asked, result } => self.committed_found(asked, result),
            Event::OffsetsFound { asked, result } => self.offsets_found(asked, result),
            Event::Fetched { node, asked, result } => self.fetched(node, asked, result),
            Event::Committed { occasion, offsets, result } => self.committed(occasion, &offsets, result),
        }
    }

    /// Metadata is wanted soon.
    pub(super) fn want_metadata(&mut self) {
        self.metadata.is_wanted = true;
    }

    /// Whether metadata was ever seen.
    pub(super) fn has_metadata(&self) -> bool {
        self.refreshed_at.is_some()
    }

    fn keep_metadata(&mut self, now: Instant) {
        let max_age = self.config.client.timeouts.metadata_max_age;
        let is_old = self.refreshed_at.is_none_or(|at| after(at, max_age) <= now);
        if !is_old && !self.metadata.is_wanted {
            // In most turns; told to the errand too, whose waits begin anew.
            self.metadata.start(now);
            return;
        }
        let own = self.topics();
        // A leader minds the topics of all members: nobody else looks how many partitions they have.
        let of_others = self.group.iter().flat_map(Group::counted_topics);
        let topics: BTreeSet<Arc<str>> = own.iter().cloned().chain(of_others).collect();
        let scope = match &self.interest {
            Interest::Matching { .. } => TopicScope::All,
            _ if topics.is_empty() => return,
            _ => TopicScope::Named(topics.iter().map(|topic| topic.to_string()).collect()),
        };
        self.metadata.is_wanted |= is_old && !self.metadata.is_running();
        if self.metadata.start(now) {
            // Brokers make all topics that a request names or none: those of others are theirs to make.
            let view = self.client.cluster();
            let missing = own.iter().any(|topic| !view.topics.contains_key(topic));
            let create = self.config.auto_create_topics && (missing || own.len() == topics.len());
            self.jobs.push(refresh(self.client.clone(), scope, create));
        }
    }

    fn refreshed(&mut self, result: Result<Arc<ClusterView>, ClientError>) {
        let now = Instant::now();
        self.metadata.ended(now, self.config.client.retry);
        let view = match result {
            Ok(view) => view,
            Err(error) if error.is_retriable() => {
                debug!(%error, "metadata could not be refreshed");
                self.metadata.is_wanted = true;
                return;
            }
            Err(error) => {
                self.failure = Some(error);
                self.metadata.is_wanted = true;
                return;
            }
        };
        self.refreshed_at = Some(now);
        self.match_topics(&view);
        for topic in self.topics() {
            match view.topics.get(&topic).map(|topic| topic.error) {
                Some(code) if code.is_ok() => {}
                Some(code) if !code.is_retriable() => {
                    self.failure = Some(ClientError::api(millrace_protocol::ApiKey::Metadata, code, &*topic));
                }
                // It may be on its way.
                _ => self.metadata.is_wanted = true,
            }
        }
        self.look_at_counts(&view);
    }

    /// The topics that this consumer reads or wants to.
    fn topics(&self) -> BTreeSet<Arc<str>> {
        self.interest.topics().into_iter().chain(self.partitions.topics()).collect()
    }

    /// Finds out which topics the filter takes now.
    fn match_topics(&mut self, view: &ClusterView) {
        let without_internal = self.config.exclude_internal_topics;
        let Interest::Matching { filter, topics } = &mut self.interest else { return };
        let taken: BTreeSet<Arc<str>> = view
            .topics
            .values()
            .filter(|topic| topic.error.is_ok() && !(without_internal && topic.is_internal))
            .filter(|topic| (filter.0)(&topic.name))
            .map(|topic| Arc::clone(&topic.name))
            .collect();
        if *topics != taken {
            *topics = taken;
            self.want_to_join("the topics that match the subscription changed");
        }
    }

    /// Tells the application of a change.
    pub(super) fn tell(&mut self, rebalance: Rebalance<'_>) {
        if let Some(listener) = &mut self.listener {
            listener(rebalance);
        }
    }

    /// Fails the next call, unless something failed before.
    pub(super) fn fail(&mut self, error: ClientError) {
        if self.failure.is_some() {
            warn!(%error, "another error of the consumer");
        } else {
            self.failure = Some(error);
        }
    }
}

async fn next_event(events: Option<&mut tokio::sync::mpsc::Receiver<MemberEvent>>) -> Option<MemberEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_that_is_overdue_keeps_the_consumer_awake() {
        let mut core = Core::new(ConsumerConfig::new("127.0.0.1:1")).unwrap();
        let max_age = core.config.client.timeouts.metadata_max_age;
        core.refreshed_at = Instant::now().checked_sub(max_age * 2);
        core.want_metadata();
        assert!(core.advance() > Instant::now(), "there is no topic to ask for");
        core.interest = Interest::Topics([Arc::from("t")].into());
        for _ in 0..2 {
            assert!(core.advance() > Instant::now(), "the question is under way");
        }
        assert_eq!(core.jobs.len(), 1);
    }
}
