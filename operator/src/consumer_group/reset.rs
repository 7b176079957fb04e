//! A move of a group's offsets: whether it may be made now, and which offset each partition gets. Pure.
//!
//! A move is made once for each id, also when the operator dies in the middle. Two things tell: the id is
//! committed as the text beside each offset, and the status says that the move was begun, from which committed
//! offsets, before they are written. After a restart
//!
//! - one partition with the text means that the move was made: one commit writes all of them. Nothing is moved,
//!   whatever members committed over the others since;
//! - no text and the same committed offsets mean that it was not: it is made, to the goal as it is now. For a
//!   point in time, an offset or the beginning that is the same place; for the end it is today's; a shift
//!   begins where the first attempt did;
//! - no text and other offsets, or members, mean that somebody read on. It may have been made before that, so it
//!   is given up and the status asks for another id, whatever the goal: made twice, a move to the end skips
//!   records, a shift goes too far, and every other one makes members read all of it again.
//!
//! A refusal alone tells nothing: the commit may have been sent again after its answer was lost, and brokers
//! refuse single partitions, such as those of a topic that has just gone, and take the others. So the group is
//! looked at once more. A partition with the text means that the move was made, as far as it can be; the same
//! committed offsets mean that it was not, and it is open again.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::TopicPartition;
use millrace_crds::ConsumerGroupStatus;

use super::history;
use super::validate::{Goal, ValidatedReset};
use crate::kafka::groups::{GroupObservation, Position};

/// What is to be done about a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It was made.
    Done,
    /// It was begun, the operator stopped, and somebody committed since: nobody knows whether it was made.
    Interrupted,
    /// The group has members, which commit offsets of their own.
    WaitForMembers(i32),
    /// There is no partition to move: the topics do not exist, or nothing was committed.
    Nothing,
    /// A partition could not be asked, and why: without it the move would be made in part.
    WaitForAnswer(String),
    /// These partitions move; those that were moved already are left out, and there may be no others.
    Make(BTreeSet<TopicPartition>),
}

/// What became of a move that the coordinator refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was made, in that many partitions: by the first of two attempts, or without those that were refused.
    Made(usize),
    /// It was not made.
    NotMade,
    /// Nobody knows: somebody committed since, or not every partition could be asked.
    Unknown,
}

/// Decides what the refusal of these `offsets` means. `status` says that the move was begun, `group` was looked at
/// afterwards. Others may have had the text before: the resource was made anew, with one more topic.
#[must_use]
pub fn refusal(
    reset: &ValidatedReset,
    offsets: &BTreeMap<TopicPartition, i64>,
    status: &ConsumerGroupStatus,
    group: &GroupObservation,
) -> Refusal {
    let note = note(&reset.id);
    let is_moved = |partition| group.positions.get(partition).is_some_and(|position| position.note == note);
    let moved = offsets.keys().filter(|partition| is_moved(partition)).count();
    let whole = !group.unanswered.keys().any(|topic| reset.concerns(topic));
    let begun = history::begun(status, &reset.id);
    if moved > 0 {
        Refusal::Made(moved)
    } else if whole && begun.is_some_and(|begun| begun.committed == history::committed(reset, group)) {
        Refusal::NotMade
    } else {
        Refusal::Unknown
    }
}

/// The text committed beside the offsets of a move.
#[must_use]
pub fn note(id: &str) -> String {
    format!("millrace offset reset {id}")
}

/// Decides. `status` remembers moves, see the module.
#[must_use]
pub fn decide(reset: &ValidatedReset, status: &ConsumerGroupStatus, group: &GroupObservation) -> Move {
    let begun = history::begun(status, &reset.id);
    if history::knows(status, &reset.id) {
        return if begun.is_some() { Move::Interrupted } else { Move::Done };
    }
    if begun.is_none() && group.members > 0 {
        return Move::WaitForMembers(group.members);
    }
    if let Some((_, error)) = group.unanswered.iter().find(|(topic, _)| reset.concerns(topic)) {
        return Move::WaitForAnswer(error.to_string());
    }
    let partitions: Vec<(&TopicPartition, &Position)> =
        group.positions.iter().filter(|(partition, _)| reset.concerns(&partition.topic)).collect();
    let note = note(&reset.id);
    let is_moved = |position: &Position| position.note == note;
    if let Some(begun) = begun {
        if partitions.iter().any(|(_, position)| is_moved(position)) {
            return Move::Make(BTreeSet::new());
        }
        if group.members > 0 || begun.committed != history::committed(reset, group) {
            return Move::Interrupted;
        }
    }
    if partitions.is_empty() {
        return Move::Nothing;
    }
    let open = partitions.into_iter().filter(|(_, position)| !is_moved(position));
    Move::Make(open.map(|(partition, _)| partition.clone()).collect())
}

/// The offset that each partition gets, within what is there. `at_time` holds what the brokers answered
/// where the goal is a time: the first offset at or after it, or -1 where there is none.
#[must_use]
pub fn targets(
    goal: Goal,
    partitions: &BTreeSet<TopicPartition>,
    group: &GroupObservation,
    at_time: &BTreeMap<TopicPartition, i64>,
) -> BTreeMap<TopicPartition, i64> {
    let target = |partition: &TopicPartition| {
        let position = group.positions.get(partition)?;
        let wanted = match goal {
            Goal::Earliest => position.start,
            Goal::Latest => position.end,
            Goal::Offset(offset) => offset,
            // What was never committed stands at the beginning.
            Goal::Shift(by) => position.committed.unwrap_or(position.start).saturating_add(by),
            Goal::Time(_) => match at_time.get(partition) {
                Some(offset) if *offset >= 0 => *offset,
                _ => position.end,
            },
        };
        Some(wanted.clamp(position.start, position.end.max(position.start)))
    };
    partitions.iter().filter_map(|partition| Some((partition.clone(), target(partition)?))).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use millrace_client::ClientError;
    use millrace_crds::OffsetResetStatus;

    use super::*;

    fn group(members: i32) -> GroupObservation {
        let position = |committed, start, end, note: &str| Position {
            committed,
            start,
            end,
            note: note.to_owned(),
            ..Position::default()
        };
        let positions = [
            (TopicPartition::new("a", 0), position(Some(50), 10, 100, "")),
            (TopicPartition::new("a", 1), position(None, 0, 7, "")),
            (TopicPartition::new("b", 0), position(Some(5), 0, 9, "millrace offset reset again")),
        ];
        GroupObservation { members, positions: positions.into(), ..GroupObservation::default() }
    }

    fn reset(to: Goal, topics: Option<&[&str]>) -> ValidatedReset {
        let topics = topics.map(|topics| topics.iter().map(|&topic| topic.to_owned()).collect());
        ValidatedReset { id: "again".into(), to, topics }
    }

    /// The status after these moves, in their order.
    fn made(ids: &[&str]) -> ConsumerGroupStatus {
        ids.iter().fold(ConsumerGroupStatus::default(), |before, id| {
            let moved = OffsetResetStatus { id: (*id).to_owned(), ..OffsetResetStatus::default() };
            let offset_reset_history = history::after(&before, Some(&moved), None);
            ConsumerGroupStatus { offset_reset: Some(moved), offset_reset_history, ..before }
        })
    }

    fn make(partitions: &[(&str, i32)]) -> Move {
        Move::Make(partitions.iter().map(|(topic, number)| TopicPartition::new(*topic, *number)).collect())
    }

    #[test]
    fn a_move_is_made_once_and_only_while_the_group_has_no_members() {
        let all = reset(Goal::Earliest, None);
        assert_eq!(decide(&all, &made(&["again"]), &group(0)), Move::Done);
        assert_eq!(decide(&all, &made(&["again", "other"]), &group(0)), Move::Done, "another was made since");
        assert_eq!(decide(&all, &made(&["other"]), &group(2)), Move::WaitForMembers(2));
        let decided = |reset: &ValidatedReset| decide(reset, &ConsumerGroupStatus::default(), &group(0));
        assert_eq!(decided(&all), make(&[("a", 0), ("a", 1)]), "b was moved before");
        assert_eq!(decided(&reset(Goal::Earliest, Some(&["b"]))), make(&[]));
        assert_eq!(decided(&reset(Goal::Earliest, Some(&["c"]))), Move::Nothing);
    }

    #[test]
    fn a_move_that_was_begun_before_a_restart_is_never_made_twice() {
        for goal in [Goal::Earliest, Goal::Latest, Goal::Time(5), Goal::Offset(5), Goal::Shift(-3)] {
            let reset = reset(goal, Some(&["a"]));
            let fresh = ConsumerGroupStatus::default();
            let status = history::begin(&fresh, &reset, &group(0), Timestamp::UNIX_EPOCH);
            assert_eq!(decide(&reset, &status, &group(0)), make(&[("a", 0), ("a", 1)]), "nobody committed");

            let mut moved = group(3);
            moved.positions.get_mut(&TopicPartition::new("a", 0)).unwrap().note = note("again");
            assert_eq!(decide(&reset, &status, &moved), make(&[]), "made, and members are back");

            let mut read_on = group(0);
            read_on.positions.get_mut(&TopicPartition::new("a", 0)).unwrap().committed = Some(60);
            assert_eq!(decide(&reset, &status, &read_on), Move::Interrupted, "members came and went");
            assert_eq!(decide(&reset, &status, &group(1)), Move::Interrupted);
            let given_up = ConsumerGroupStatus {
                offset_reset_history: history::after(&status, None, Some(&Move::Interrupted)),
                ..status
            };
            assert_eq!(decide(&reset, &given_up, &group(0)), Move::Interrupted, "that stays so");
        }
    }

    #[test]
    fn a_refusal_is_believed_only_where_nothing_was_committed() {
        let reset = reset(Goal::Latest, None);
        let status =
            history::begin(&ConsumerGroupStatus::default(), &reset, &group(0), Timestamp::UNIX_EPOCH);
        let first = TopicPartition::new("a", 0);
        let offsets = BTreeMap::from([(first.clone(), 100), (TopicPartition::new("a", 1), 7)]);
        let refusal = |group: &GroupObservation| refusal(&reset, &offsets, &status, group);
        assert_eq!(refusal(&group(2)), Refusal::NotMade, "members had joined; b was moved before");

        // The answer to the first attempt was lost, or the other partition was refused.
        let mut moved = group(2);
        moved.positions.get_mut(&first).unwrap().note = note("again");
        assert_eq!(refusal(&moved), Refusal::Made(1));

        let mut read_on = group(2);
        read_on.positions.get_mut(&first).unwrap().committed = Some(60);
        assert_eq!(refusal(&read_on), Refusal::Unknown);
        let mut unsure = group(0);
        unsure.unanswered.insert("a".into(), ClientError::Usage("a-2 has no leader".into()));
        assert_eq!(refusal(&unsure), Refusal::Unknown);
    }

    #[test]
    fn a_move_waits_until_every_partition_of_its_topics_can_be_asked() {
        let mut group = group(0);
        let error = ClientError::Usage("a-2 has no leader".into());
        group.unanswered.insert("a".into(), error);
        assert_eq!(
            decide(&reset(Goal::Latest, None), &ConsumerGroupStatus::default(), &group),
            Move::WaitForAnswer("a-2 has no leader".into())
        );
        let of_b = reset(Goal::Latest, Some(&["b"]));
        assert_eq!(decide(&of_b, &ConsumerGroupStatus::default(), &group), make(&[]), "b is whole");
    }

    #[test]
    fn every_goal_stays_within_what_is_there() {
        let group = group(0);
        let partitions = group.positions.keys().cloned().collect();
        let times = BTreeMap::from([(TopicPartition::new("a", 0), 42), (TopicPartition::new("a", 1), -1)]);
        let offsets =
            |goal| -> Vec<i64> { targets(goal, &partitions, &group, &times).into_values().collect() };
        assert_eq!(offsets(Goal::Earliest), [10, 0, 0]);
        assert_eq!(offsets(Goal::Latest), [100, 7, 9]);
        assert_eq!(offsets(Goal::Offset(8)), [10, 7, 8]);
        assert_eq!(offsets(Goal::Shift(-3)), [47, 0, 2]);
        assert_eq!(offsets(Goal::Shift(i64::MAX)), [100, 7, 9]);
        assert_eq!(offsets(Goal::Time(0)), [42, 7, 9]);
    }
}
