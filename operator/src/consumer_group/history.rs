//! Which moves of offsets a status remembers: those that are not made again, and the one whose end is not
//! known. Pure; the time is handed in.

use crc_fast::CrcAlgorithm;
use k8s_openapi::jiff::Timestamp;
use millrace_crds::{ConsumerGroupStatus, OffsetResetHistory, OffsetResetStart, OffsetResetStatus};

use super::reset::Move;
use super::validate::ValidatedReset;
use crate::conditions::seconds;
use crate::kafka::groups::GroupObservation;

/// So many ids are remembered; the schema takes no more.
const IDS_MAX: usize = 16;

/// The move with this id was made, or given up.
#[must_use]
pub fn knows(status: &ConsumerGroupStatus, id: &str) -> bool {
    let last = status.offset_reset.as_ref().is_some_and(|last| last.id == id);
    last || status.offset_reset_history.iter().flat_map(|history| &history.ids).any(|known| known == id)
}

/// The move with this id was begun, and its end was not noted.
#[must_use]
pub fn begun<'a>(status: &'a ConsumerGroupStatus, id: &str) -> Option<&'a OffsetResetStart> {
    status.offset_reset_history.as_ref()?.begun.as_ref().filter(|begun| begun.id == id)
}

/// The status to write before the offsets of a move: a move of the same offsets that was begun already stays
/// begun, and another one is given up.
#[must_use]
pub fn begin(
    before: &ConsumerGroupStatus,
    reset: &ValidatedReset,
    seen: &GroupObservation,
    now: Timestamp,
) -> ConsumerGroupStatus {
    let committed = committed(reset, seen);
    if begun(before, &reset.id).is_some_and(|begun| begun.committed == committed) {
        return before.clone();
    }
    let mut history = before.offset_reset_history.clone().unwrap_or_default();
    if let Some(other) = history.begun.take().filter(|other| other.id != reset.id) {
        remember(&mut history, other.id);
    }
    history.begun = Some(OffsetResetStart { id: reset.id.clone(), started_at: seconds(now), committed });
    ConsumerGroupStatus { offset_reset_history: Some(history), ..before.clone() }
}

/// The status after the brokers said that they did not make the move that was begun.
#[must_use]
pub fn refused(before: &ConsumerGroupStatus) -> ConsumerGroupStatus {
    let history =
        before.offset_reset_history.clone().map(|history| OffsetResetHistory { begun: None, ..history });
    ConsumerGroupStatus { offset_reset_history: history.and_then(unless_empty), ..before.clone() }
}

/// What is remembered after a look: a move that was made, or one that is given up since nobody knows whether
/// it was.
#[must_use]
pub fn after(
    before: &ConsumerGroupStatus,
    moved: Option<&OffsetResetStatus>,
    decided: Option<&Move>,
) -> Option<OffsetResetHistory> {
    let mut history = before.offset_reset_history.clone().unwrap_or_default();
    if let Some(moved) = moved {
        // Of the one before there may be nothing but this: an older operator kept no history.
        if let Some(last) = &before.offset_reset {
            remember(&mut history, last.id.clone());
        }
        remember(&mut history, moved.id.clone());
        history.begun = None;
    } else if decided == Some(&Move::Interrupted)
        && let Some(begun) = history.begun.clone()
    {
        remember(&mut history, begun.id);
    }
    unless_empty(history)
}

/// A checksum of the offsets that are committed for what a move concerns: another one once somebody commits.
#[must_use]
pub fn committed(reset: &ValidatedReset, seen: &GroupObservation) -> String {
    let concerned = seen.positions.iter().filter(|(partition, _)| reset.concerns(&partition.topic));
    let lines: String = concerned
        .filter_map(|(partition, position)| Some(format!("{partition}={}\n", position.committed?)))
        .collect();
    format!("{:08x}", crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, lines.as_bytes()))
}

fn remember(history: &mut OffsetResetHistory, id: String) {
    if history.ids.first() != Some(&id) {
        history.ids.retain(|known| *known != id);
        history.ids.insert(0, id);
        history.ids.truncate(IDS_MAX);
    }
}

fn unless_empty(history: OffsetResetHistory) -> Option<OffsetResetHistory> {
    (!history.ids.is_empty() || history.begun.is_some()).then_some(history)
}

#[cfg(test)]
mod tests {
    use millrace_client::TopicPartition;

    use super::super::validate::Goal;
    use super::*;
    use crate::kafka::groups::Position;

    fn reset(id: &str) -> ValidatedReset {
        ValidatedReset { id: id.into(), to: Goal::Latest, topics: None }
    }

    fn moved(id: &str) -> OffsetResetStatus {
        OffsetResetStatus { id: id.into(), partitions: 1, completed_at: String::new() }
    }

    fn seen(committed: Option<i64>) -> GroupObservation {
        let position = Position { committed, ..Position::default() };
        let positions = [(TopicPartition::new("t", 0), position)].into();
        GroupObservation { positions, ..GroupObservation::default() }
    }

    fn made(before: &ConsumerGroupStatus, id: &str) -> ConsumerGroupStatus {
        let offset_reset_history = after(before, Some(&moved(id)), None);
        ConsumerGroupStatus { offset_reset: Some(moved(id)), offset_reset_history, ..before.clone() }
    }

    #[test]
    fn the_last_moves_are_remembered_and_an_older_operators_one_with_them() {
        let mut status =
            ConsumerGroupStatus { offset_reset: Some(moved("old")), ..ConsumerGroupStatus::default() };
        assert!(knows(&status, "old"));
        for number in 0..IDS_MAX - 1 {
            status = made(&status, &format!("n{number}"));
        }
        assert!(knows(&status, "old") && knows(&status, "n0") && !knows(&status, "other"));
        status = made(&status, "one-more");
        assert!(!knows(&status, "old") && knows(&status, "n0"));
        assert_eq!(status.offset_reset_history.map(|history| history.ids.len()), Some(IDS_MAX));
    }

    #[test]
    fn a_move_is_begun_once_and_ends_made_or_refused_or_given_up() {
        let none = ConsumerGroupStatus::default();
        let status = begin(&none, &reset("a"), &seen(Some(5)), Timestamp::UNIX_EPOCH);
        assert!(begun(&status, "a").is_some() && !knows(&status, "a"));
        assert_eq!(begin(&status, &reset("a"), &seen(Some(5)), Timestamp::now()), status, "nothing to write");
        assert_eq!(refused(&status), none);
        assert!(begun(&made(&status, "a"), "a").is_none());
        let other = begin(&status, &reset("b"), &seen(Some(5)), Timestamp::UNIX_EPOCH);
        assert!(knows(&other, "a") && begun(&other, "b").is_some(), "nobody knows whether a was made");
        assert_eq!(after(&none, None, Some(&Move::Done)), None);
    }

    #[test]
    fn the_checksum_is_another_one_once_somebody_commits() {
        let of = |committed_at| committed(&reset("a"), &seen(committed_at));
        assert_eq!(of(Some(5)), of(Some(5)));
        assert_ne!(of(Some(5)), of(Some(6)));
        assert_ne!(of(None), of(Some(0)));
    }
}
