//! One cluster's link: its client, what is being watched in it, and what was last seen. All topics and
//! groups of a cluster share it, so that polling costs the same number of requests whatever their number.
//! Whoever shall look again is told through a [`Bell`]; what they then do is not known here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use millrace_client::{Admin, ClientError, CreatedTopic, NewTopic};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::cluster::ClusterObservation;
use super::connect::{LOOK_TIMEOUT, explained};
use super::groups::{self, GroupInterest, GroupObservation};
use super::rates::steady_or_shown;
use super::record_times::RecordTimes;
use super::throughput::Scraper;
use super::topics::{self, Seen};
use crate::turns::Turns;

mod group;
mod poll;
mod topic;

use group::WatchedGroup;
use topic::WatchedTopic;

/// Topics asked about or created in one request.
const TOPICS_TOGETHER: usize = 200;
/// Groups asked about in one go.
const GROUPS_TOGETHER: usize = 200;
/// A cluster that does not answer is said to be unreachable after this long, and so is a group: a restart is
/// shorter.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose state changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The cluster itself: brokers came or went.
    Cluster,
    /// Everything in it: it became reachable, or stopped being so.
    All,
    /// A topic, by Kafka's name.
    Topic(String),
    /// A group, by id.
    Group(String),
}

/// Told when something that is watched changed.
pub type Bell = Arc<dyn Fn(Subject) + Send + Sync>;

/// Whether the cluster answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// Not asked yet.
    Unknown,
    /// It answers, or did so lately.
    Reachable,
    /// It has not answered for a while.
    Unreachable(String),
}

/// Figures of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TopicFigures {
    /// Records a second.
    pub records_in_per_second: Option<f64>,
    /// Bytes a second from producers; `None` where brokers' metrics cannot be read.
    pub bytes_in_per_second: Option<f64>,
    /// Bytes a second to consumers; `None` where brokers' metrics cannot be read.
    pub bytes_out_per_second: Option<f64>,
    /// Bytes on the leaders' disks.
    pub size_bytes: Option<i64>,
    /// Offsets after the last record, summed over partitions.
    pub end_offsets: Option<i64>,
    /// Records that are left to read for the watched group furthest behind, of those with members; `None` where
    /// none of them reads the topic.
    pub lag_records: Option<i64>,
    /// The figures did not change lately.
    pub at_rest: bool,
}

/// Figures as a status shows them: they stand still until they move by more than a tenth, or come to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShownFigures {
    /// Bytes a second from producers.
    pub bytes_in_per_second: Option<i64>,
    /// Bytes a second to consumers.
    pub bytes_out_per_second: Option<i64>,
    /// Bytes on the leaders' disks.
    pub size_bytes: Option<i64>,
}

impl TopicFigures {
    /// What is to be shown after `before`.
    #[must_use]
    pub fn shown(&self, before: ShownFigures) -> ShownFigures {
        let whole = |figure: Option<f64>| figure.map(|figure| figure.round() as i64);
        let (bytes_in, bytes_out) = (whole(self.bytes_in_per_second), whole(self.bytes_out_per_second));
        ShownFigures {
            bytes_in_per_second: steady_or_shown(before.bytes_in_per_second, bytes_in, self.at_rest),
            bytes_out_per_second: steady_or_shown(before.bytes_out_per_second, bytes_out, false),
            size_bytes: steady_or_shown(before.size_bytes, self.size_bytes, self.at_rest),
        }
    }
}

/// How far a group is behind in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    /// The group's id.
    pub group: String,
    /// Records behind, over all partitions of the topic.
    pub records: i64,
}

#[derive(Debug)]
struct State {
    topics: HashMap<String, WatchedTopic>,
    groups: HashMap<String, WatchedGroup>,
    /// By topic, as of the last round: whoever asks about one topic does not walk through all groups.
    furthest_behind: HashMap<String, GroupLag>,
    cluster: Option<Arc<ClusterObservation>>,
    health: Health,
    /// Since when, and why, the cluster does not answer.
    failing: Option<(Instant, String)>,
}

/// See the module. Polling stops when it is dropped.
pub struct Link {
    admin: Admin,
    state: Arc<Mutex<State>>,
    observe_topics: Batch<String, Seen>,
    create_topics: Batch<NewTopic, Result<CreatedTopic, ClientError>>,
    observe_groups: Batch<GroupInterest, Result<GroupObservation, ClientError>>,
    hurry: Arc<Notify>,
    stop: CancellationToken,
    /// Of topics that are brought to their specs.
    pub topic_turns: Turns,
    /// Of groups that are looked at.
    pub group_turns: Turns,
}

impl Link {
    /// Starts to poll the cluster that `admin` talks to. With a `scraper`, brokers' metrics are read on the
    /// hosts that they advertise.
    #[must_use]
    pub fn start(admin: Admin, scraper: Option<Scraper>, bell: Bell) -> Self {
        let state = State {
            topics: HashMap::new(),
            groups: HashMap::new(),
            furthest_behind: HashMap::new(),
            cluster: None,
            health: Health::Unknown,
            failing: None,
        };
        let state = Arc::new(Mutex::new(state));
        let (hurry, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let poller = poll::Poller::new(admin.clone(), scraper, Arc::clone(&state), bell);
        tokio::spawn(poller.run(Arc::clone(&hurry), stop.clone()));
        Self {
            observe_topics: batch_of_topics(admin.clone()),
            create_topics: batch_of_creations(admin.clone()),
            observe_groups: batch_of_groups(admin.clone()),
            admin,
            state,
            hurry,
            stop,
            topic_turns: Turns::default(),
            group_turns: Turns::default(),
        }
    }

    /// The client underneath, for changes.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Whether the cluster answers.
    #[must_use]
    pub fn health(&self) -> Health {
        self.state.lock().health.clone()
    }

    /// The cluster as last seen.
    #[must_use]
    pub fn cluster(&self) -> Option<Arc<ClusterObservation>> {
        self.state.lock().cluster.clone()
    }

    /// Stops polling; what is unanswered fails.
    pub fn close(&self) {
        self.stop.cancel();
        self.admin.client().close();
    }

    /// Does `work`, which talks to the brokers, unless the link is closed before it is done.
    ///
    /// # Errors
    /// What the work meets; [`ClientError::Closed`].
    pub async fn while_open<T, E: From<ClientError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            done = work => done,
            () = self.stop.cancelled() => Err(ClientError::Closed.into()),
        }
    }

    /// Does `work`, which talks to the brokers, where they answer; says why it was not done.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn if_reachable<T>(
        &self,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, String> {
        match self.health() {
            Health::Reachable => self.while_open(work).await.map_err(|error| explained(&error)),
            Health::Unknown => Err("the brokers have not answered yet".to_owned()),
            Health::Unreachable(reason) => Err(reason),
        }
    }

    /// Polls at once instead of when it is time.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Watches a topic from now on and says what it is at this moment.
    ///
    /// # Errors
    /// What reaching a broker meets.
    pub async fn topic(&self, name: &str) -> Seen {
        let asked = self.observe_topics.ask(name.to_owned()).await;
        let seen = asked.unwrap_or(Err(ClientError::Closed))?;
        self.state.lock().topics.entry(name.to_owned()).or_default().seen.clone_from(&seen);
        Ok(seen)
    }

    /// The figures of a watched topic.
    #[must_use]
    pub fn figures(&self, name: &str) -> TopicFigures {
        self.state.lock().topics.get(name).map(|topic| topic.figures).unwrap_or_default()
    }

    /// Creates a topic, together with others that are created at this moment.
    ///
    /// # Errors
    /// The broker's refusal.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<CreatedTopic, ClientError> {
        self.create_topics.ask(topic).await.unwrap_or(Err(ClientError::Closed))
    }

    /// Watches a group from now on and says what it is: as last polled, or at this moment where `fresh` is
    /// asked for or it was not watched in this way.
    ///
    /// # Errors
    /// What reaching a broker meets, now or in polls for a while.
    pub async fn group(
        &self,
        interest: GroupInterest,
        fresh: bool,
    ) -> Result<Arc<GroupObservation>, ClientError> {
        if !fresh
            && let Some(watched) = self.state.lock().groups.get(&interest.group)
            && watched.interest == interest
            && let Some(current) = watched.current()
        {
            return current.cloned().map_err(Clone::clone);
        }
        let asked = self.observe_groups.ask(interest.clone()).await.unwrap_or(Err(ClientError::Closed));
        let seen = asked.map(Arc::new);
        let mut state = self.state.lock();
        let before = state.groups.get(&interest.group).filter(|watched| watched.interest == interest);
        // One that cannot be asked is watched all the same: the poll rings when it can.
        if seen.is_ok() || before.is_none() {
            let read = before.map(|watched| watched.read.clone()).unwrap_or_default();
            let mut watched = WatchedGroup::new(interest, seen.as_ref().ok().cloned(), Instant::now());
            watched.read = read;
            state.groups.insert(watched.interest.group.clone(), watched);
        }
        seen
    }

    /// Whether a watched group's lag stood still between the last two looks.
    #[must_use]
    pub fn is_group_at_rest(&self, group: &str) -> bool {
        self.state.lock().groups.get(group).is_some_and(|watched| watched.at_rest)
    }

    /// The watched group that was furthest behind in a topic in the last round, of those that have members: without
    /// any, nobody would read more partitions either.
    #[must_use]
    pub fn greatest_lag(&self, topic: &str) -> Option<GroupLag> {
        self.state.lock().furthest_behind.get(topic).cloned()
    }

    /// The figures of every watched topic that the brokers still describe.
    #[must_use]
    pub fn all_figures(&self) -> Vec<(String, TopicFigures)> {
        let state = self.state.lock();
        let topics = state.topics.iter().filter(|(_, topic)| !topic.is_lost());
        topics.map(|(name, topic)| (name.clone(), topic.figures)).collect()
    }

    /// Every watched group, as last seen, and how many records it gets on by in a second. Those that could not be seen
    /// for a while are left out, and all when the cluster does not answer: a figure that stands still would be taken for
    /// a group that does.
    #[must_use]
    pub fn all_groups(&self) -> Vec<(String, Arc<GroupObservation>, Option<f64>)> {
        let state = self.state.lock();
        if state.health != Health::Reachable {
            return Vec::new();
        }
        let now = Instant::now();
        let groups = state.groups.iter().filter_map(|(id, watched)| {
            Some((id.clone(), Arc::clone(watched.believed()?), watched.read.per_second(now)))
        });
        groups.collect()
    }

    /// Stops to watch a topic.
    pub fn forget_topic(&self, name: &str) {
        self.state.lock().topics.remove(name);
    }

    /// Stops to watch a group.
    pub fn forget_group(&self, group: &str) {
        self.state.lock().groups.remove(group);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("state", &self.state).finish_non_exhaustive()
    }
}

fn batch_of_topics(admin: Admin) -> Batch<String, Seen> {
    Batch::start(TOPICS_TOGETHER, move |names| {
        let admin = admin.clone();
        async move { topics::observe(&admin, names).await }
    })
}

fn batch_of_creations(admin: Admin) -> Batch<NewTopic, Result<CreatedTopic, ClientError>> {
    Batch::start(TOPICS_TOGETHER, move |asked: Vec<NewTopic>| {
        let admin = admin.clone();
        async move {
            let names: Vec<String> = asked.iter().map(|topic| topic.name.clone()).collect();
            match admin.create_topics(asked, false).await {
                Ok(results) => results.into_iter().map(|(_, result)| result).collect(),
                Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    })
}

fn batch_of_groups(admin: Admin) -> Batch<GroupInterest, Result<GroupObservation, ClientError>> {
    let admin = admin.within(LOOK_TIMEOUT);
    Batch::start(GROUPS_TOGETHER, move |interests: Vec<GroupInterest>| {
        let admin = admin.clone();
        async move { groups::observe(&admin, &interests, &mut RecordTimes::default()).await }
    })
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// End offsets of each topic, for rates.
type EndOffsets = BTreeMap<String, i64>;
