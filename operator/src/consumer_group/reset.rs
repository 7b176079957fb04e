//! A move of a group's offsets: whether it may be made now, and which offset each partition gets. Pure.
//!
//! A move is made once for each id, also when the operator dies in the middle: the id is committed as the
//! text beside each offset, so that a partition that has it is not moved again. That matters where offsets
//! are shifted.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::TopicPartition;

use super::validate::{Goal, ValidatedReset};
use crate::kafka::groups::{GroupObservation, Position};

/// What is to be done about a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It was made.
    Done,
    /// The group has members, which commit offsets of their own.
    WaitForMembers(i32),
    /// There is no partition to move: the topics do not exist, or nothing was committed.
    Nothing,
    /// A partition could not be asked, and why: without it the move would be made in part.
    WaitForAnswer(String),
    /// These partitions move; those that were moved before a restart are left out.
    Make(BTreeSet<TopicPartition>),
}

/// The text committed beside the offsets of a move.
#[must_use]
pub fn note(id: &str) -> String {
    format!("millrace offset reset {id}")
}

/// Decides. `done` is the id of the move that was made last.
#[must_use]
pub fn decide(reset: &ValidatedReset, done: Option<&str>, group: &GroupObservation) -> Move {
    if done == Some(reset.id.as_str()) {
        return Move::Done;
    }
    if group.members > 0 {
        return Move::WaitForMembers(group.members);
    }
    if let Some((_, error)) = group.unanswered.iter().find(|(topic, _)| reset.concerns(topic)) {
        return Move::WaitForAnswer(error.to_string());
    }
    let partitions: Vec<(&TopicPartition, &Position)> =
        group.positions.iter().filter(|(partition, _)| reset.concerns(&partition.topic)).collect();
    if partitions.is_empty() {
        return Move::Nothing;
    }
    let note = note(&reset.id);
    let open = partitions.into_iter().filter(|(_, position)| position.note != note);
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
    use millrace_client::ClientError;

    use super::*;

    fn group(members: i32) -> GroupObservation {
        let position = |committed, start, end, note: &str| Position {
            committed,
            start,
            end,
            note: note.to_owned(),
            waiting_since_ms: None,
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

    fn make(partitions: &[(&str, i32)]) -> Move {
        Move::Make(partitions.iter().map(|(topic, number)| TopicPartition::new(*topic, *number)).collect())
    }

    #[test]
    fn a_move_is_made_once_and_only_while_the_group_has_no_members() {
        let all = reset(Goal::Earliest, None);
        assert_eq!(decide(&all, Some("again"), &group(0)), Move::Done);
        assert_eq!(decide(&all, Some("other"), &group(2)), Move::WaitForMembers(2));
        assert_eq!(
            decide(&all, None, &group(0)),
            make(&[("a", 0), ("a", 1)]),
            "b was moved before a restart"
        );
        assert_eq!(decide(&reset(Goal::Earliest, Some(&["b"])), None, &group(0)), make(&[]));
        assert_eq!(decide(&reset(Goal::Earliest, Some(&["c"])), None, &group(0)), Move::Nothing);
    }

    #[test]
    fn a_move_waits_until_every_partition_of_its_topics_can_be_asked() {
        let mut group = group(0);
        let error = ClientError::Usage("a-2 has no leader".into());
        group.unanswered.insert("a".into(), error);
        assert_eq!(
            decide(&reset(Goal::Latest, None), None, &group),
            Move::WaitForAnswer("a-2 has no leader".into())
        );
        assert_eq!(decide(&reset(Goal::Latest, Some(&["b"])), None, &group), make(&[]), "b is whole");
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
