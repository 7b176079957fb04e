//! A ConsumerGroup's status from what was seen. Pure; the time is handed in. Lag moves in the status only
//! when it matters, so that a busy group does not rewrite it all the time.

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{ConsumerGroupStatus, OffsetResetStatus, WorstPartition};

use super::reset::Move;
use super::{ValidatedGroup, history};
use crate::conditions::{LAGGING, OFFSETS_RESET, READY, Verdict, find, is_true, merged};
use crate::kafka::connect::explained;
use crate::kafka::groups::{GroupObservation, STABLE};
use crate::kafka::rates::steady;
use crate::problem::Problem;

/// The reason where a partition's offsets could not be asked.
const PARTITIONS_UNKNOWN: &str = "PartitionsUnknown";

/// The reason where nobody knows whether a move of offsets was made.
pub const INTERRUPTED: &str = "Interrupted";

/// What a status is made of.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// What is expected.
    pub group: &'a ValidatedGroup,
    /// The generation of the resource that was worked on.
    pub generation: Option<i64>,
    /// The group, after what was done.
    pub seen: &'a GroupObservation,
    /// The lag did not move lately.
    pub at_rest: bool,
    /// What became of the move of offsets.
    pub reset: Option<&'a Move>,
    /// A move that was made just now.
    pub moved: Option<OffsetResetStatus>,
    /// Members that the lag asks for.
    pub desired_replicas: Option<i32>,
    /// What could not be done.
    pub problem: Option<&'a Problem>,
}

/// The status of a group that was looked at.
#[must_use]
pub fn observed(before: &ConsumerGroupStatus, from: &Ingredients<'_>, now: Timestamp) -> ConsumerGroupStatus {
    let seen = from.seen;
    let now_ms = now.as_millisecond();
    let lag_seconds = seen.lag_ms(now_ms).map(|ms| ms / 1000);
    let lag_seconds_at_least = seen.lag_ms_at_least(now_ms).map(|ms| ms / 1000);
    // What is known in part is shown only where it is more: less would read like a group that catches up.
    let lag_records = match seen.lag_records() {
        None if !seen.is_whole() => before.lag_records.max(seen.lag_at_least().filter(|lag| *lag > 0)),
        lag => steady(before.lag_records, lag, from.at_rest),
    };
    let offset_reset = from.moved.clone().or_else(|| before.offset_reset.clone());
    let mut verdicts = vec![ready(from)];
    verdicts.extend(lagging(from, before, lag_seconds_at_least));
    verdicts.extend(reset(from, offset_reset.as_ref()));
    ConsumerGroupStatus {
        observed_generation: from.generation,
        group_id: Some(from.group.id.clone()),
        // Kafka calls a group that nobody ever joined dead, which reads like a fault.
        state: Some(seen.state.clone()).filter(|_| !seen.is_absent()),
        members: Some(seen.members),
        assignor: Some(seen.assignor.clone()).filter(|assignor| !assignor.is_empty()),
        worst_partition: worst_partition(before, seen, lag_records),
        lag_records,
        lag_seconds: match lag_seconds {
            None if !seen.is_whole() || seen.is_age_unknown() => before.lag_seconds,
            seconds => steady(before.lag_seconds, seconds, false),
        },
        offset_reset_history: history::after(before, from.moved.as_ref(), from.reset),
        offset_reset,
        desired_replicas: from.desired_replicas,
        conditions: merged(&before.conditions, verdicts, from.generation, now),
    }
}

/// Moves when the lag that is shown does.
fn worst_partition(
    before: &ConsumerGroupStatus,
    seen: &GroupObservation,
    lag_records: Option<i64>,
) -> Option<WorstPartition> {
    let worst = seen.worst().map(|(partition, lag)| WorstPartition {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        lag_records: lag,
    });
    let same = lag_records == before.lag_records && before.worst_partition.is_some();
    if same && (worst.is_some() || !seen.is_whole()) { before.worst_partition.clone() } else { worst }
}

fn ready(from: &Ingredients<'_>) -> Verdict {
    let seen = from.seen;
    if let Some(problem) = from.problem {
        return Verdict::no(READY, problem.reason, problem.message.clone());
    }
    if let Some(why) = unknown_partitions(seen) {
        return Verdict::unknown(READY, PARTITIONS_UNKNOWN, why);
    }
    if seen.is_absent() {
        return Verdict::yes(READY, "NotJoined", "no member has joined the group yet");
    }
    if seen.members == 0 {
        return Verdict::yes(READY, "Inactive", "the group has committed offsets and no members");
    }
    if seen.state != STABLE {
        return Verdict::yes(READY, "Rebalancing", "the group's members are sharing the partitions anew");
    }
    let unread = from.group.topics.iter().flatten().filter(|topic| !seen.subscribed.contains(topic.as_str()));
    let unread: Vec<&str> = unread.map(String::as_str).collect();
    if !unread.is_empty() {
        let message =
            format!("the group's members do not read {}, which the spec expects", unread.join(", "));
        return Verdict::no(READY, "TopicsNotRead", message);
    }
    Verdict::yes(READY, "Consuming", "the group's members read")
}

/// No verdict where nothing limits the lag. Seconds pass by themselves, so they are not in the message.
fn lagging(
    from: &Ingredients<'_>,
    before: &ConsumerGroupStatus,
    lag_seconds: Option<i64>,
) -> Option<Verdict> {
    let (records_max, seconds_max) = (from.group.lag_records_max, from.group.lag_seconds_max);
    if records_max.is_none() && seconds_max.is_none() {
        return None;
    }
    let unknown = unknown_partitions(from.seen);
    let Some(lag) = from.seen.lag_at_least().or(unknown.as_ref().map(|_| 0)) else {
        return Some(Verdict::no(LAGGING, "NothingCommitted", "the group has not committed an offset yet"));
    };
    let too_many = records_max.filter(|most| lag > *most);
    let too_old = seconds_max.filter(|most| lag_seconds.is_some_and(|seconds| seconds > *most));
    Some(match (too_many, too_old) {
        (Some(most), _) => {
            Verdict::yes(LAGGING, "RecordsBehind", format!("the group is more than {most} records behind"))
        }
        (None, Some(most)) => {
            Verdict::yes(LAGGING, "SecondsBehind", format!("the group is more than {most} seconds behind"))
        }
        (None, None)
            if is_true(&before.conditions, LAGGING)
                && (unknown.is_some() || is_unsure(from) || !well_within(from, lag, lag_seconds))
                && same_limits(from, before) =>
        {
            // Around the limit it does not flip back and forth, and it has not caught up before that is known.
            let reason = find(&before.conditions, LAGGING);
            let seconds = reason.is_some_and(|old| old.reason == "SecondsBehind");
            let message = reason.map(|old| old.message.clone()).unwrap_or_default();
            Verdict::yes(LAGGING, if seconds { "SecondsBehind" } else { "RecordsBehind" }, message)
        }
        (None, None) => match unknown {
            Some(why) => Verdict::unknown(LAGGING, PARTITIONS_UNKNOWN, why),
            None => Verdict::no(LAGGING, "WithinLimits", "the group keeps up"),
        },
    })
}

/// Nobody knows for how long the group's next records have waited, and it matters.
fn is_unsure(from: &Ingredients<'_>) -> bool {
    from.group.lag_seconds_max.is_some() && from.seen.is_age_unknown()
}

/// The limits are those that the condition was about.
fn same_limits(from: &Ingredients<'_>, before: &ConsumerGroupStatus) -> bool {
    find(&before.conditions, LAGGING).is_some_and(|old| old.observed_generation == from.generation)
}

/// Why it is not known how far behind the group is.
fn unknown_partitions(seen: &GroupObservation) -> Option<String> {
    let topics = seen.unanswered.len();
    let (topic, error) = seen.unanswered.first_key_value()?;
    let others = if topics > 1 { format!(" and {} other topics", topics - 1) } else { String::new() };
    Some(format!("not every partition of {topic}{others} can be asked: {}", explained(error)))
}

/// A tenth below every limit.
fn well_within(from: &Ingredients<'_>, lag: i64, lag_seconds: Option<i64>) -> bool {
    let below = |value: i64, most: Option<i64>| most.is_none_or(|most| value <= most - most / 10);
    below(lag, from.group.lag_records_max) && below(lag_seconds.unwrap_or(0), from.group.lag_seconds_max)
}

fn reset(from: &Ingredients<'_>, done: Option<&OffsetResetStatus>) -> Option<Verdict> {
    let wanted = from.group.reset.as_ref()?;
    if let Some(done) = done.filter(|done| done.id == wanted.id) {
        let message = format!("{} partitions were moved ({})", done.partitions, done.id);
        return Some(Verdict::yes(OFFSETS_RESET, "Done", message));
    }
    Some(match from.reset {
        Some(Move::Done) => Verdict::yes(
            OFFSETS_RESET,
            "Done",
            format!(
                "a move with this id was made or given up before ({}): to move the offsets, give another id",
                wanted.id
            ),
        ),
        Some(Move::Interrupted) => Verdict::no(
            OFFSETS_RESET,
            INTERRUPTED,
            format!(
                "the operator stopped while it moved the offsets ({}), and somebody has committed others since: \
                 look where the group stands, and give another id to move them",
                wanted.id
            ),
        ),
        Some(Move::WaitForMembers(members)) => Verdict::no(
            OFFSETS_RESET,
            "WaitingForMembers",
            format!("the group has {members} members: stop them, and its offsets are moved"),
        ),
        Some(Move::WaitForAnswer(error)) => Verdict::no(
            OFFSETS_RESET,
            PARTITIONS_UNKNOWN,
            format!("the offsets are moved once every partition can be asked: {error}"),
        ),
        Some(Move::Nothing) => Verdict::no(
            OFFSETS_RESET,
            "NothingToMove",
            "the group has committed no offsets for such topics: name topics that exist in spec.topics",
        ),
        _ => Verdict::no(OFFSETS_RESET, "NotDone", "the offsets have not been moved yet"),
    })
}

#[cfg(test)]
mod tests;
