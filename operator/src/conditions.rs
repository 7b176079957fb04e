//! Status conditions: what is wanted against what was, with times that move only when a status flips.
//! Pure; the time is handed in.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{BrokerClusterStatus, Condition, ConditionStatus, ConsumerGroupStatus, TopicStatus};

/// The resource is as its spec says.
pub const READY: &str = "Ready";
/// The operator leaves alone what the resource describes.
pub const PAUSED: &str = "Paused";
/// Something is being changed.
pub const PROGRESSING: &str = "Progressing";
/// The group is further behind than its owner allows.
pub const LAGGING: &str = "Lagging";
/// What became of a move of offsets.
pub const OFFSETS_RESET: &str = "OffsetsReset";
/// Volumes are as large as asked.
pub const STORAGE_RESIZED: &str = "StorageResized";
/// Brokers were told the zone of their node.
pub const RACK_KNOWN: &str = "RackKnown";

/// The reason where the cluster does not answer.
pub const CLUSTER_NOT_READY: &str = "ClusterNotReady";
/// The reason where the cluster's resource does not fit its type.
pub const CLUSTER_UNREADABLE: &str = "ClusterUnreadable";
/// The reason where another resource has what this one wants.
pub const RESOURCE_CONFLICT: &str = "ResourceConflict";

/// Kubernetes takes no longer message.
const MESSAGE_BYTES_MAX: usize = 1024;

/// One aspect of a resource's state, without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The aspect.
    pub aspect: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// In one word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

impl Verdict {
    /// The aspect holds.
    #[must_use]
    pub fn yes(aspect: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { aspect, status: ConditionStatus::True, reason, message: message.into() }
    }

    /// The aspect does not hold.
    #[must_use]
    pub fn no(aspect: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { aspect, status: ConditionStatus::False, reason, message: message.into() }
    }

    /// Nobody knows at the moment.
    #[must_use]
    pub fn unknown(aspect: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { aspect, status: ConditionStatus::Unknown, reason, message: message.into() }
    }
}

/// A status with conditions.
pub trait ConditionedStatus: Clone + Default {
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// The same with these conditions, of that generation.
    #[must_use]
    fn with_conditions(&self, conditions: Vec<Condition>, generation: Option<i64>) -> Self;
}

macro_rules! conditioned {
    ($($status:ident)*) => {$(
        impl ConditionedStatus for $status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }

            fn with_conditions(&self, conditions: Vec<Condition>, generation: Option<i64>) -> Self {
                Self { observed_generation: generation, conditions, ..self.clone() }
            }
        }
    )*};
}

conditioned!(BrokerClusterStatus TopicStatus ConsumerGroupStatus);

/// The status as it was, with what the verdicts say: nothing was looked at.
#[must_use]
pub fn with_verdicts<S: ConditionedStatus>(
    before: &S,
    verdicts: Vec<Verdict>,
    generation: Option<i64>,
    now: Timestamp,
) -> S {
    before.with_conditions(updated(before.conditions(), verdicts, generation, now), generation)
}

/// The conditions of a status after `verdicts`. Aspects without a verdict are gone.
#[must_use]
pub fn merged(
    before: &[Condition],
    verdicts: Vec<Verdict>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    verdicts
        .into_iter()
        .map(|verdict| {
            let same = find(before, verdict.aspect).filter(|old| old.status == verdict.status);
            Condition {
                type_: verdict.aspect.to_owned(),
                status: verdict.status,
                reason: verdict.reason.to_owned(),
                message: shortened(verdict.message),
                last_transition_time: same
                    .map_or_else(|| seconds(now), |old| old.last_transition_time.clone()),
                observed_generation: generation,
            }
        })
        .collect()
}

/// The conditions of a status that `verdicts` say something new about: the other aspects stay as they were,
/// but that nobody is told to look away any more.
#[must_use]
pub fn updated(
    before: &[Condition],
    verdicts: Vec<Verdict>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after = merged(before, verdicts, generation, now);
    let others = before.iter().filter(|old| old.type_ != PAUSED && find(&after, &old.type_).is_none());
    let others: Vec<Condition> = others.cloned().collect();
    after.extend(others);
    after
}

/// The condition of an aspect.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], aspect: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == aspect)
}

/// The aspect holds.
#[must_use]
pub fn is_true(conditions: &[Condition], aspect: &str) -> bool {
    find(conditions, aspect).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// For how long an aspect has been as it is; `None` where nothing is said of it.
#[must_use]
pub fn age(conditions: &[Condition], aspect: &str, now: Timestamp) -> Option<Duration> {
    let since: Timestamp = find(conditions, aspect)?.last_transition_time.parse().ok()?;
    Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// A refusal is worth an Event: it was not said before. That the cluster is not ready is said of the cluster,
/// not of each resource that belongs to it.
#[must_use]
pub fn is_news(before: &[Condition], refusal: &Verdict) -> bool {
    let known = find(before, refusal.aspect).is_some_and(|old| old.reason == refusal.reason);
    !known && refusal.reason != CLUSTER_NOT_READY
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        let mut end = MESSAGE_BYTES_MAX - 4;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push_str(" ...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn time_moves_only_when_the_status_flips() {
        let first = merged(&[], vec![Verdict::no(READY, "Creating", "one moment")], Some(1), at(100));
        let reason = merged(&first, vec![Verdict::no(READY, "Refused", "too many")], Some(2), at(200));
        assert_eq!(reason[0].last_transition_time, first[0].last_transition_time);
        assert_eq!((reason[0].reason.as_str(), reason[0].observed_generation), ("Refused", Some(2)));
        let flipped = merged(&reason, vec![Verdict::yes(READY, "Ready", "")], Some(2), at(300));
        assert_eq!(flipped[0].last_transition_time, "1970-01-01T00:05:00Z");
        assert_eq!(merged(&flipped, vec![Verdict::yes(READY, "Ready", "")], Some(2), at(400)), flipped);
    }

    #[test]
    fn what_no_verdict_is_about_stays_and_only_the_pause_goes() {
        let lagging = Verdict::yes(LAGGING, "RecordsBehind", "more than 5");
        let paused = vec![Verdict::yes(READY, "Paused", ""), lagging, Verdict::yes(PAUSED, "Annotated", "")];
        let before = merged(&[], paused, Some(1), at(100));
        let failed = updated(&before, vec![Verdict::no(READY, "BrokerError", "")], Some(2), at(200));
        let aspects: Vec<&str> = failed.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(aspects, [READY, LAGGING]);
        assert_eq!(failed[1], before[1], "with its time and the generation that it was made for");
        assert_eq!(updated(&failed, vec![Verdict::no(READY, "BrokerError", "")], Some(2), at(300)), failed);
    }

    #[test]
    fn a_refusal_is_news_once_and_that_of_a_whole_cluster_never() {
        let refusal = |reason| Verdict::no(READY, reason, "");
        let before = merged(&[], vec![refusal("ClusterNotFound")], None, at(0));
        assert!(is_news(&before, &refusal(RESOURCE_CONFLICT)) && is_news(&[], &refusal(RESOURCE_CONFLICT)));
        assert!(!is_news(&before, &refusal("ClusterNotFound")));
        assert!(!is_news(&before, &refusal(CLUSTER_NOT_READY)));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "ä".repeat(MESSAGE_BYTES_MAX);
        let cut = merged(&[], vec![Verdict::no(READY, "Refused", long)], None, at(0));
        assert!(cut[0].message.len() <= MESSAGE_BYTES_MAX && cut[0].message.ends_with("ä ..."));
    }
}
