//! The loop behind a link: looks at the cluster every few seconds, at settings and sizes less often, and
//! rings for what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_client::{Admin, ClientError, OffsetSpec, TopicPartition, TopicView};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::connect::{POLL_TIMEOUT, explained};
use super::super::groups::Offsets;
use super::super::settings::Settings;
use super::super::throughput::Scraper;
use super::super::topics::TopicObservation;
use super::super::{cluster, topics};
use super::group::{furthest_behind, unsure};
use super::{
    Bell, EndOffsets, GroupInterest, Health, PATIENCE, RecordTimes, State, Subject, TopicFigures, groups,
    now_ms,
};

/// Between two looks at a cluster that answers.
const PERIOD: Duration = Duration::from_secs(5);
/// Between two looks at one that does not.
const PERIOD_FAILING: Duration = Duration::from_secs(1);
/// Sizes on disk and brokers' metrics are read in every third round.
const FIGURES_EVERY: u64 = 3;
/// Settings of topics are compared in every twelfth round: somebody changed one by hand.
const SETTINGS_EVERY: u64 = 12;

pub(super) struct Poller {
    /// For the cluster itself, which may take long to answer while brokers restart.
    patient: Admin,
    /// For all else.
    admin: Admin,
    scraper: Option<Scraper>,
    state: Arc<Mutex<State>>,
    bell: Bell,
    times: RecordTimes,
    round: u64,
    /// Topics that the client knows and nobody watched in the last round.
    unused: BTreeSet<Arc<str>>,
}

impl Poller {
    pub(super) fn new(admin: Admin, scraper: Option<Scraper>, state: Arc<Mutex<State>>, bell: Bell) -> Self {
        let (patient, admin) = (admin.clone(), admin.within(POLL_TIMEOUT));
        Self {
            patient,
            admin,
            scraper,
            state,
            bell,
            times: RecordTimes::default(),
            round: 0,
            unused: BTreeSet::new(),
        }
    }

    pub(super) async fn run(mut self, hurry: Arc<Notify>, stop: CancellationToken) {
        loop {
            let answers = tokio::select! {
                answers = self.look() => answers,
                () = stop.cancelled() => return,
            };
            let pause = if answers { PERIOD } else { PERIOD_FAILING };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hurry.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One round. Whether the cluster answered.
    async fn look(&mut self) -> bool {
        let asked = Instant::now();
        match cluster::observe(&self.patient).await {
            Ok(seen) => self.cluster_answered(seen),
            Err(error) => {
                self.cluster_failed(&error, asked);
                return false;
            }
        }
        self.look_at_topics().await;
        self.look_at_groups().await;
        self.forget_topics();
        self.round += 1;
        true
    }

    /// What the client knows of topics that nobody watches any more. One that is looked at for the first time is in the
    /// client before it is watched.
    fn forget_topics(&mut self) {
        let mut used = BTreeSet::<Arc<str>>::new();
        {
            let state = self.state.lock();
            used.extend(state.topics.keys().map(|name| Arc::from(name.as_str())));
            for group in state.groups.values() {
                let named = group.interest.topics.iter().flatten().chain(&group.interest.aside);
                used.extend(named.map(|name| Arc::from(name.as_str())));
                let seen = group.believed().into_iter();
                used.extend(seen.flat_map(|seen| {
                    let positions = seen.positions.keys().map(|partition| Arc::clone(&partition.topic));
                    positions.chain(seen.subscribed.iter().cloned()).chain(seen.unanswered.keys().cloned())
                }));
            }
        }
        let view = self.admin.client().cluster();
        let unused = view.topics.keys().filter(|name| !used.contains(*name)).cloned();
        let before = std::mem::replace(&mut self.unused, unused.collect());
        self.admin.client().retain_topics(|name| !before.contains(name) || used.contains(name));
    }

    fn cluster_answered(&self, seen: cluster::ClusterObservation) {
        let (came_back, changed) = {
            let mut state = self.state.lock();
            let came_back = state.health != Health::Reachable;
            let changed = state.cluster.as_deref() != Some(&seen);
            state.health = Health::Reachable;
            state.failing = None;
            state.cluster = Some(Arc::new(seen));
            (came_back, changed)
        };
        if came_back {
            (self.bell)(Subject::All);
        } else if changed {
            (self.bell)(Subject::Cluster);
        }
    }

    /// Nothing but this error came of what was `asked` then.
    fn cluster_failed(&self, error: &ClientError, asked: Instant) {
        tracing::debug!(%error, "the cluster does not answer");
        let gave_up = {
            let mut state = self.state.lock();
            let reason = explained(error);
            let since = state.failing.take().map_or(asked, |(since, _)| since);
            state.failing = Some((since, reason.clone()));
            let patient = state.health == Health::Reachable && since.elapsed() < PATIENCE;
            let known = matches!(state.health, Health::Unreachable(_));
            if !patient {
                state.health = Health::Unreachable(reason);
            }
            !patient && !known
        };
        if gave_up {
            (self.bell)(Subject::All);
        }
    }

    async fn look_at_topics(&self) {
        let names: Vec<String> = self.state.lock().topics.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let views = match topics::partitions(&self.admin, names.clone()).await {
            Ok(views) => views,
            Err(error) => {
                for name in names {
                    self.topic_missed(&name, &error);
                }
                return;
            }
        };
        let mut settings = if self.round % SETTINGS_EVERY == SETTINGS_EVERY - 1 {
            topics::settings(&self.admin, names).await
        } else {
            Default::default()
        };
        let mut partitions = BTreeSet::new();
        for (name, view) in views {
            let view = match view {
                Ok(view) => view,
                Err(error) => {
                    self.topic_missed(&name, &error);
                    continue;
                }
            };
            if let Some(view) = &view {
                partitions.extend(
                    view.partitions
                        .iter()
                        .map(|one| TopicPartition::new(Arc::clone(&view.name), one.partition)),
                );
            }
            self.topic_seen(&name, view.as_ref(), settings.remove(&name).and_then(|one| one.ok().flatten()));
        }
        let ends = groups::offsets_at(&self.admin, &partitions, OffsetSpec::Latest).await;
        self.take_end_offsets(&summed(&ends));
        if self.round.is_multiple_of(FIGURES_EVERY) {
            self.look_at_sizes().await;
            self.look_at_throughput().await;
        }
    }

    /// Rings when the topic is not what it was. Without new settings, those last seen are taken to hold.
    fn topic_seen(&self, name: &str, view: Option<&TopicView>, settings: Option<Settings>) {
        let changed = {
            let mut state = self.state.lock();
            let Some(watched) = state.topics.get_mut(name) else { return };
            let after: Option<TopicObservation> = view.map(|view| {
                let kept = watched.seen.as_deref().map(|before| before.settings.clone());
                topics::observation(view, settings.or(kept).unwrap_or_default())
            });
            watched.see(after)
        };
        if changed {
            (self.bell)(Subject::Topic(name.to_owned()));
        }
    }

    /// Rings once the brokers have not been able to describe a topic for a while.
    fn topic_missed(&self, name: &str, error: &ClientError) {
        tracing::debug!(%error, topic = name, "a topic cannot be described");
        let lost = self.state.lock().topics.get_mut(name).is_some_and(|watched| watched.miss(Instant::now()));
        if lost {
            (self.bell)(Subject::Topic(name.to_owned()));
        }
    }

    fn take_end_offsets(&self, ends: &EndOffsets) {
        let now = Instant::now();
        let mut state = self.state.lock();
        for (name, topic) in &mut state.topics {
            if let Some(end) = ends.get(name.as_str()) {
                // Beyond 2^53 records a rate does not need the last digit.
                topic.records.sample(now, *end as f64);
                topic.figures.at_rest = topic.figures.end_offsets == Some(*end);
                topic.figures.end_offsets = Some(*end);
            }
            topic.figures.records_in_per_second = topic.records.current(now);
        }
    }

    async fn look_at_sizes(&self) {
        let Ok(dirs) = self.admin.describe_log_dirs(Vec::new()).await else { return };
        let mut sizes = BTreeMap::<String, i64>::new();
        let cluster = self.admin.client().cluster();
        for (broker, dirs) in dirs {
            let Ok(dirs) = dirs else { return };
            for replica in dirs.into_iter().flat_map(|dir| dir.replicas) {
                if cluster.leader(&replica.partition) == Some(broker) && !replica.is_future {
                    *sizes.entry(replica.partition.topic.to_string()).or_default() += replica.size_bytes;
                }
            }
        }
        self.change_figures(|name, figures| figures.size_bytes = Some(sizes.get(name).copied().unwrap_or(0)));
    }

    async fn look_at_throughput(&self) {
        let (Some(scraper), Some(cluster)) = (&self.scraper, self.state.lock().cluster.clone()) else {
            return;
        };
        let hosts: Vec<String> = cluster.brokers.iter().map(|broker| broker.host.clone()).collect();
        let watched: BTreeSet<String> = self.state.lock().topics.keys().cloned().collect();
        let bytes = match scraper.topics(&hosts, &watched).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "metrics of a broker cannot be read");
                self.change_figures(|_, figures| {
                    (figures.bytes_in_per_second, figures.bytes_out_per_second) = (None, None);
                });
                return;
            }
        };
        let now = Instant::now();
        let mut changed = Vec::new();
        {
            let mut state = self.state.lock();
            for (name, topic) in &mut state.topics {
                let bytes = bytes.get(name).copied().unwrap_or_default();
                topic.bytes_in.sample(now, bytes.bytes_in);
                topic.bytes_out.sample(now, bytes.bytes_out);
                topic.figures.bytes_in_per_second = topic.bytes_in.per_second();
                topic.figures.bytes_out_per_second = topic.bytes_out.per_second();
                if topic.tell_figures() {
                    changed.push(name.clone());
                }
            }
        }
        self.ring_for_topics(changed);
    }

    fn change_figures(&self, change: impl Fn(&str, &mut TopicFigures)) {
        let mut changed = Vec::new();
        for (name, topic) in &mut self.state.lock().topics {
            change(name, &mut topic.figures);
            if topic.tell_figures() {
                changed.push(name.clone());
            }
        }
        self.ring_for_topics(changed);
    }

    fn ring_for_topics(&self, names: Vec<String>) {
        for name in names {
            (self.bell)(Subject::Topic(name));
        }
    }

    async fn look_at_groups(&mut self) {
        let interests: Vec<GroupInterest> =
            self.state.lock().groups.values().map(|watched| watched.interest.clone()).collect();
        if !interests.is_empty() {
            self.look_at(interests).await;
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        state.furthest_behind = furthest_behind(&state.groups);
        let unsure = unsure(&state.groups);
        for (name, topic) in &mut state.topics {
            let lag = state.furthest_behind.get(name).filter(|_| !unsure.contains(name.as_str()));
            topic.figures.lag_records = lag.map(|lag| lag.records);
        }
    }

    async fn look_at(&mut self, interests: Vec<GroupInterest>) {
        let looks = groups::observe(&self.admin, &interests, &mut self.times).await;
        for (interest, look) in interests.into_iter().zip(looks) {
            if let Err(error) = &look {
                tracing::debug!(%error, group = %interest.group, "a group cannot be observed");
            }
            let ring = {
                let mut state = self.state.lock();
                let watched = state.groups.get_mut(&interest.group);
                watched
                    .filter(|watched| watched.interest == interest)
                    .is_some_and(|watched| watched.take(look, Instant::now(), now_ms()))
            };
            if ring {
                (self.bell)(Subject::Group(interest.group));
            }
        }
    }
}

/// End offsets of topics all of whose partitions answered: a sum without one of them would count its records
/// anew when it is there again.
fn summed(ends: &Offsets) -> EndOffsets {
    let mut sums = BTreeMap::<&Arc<str>, Option<i64>>::new();
    for (partition, end) in ends {
        let sum = sums.entry(&partition.topic).or_insert(Some(0));
        *sum = sum.zip(end.as_ref().ok()).map(|(sum, end)| sum + end);
    }
    sums.into_iter().filter_map(|(topic, sum)| Some((topic.to_string(), sum?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_partitions_did_not_all_answer_has_no_sum() {
        let lost = || Err(ClientError::Usage("b-1 has no leader".into()));
        let ends = [("a", 0, Ok(2)), ("a", 1, Ok(3)), ("b", 0, Ok(4)), ("b", 1, lost())];
        let ends = ends.into_iter().map(|(topic, number, end)| (TopicPartition::new(topic, number), end));
        assert_eq!(summed(&ends.collect()), EndOffsets::from([("a".to_owned(), 5)]));
    }
}
