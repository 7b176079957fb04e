//! What was seen of a group, and how far behind it is. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_client::{ClientError, TopicPartition};

/// The state of a group that does not exist (`ClassicGroupState.DEAD`).
pub const DEAD: &str = "Dead";

/// The state of a group whose members have their partitions (`ClassicGroupState.STABLE`).
pub const STABLE: &str = "Stable";

/// A group to observe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupInterest {
    /// Its id.
    pub group: String,
    /// Topics to count whether or not the group committed for them; `None` counts what it committed for.
    pub topics: Option<BTreeSet<String>>,
    /// Topics to look at besides, which do not count.
    pub aside: BTreeSet<String>,
}

impl GroupInterest {
    /// Whether a topic is looked at.
    #[must_use]
    pub fn concerns(&self, topic: &str) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(topic)) || self.aside.contains(topic)
    }
}

/// A group, as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupObservation {
    /// Its state by Kafka's name; [`DEAD`] when there is no such group.
    pub state: String,
    /// How its members share partitions.
    pub assignor: String,
    /// How many members.
    pub members: i32,
    /// Topics that members subscribed to or were given partitions of.
    pub subscribed: BTreeSet<Arc<str>>,
    /// Where it stands in each partition that is looked at, as far as that could be asked.
    pub positions: BTreeMap<TopicPartition, Position>,
    /// How many partitions the topics that count have, or, where none are named, those that the group committed for or
    /// subscribed to; `None` where that is not known.
    pub partitions: Option<i32>,
    /// Topics with partitions that count and could not be asked, such as those without a leader; why, for one
    /// partition of each.
    pub unanswered: BTreeMap<Arc<str>, ClientError>,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The committed offset; `None` when nothing was committed.
    pub committed: Option<i64>,
    /// The text committed with it.
    pub note: String,
    /// The first offset that is there.
    pub start: i64,
    /// The offset after the last record.
    pub end: i64,
    /// When the next record to read was written, in milliseconds since 1970; `None` when all is read, or that
    /// is not known.
    pub waiting_since_ms: Option<i64>,
    /// There are records to read, and why it is not known since when.
    pub unaged: Option<Unaged>,
    /// It counts for no lag: its offset may be moved, and that is all.
    pub aside: bool,
}

/// Why the time of a record is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unaged {
    /// It could not be read.
    Unread,
    /// It has not had its turn: so many partitions are behind that not all can be read in one round.
    NotAsked,
}

impl Position {
    /// Records behind, as Kafka counts them: end less committed. `None` when nothing was committed.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.end - committed).max(0))
    }

    /// Records that a member would find: the lag, or everything where nothing was committed.
    #[must_use]
    pub fn backlog(&self) -> i64 {
        self.lag().unwrap_or_else(|| (self.end - self.start).max(0))
    }

    /// The offset of the next record, if there is one.
    pub(super) fn next_record(&self) -> Option<i64> {
        let next = self.committed?.max(self.start);
        (next < self.end).then_some(next)
    }
}

impl GroupObservation {
    /// The group does not exist: nobody joined yet, or its offsets expired.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.state == DEAD && self.positions.values().all(|position| position.committed.is_none())
    }

    /// Where the group stands in the partitions that count.
    pub fn counted(&self) -> impl Iterator<Item = (&TopicPartition, &Position)> {
        self.positions.iter().filter(|(_, position)| !position.aside)
    }

    fn counted_positions(&self) -> impl Iterator<Item = &Position> {
        self.counted().map(|(_, position)| position)
    }

    /// Every partition that is looked at was asked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Records behind over all partitions with a committed offset; `None` as well when one could not be asked.
    #[must_use]
    pub fn lag_records(&self) -> Option<i64> {
        self.lag_at_least().filter(|_| self.is_whole())
    }

    /// Records behind over those partitions with a committed offset that could be asked.
    #[must_use]
    pub fn lag_at_least(&self) -> Option<i64> {
        let lags: Vec<i64> = self.counted_positions().filter_map(Position::lag).collect();
        (!lags.is_empty()).then(|| lags.iter().sum())
    }

    /// Records behind in each topic, over those partitions with a committed offset that could be asked.
    #[must_use]
    pub fn lag_by_topic(&self) -> BTreeMap<&Arc<str>, i64> {
        let mut lags = BTreeMap::new();
        for (partition, position) in self.counted() {
            if let Some(lag) = position.lag() {
                *lags.entry(&partition.topic).or_default() += lag;
            }
        }
        lags
    }

    /// Records that members would find over all partitions.
    #[must_use]
    pub fn backlog(&self) -> i64 {
        self.counted_positions().map(Position::backlog).sum()
    }

    /// It is not known for how long the group has kept records waiting: one could not be read, or none has had its
    /// turn. Those that had none do not count beside others that had.
    #[must_use]
    pub fn is_age_unknown(&self) -> bool {
        let mut gaps = self.counted_positions().filter_map(|position| position.unaged);
        let aged = self.counted_positions().any(|position| position.waiting_since_ms.is_some());
        gaps.any(|gap| gap == Unaged::Unread || !aged)
    }

    /// Milliseconds that the oldest unread record has waited; 0 when all is read. `None` as well where that is
    /// known in part only.
    #[must_use]
    pub fn lag_ms(&self, now_ms: i64) -> Option<i64> {
        self.lag_ms_at_least(now_ms).filter(|_| self.is_whole() && !self.is_age_unknown())
    }

    /// As far as it is known.
    #[must_use]
    pub fn lag_ms_at_least(&self, now_ms: i64) -> Option<i64> {
        self.lag_at_least()?;
        let waits = self.counted_positions().filter_map(|position| position.waiting_since_ms);
        Some(waits.map(|since| (now_ms - since).max(0)).max().unwrap_or(0))
    }

    /// The partition with the greatest lag, when there is any lag.
    #[must_use]
    pub fn worst(&self) -> Option<(&TopicPartition, i64)> {
        let lags = self.counted().filter_map(|(partition, position)| Some((partition, position.lag()?)));
        lags.filter(|(_, lag)| *lag > 0).max_by_key(|(_, lag)| *lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(committed: Option<i64>, start: i64, end: i64, since: Option<i64>) -> Position {
        Position { committed, start, end, waiting_since_ms: since, ..Position::default() }
    }

    fn group(positions: Vec<(i32, Position)>) -> GroupObservation {
        let positions = positions.into_iter().map(|(number, one)| (TopicPartition::new("t", number), one));
        GroupObservation { positions: positions.collect(), ..GroupObservation::default() }
    }

    #[test]
    fn lag_is_counted_as_kafka_counts_it() {
        let group = group(vec![
            (0, position(Some(90), 0, 100, Some(5_000))),
            (1, position(Some(40), 0, 40, None)),
            (2, position(None, 10, 25, None)),
            (3, position(Some(5), 20, 30, Some(9_000))),
        ]);
        assert_eq!(group.lag_by_topic(), BTreeMap::from([(&Arc::from("t"), 35)]));
        assert_eq!(group.lag_records(), Some(10 + 25), "records that retention removed count, as in Kafka");
        assert_eq!(group.backlog(), 10 + 15 + 25, "without a committed offset all that is there waits");
        assert_eq!(group.lag_ms(10_000), Some(5_000));
        assert_eq!(group.worst().map(|(partition, lag)| (partition.partition, lag)), Some((3, 25)));
    }

    #[test]
    fn what_is_only_moved_counts_for_nothing() {
        let aside =
            Position { aside: true, unaged: Some(Unaged::Unread), ..position(Some(0), 0, 500, Some(1)) };
        let seen = group(vec![(0, position(Some(3), 0, 10, Some(9_000))), (1, aside)]);
        assert_eq!(
            (seen.lag_records(), seen.lag_by_topic()[&Arc::from("t")], seen.backlog()),
            (Some(7), 7, 7)
        );
        assert_eq!(seen.lag_ms(10_000), Some(1_000));
        assert_eq!(seen.worst().map(|(partition, lag)| (partition.partition, lag)), Some((0, 7)));
        assert_eq!(seen.counted().count(), 1);
    }

    #[test]
    fn an_age_that_could_not_be_read_is_not_taken_for_none() {
        let behind = |gap| Position { unaged: Some(gap), ..position(Some(5), 0, 9, None) };
        let known = || position(Some(90), 0, 100, Some(5_000));
        let partly = group(vec![(0, known()), (1, behind(Unaged::Unread))]);
        assert_eq!((partly.lag_ms(10_000), partly.lag_ms_at_least(10_000)), (None, Some(5_000)));
        assert_eq!(partly.lag_records(), Some(14));
        let in_turns = group(vec![(0, known()), (1, behind(Unaged::NotAsked))]);
        assert_eq!(in_turns.lag_ms(10_000), Some(5_000), "the others tell");
        let none_had_its_turn = group(vec![(0, behind(Unaged::NotAsked)), (1, behind(Unaged::NotAsked))]);
        assert_eq!(none_had_its_turn.lag_ms(10_000), None);
    }

    #[test]
    fn a_group_that_committed_nothing_has_no_lag_and_one_that_read_all_has_none_left() {
        assert_eq!(group(vec![(0, position(None, 0, 10, None))]).lag_records(), None);
        let done = group(vec![(0, position(Some(10), 0, 10, None))]);
        assert_eq!((done.lag_records(), done.lag_ms(99), done.worst()), (Some(0), Some(0), None));
    }

    #[test]
    fn the_next_record_is_the_first_that_is_still_there() {
        assert_eq!(position(Some(3), 7, 10, None).next_record(), Some(7));
        assert_eq!(position(Some(10), 7, 10, None).next_record(), None);
        assert_eq!(position(None, 7, 10, None).next_record(), None);
    }
}
