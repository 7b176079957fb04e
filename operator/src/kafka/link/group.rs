//! A group that a link watches: what was last seen of it, and for how long that is believed. Pure; times are
//! handed in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use millrace_client::{ClientError, TopicPartition};

use super::super::groups::{GroupInterest, GroupObservation};
use super::super::rates::Rate;
use super::{GroupLag, PATIENCE};

/// See the module.
#[derive(Debug)]
pub(super) struct WatchedGroup {
    /// What is looked at.
    pub(super) interest: GroupInterest,
    seen: Option<Arc<GroupObservation>>,
    /// How it gets on.
    pub(super) read: Progress,
    /// The lag did not change between the last two looks.
    pub(super) at_rest: bool,
    /// For how long records had waited when it last rang, in milliseconds.
    told_ms: i64,
    /// Since when looks have failed, or not shown the whole group.
    failing_since: Option<Instant>,
    /// Why what was seen is not believed any more.
    lost: Option<ClientError>,
}

/// How many records a group gets on by, in all partitions together.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    committed: BTreeMap<TopicPartition, i64>,
    records: i64,
    rate: Rate,
}

impl Progress {
    /// What is committed for the first time was not read just now: it may be the end of an old topic. Offsets that go
    /// back were moved, and begin anew.
    fn sample(&mut self, now: Instant, seen: &GroupObservation) {
        let mut before = std::mem::take(&mut self.committed);
        for (partition, position) in seen.counted() {
            let Some(committed) = position.committed else { continue };
            match before.remove(partition) {
                Some(last) if committed < last => (self.records, self.rate) = (0, Rate::default()),
                Some(last) => self.records += committed - last,
                None => {}
            }
            self.committed.insert(partition.clone(), committed);
        }
        // Beyond 2^53 records a rate does not need the last digit.
        self.rate.sample(now, self.records as f64);
    }

    /// In a second, lately; `None` where that is not known.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        self.rate.current(now)
    }
}

impl WatchedGroup {
    /// A group that was seen just now, or could not be.
    pub(super) fn new(interest: GroupInterest, seen: Option<Arc<GroupObservation>>, now: Instant) -> Self {
        let failing_since = seen.as_ref().is_none_or(|seen| !seen.is_whole()).then_some(now);
        Self {
            interest,
            seen,
            read: Progress::default(),
            at_rest: false,
            told_ms: 0,
            failing_since,
            lost: None,
        }
    }

    /// What is believed of the group; `None` when it was not seen yet.
    pub(super) fn current(&self) -> Option<Result<&Arc<GroupObservation>, &ClientError>> {
        match &self.lost {
            Some(error) => Some(Err(error)),
            None => self.seen.as_ref().map(Ok),
        }
    }

    /// What was seen, as long as it is believed.
    pub(super) fn believed(&self) -> Option<&Arc<GroupObservation>> {
        self.current()?.ok()
    }

    /// Takes a look. Whether to ring: the group is not what it was, or its records have waited for longer, by a
    /// tenth, since seconds pass by themselves. A look that fails, or misses partitions, changes nothing before
    /// that has lasted for [`PATIENCE`].
    pub(super) fn take(
        &mut self,
        look: Result<GroupObservation, ClientError>,
        now: Instant,
        now_ms: i64,
    ) -> bool {
        if let Ok(seen) = &look
            && seen.is_whole()
        {
            self.failing_since = None;
            self.read.sample(now, seen);
        } else {
            let since = *self.failing_since.get_or_insert(now);
            if now.duration_since(since) < PATIENCE {
                return false;
            }
        }
        match look {
            Ok(seen) => self.see(seen, now_ms),
            Err(error) => self.lost.replace(error).is_none(),
        }
    }

    fn see(&mut self, seen: GroupObservation, now_ms: i64) -> bool {
        let before = self.seen.as_deref();
        let at_rest = before.is_some_and(|before| before.lag_records() == seen.lag_records());
        let changed = before != Some(&seen) || at_rest != self.at_rest;
        let waited_ms = seen.lag_ms_at_least(now_ms).unwrap_or(0);
        let aged = waited_ms > self.told_ms + self.told_ms / 10;
        self.at_rest = at_rest;
        if changed {
            self.seen = Some(Arc::new(seen));
        }
        let found = self.lost.take().is_some();
        let ring = changed || aged || found;
        if ring {
            self.told_ms = waited_ms;
        }
        ring
    }
}

/// Topics for which the lag of some group with members is not known, since not every partition could be asked.
pub(super) fn unsure(groups: &HashMap<String, WatchedGroup>) -> HashSet<Arc<str>> {
    let seen = groups.values().filter_map(WatchedGroup::believed).filter(|seen| seen.members > 0);
    seen.flat_map(|seen| seen.unanswered.keys().cloned()).collect()
}

/// The group that is furthest behind in each topic, of those with members.
pub(super) fn furthest_behind(groups: &HashMap<String, WatchedGroup>) -> HashMap<String, GroupLag> {
    let mut furthest = HashMap::<String, GroupLag>::new();
    for (id, watched) in groups {
        let Some(seen) = watched.believed().filter(|seen| seen.members > 0) else { continue };
        for (topic, records) in seen.lag_by_topic() {
            let further = furthest.get(&**topic).is_none_or(|lag| (records, &lag.group) > (lag.records, id));
            if further {
                furthest.insert(topic.to_string(), GroupLag { group: id.clone(), records });
            }
        }
    }
    furthest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::groups::Position;
    use super::*;

    fn interest() -> GroupInterest {
        GroupInterest { group: "readers".into(), ..GroupInterest::default() }
    }

    fn seen(end: i64) -> GroupObservation {
        let position = Position { committed: Some(5), end, ..Position::default() };
        GroupObservation {
            positions: [(TopicPartition::new("t", 0), position)].into(),
            ..GroupObservation::default()
        }
    }

    fn partly() -> GroupObservation {
        let unanswered = [(Arc::from("t"), no_leader())].into();
        GroupObservation { unanswered, ..GroupObservation::default() }
    }

    fn no_leader() -> ClientError {
        ClientError::Usage("t-0 has no leader".into())
    }

    #[test]
    fn a_look_that_fails_in_passing_changes_nothing_and_one_that_keeps_failing_is_told_once() {
        let start = Instant::now();
        let mut group = WatchedGroup::new(interest(), Some(Arc::new(seen(5))), start);
        group.take(Ok(seen(5)), start, 0);
        for second in [0, 5, 29] {
            assert!(!group.take(Err(no_leader()), start + Duration::from_secs(second), 0), "at {second}");
            assert!(group.believed().is_some());
        }
        assert!(group.take(Err(no_leader()), start + PATIENCE, 0));
        assert_eq!(group.current(), Some(Err(&no_leader())));
        assert!(!group.take(Err(no_leader()), start + PATIENCE * 2, 0), "once");
        assert!(group.take(Ok(seen(5)), start + PATIENCE * 3, 0), "it is back, and what it was");
        assert!(group.believed().is_some());
        assert!(!group.take(Err(no_leader()), start + PATIENCE * 4, 0), "patience begins anew");
    }

    #[test]
    fn what_a_group_reads_in_a_second_is_what_it_commits() {
        let start = Instant::now();
        let mut group = WatchedGroup::new(interest(), None, start);
        let look = |group: &mut WatchedGroup, second: u64, committed: &[Option<i64>]| {
            let positions = (0..).zip(committed).map(|(number, committed)| {
                (TopicPartition::new("t", number), Position { committed: *committed, ..Position::default() })
            });
            let seen = GroupObservation { positions: positions.collect(), ..GroupObservation::default() };
            let now = start + Duration::from_secs(second);
            group.take(Ok(seen), now, 0);
            group.read.per_second(now)
        };
        assert_eq!(look(&mut group, 0, &[Some(100), None]), None);
        assert_eq!(
            look(&mut group, 5, &[Some(150), Some(60_000_000)]),
            Some(10.0),
            "it began at the end of the second"
        );
        assert_eq!(look(&mut group, 10, &[Some(150), Some(60_000_050)]), Some(10.0));
        assert_eq!(look(&mut group, 15, &[Some(0), Some(0)]), None, "it was moved back");
        assert_eq!(look(&mut group, 20, &[Some(5), Some(5)]), Some(2.0));
        let later = start + Duration::from_secs(60);
        assert!(!group.take(Ok(partly()), later, 0));
        assert_eq!(group.read.per_second(later), None, "not every partition answers");
    }

    #[test]
    fn a_look_that_misses_partitions_is_believed_only_when_that_lasts() {
        let start = Instant::now();
        let mut group = WatchedGroup::new(interest(), Some(Arc::new(seen(9))), start);
        assert!(!group.take(Ok(partly()), start, 0));
        assert_eq!(group.believed().and_then(|seen| seen.lag_records()), Some(4));
        assert!(group.take(Ok(partly()), start + PATIENCE, 0));
        assert!(group.believed().is_some_and(|seen| !seen.is_whole()));
        assert!(group.take(Ok(seen(9)), start + PATIENCE, 0));
    }

    #[test]
    fn a_group_that_stands_still_behind_rings_ever_less_often() {
        let behind = || {
            let position =
                Position { committed: Some(5), end: 9, waiting_since_ms: Some(0), ..Position::default() };
            GroupObservation {
                positions: [(TopicPartition::new("t", 0), position)].into(),
                ..GroupObservation::default()
            }
        };
        let start = Instant::now();
        let mut group = WatchedGroup::new(interest(), Some(Arc::new(behind())), start);
        let rings = |group: &mut WatchedGroup, seconds: std::ops::Range<i64>| {
            let rounds = seconds.step_by(5).filter(|second| group.take(Ok(behind()), start, second * 1000));
            rounds.count()
        };
        let (first, second) = (rings(&mut group, 5..3600), rings(&mut group, 3600..7200));
        assert!(first < 60 && second < 9, "{first} and {second} in an hour, of 720 looks");
        assert!(rings(&mut group, 7200..8000) > 0, "it is not forgotten");
    }

    #[test]
    fn of_the_groups_with_members_the_one_that_is_furthest_behind_counts() {
        let mut groups = HashMap::new();
        let mut add = |id: &str, members: i32, lags: &[(&str, i32, i64)]| {
            let positions = lags.iter().map(|(topic, number, lag)| {
                let position = Position { committed: Some(1), end: 1 + lag, ..Position::default() };
                (TopicPartition::new(*topic, *number), position)
            });
            let seen =
                GroupObservation { members, positions: positions.collect(), ..GroupObservation::default() };
            let watched = WatchedGroup::new(interest(), Some(Arc::new(seen)), Instant::now());
            groups.insert(id.to_owned(), watched);
        };
        add("near", 1, &[("t", 0, 1), ("t", 1, 0), ("u", 0, 9)]);
        add("far", 2, &[("t", 0, 3), ("t", 1, 4)]);
        add("as-far", 2, &[("t", 0, 7)]);
        add("gone", 0, &[("t", 0, 900), ("v", 0, 1)]);
        let furthest = furthest_behind(&groups);
        let lag = |group: &str, records| GroupLag { group: group.into(), records };
        let expected = [("t".to_owned(), lag("as-far", 7)), ("u".to_owned(), lag("near", 9))];
        assert_eq!(furthest, HashMap::from(expected));
    }

    #[test]
    fn a_group_that_could_not_be_seen_at_first_rings_when_it_can() {
        let start = Instant::now();
        let mut group = WatchedGroup::new(interest(), None, start);
        assert!(group.current().is_none());
        assert!(group.take(Ok(seen(5)), start + Duration::from_secs(5), 0));
    }
}
