//! What a status says that the one before did not, for Events. Pure.

use millrace_crds::{Condition, ConditionStatus, ConsumerGroupStatus};

use super::status::INTERRUPTED;
use crate::conditions::{LAGGING, OFFSETS_RESET, READY, find, is_true};

/// An Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Somebody should look at it.
    pub warning: bool,
    /// In one word.
    pub reason: String,
    /// What the operator did.
    pub action: &'static str,
    /// In a sentence.
    pub note: String,
}

/// What happened between two statuses.
#[must_use]
pub fn news(before: &ConsumerGroupStatus, after: &ConsumerGroupStatus) -> Vec<News> {
    [lag(before, after), interrupted(before, after), not_ready(before, after)].into_iter().flatten().collect()
}

/// That nothing limits the lag any more is not told: the group has not caught up by it.
fn lag(before: &ConsumerGroupStatus, after: &ConsumerGroupStatus) -> Option<News> {
    let was = is_true(&before.conditions, LAGGING);
    let is = find(&after.conditions, LAGGING)?.status;
    let lag = after.lag_records.unwrap_or(0);
    let (warning, reason, worst) = match is {
        ConditionStatus::True if !was => {
            let worst = after.worst_partition.as_ref().map_or_else(String::new, |worst| {
                format!(", {} of them in {}-{}", worst.lag_records, worst.topic, worst.partition)
            });
            (true, "Lagging", worst)
        }
        ConditionStatus::False if was => (false, "CaughtUp", String::new()),
        _ => return None,
    };
    let note = format!("the group is {lag} records behind{worst}");
    Some(News { warning, reason: reason.to_owned(), action: "Observe", note })
}

fn interrupted(before: &ConsumerGroupStatus, after: &ConsumerGroupStatus) -> Option<News> {
    let reset = find(&after.conditions, OFFSETS_RESET)?;
    (reset.reason == INTERRUPTED && is_new(before, reset)).then(|| warning(reset, "Reset"))
}

fn not_ready(before: &ConsumerGroupStatus, after: &ConsumerGroupStatus) -> Option<News> {
    let ready = find(&after.conditions, READY)?;
    (ready.status != ConditionStatus::True && is_new(before, ready)).then(|| warning(ready, "Reconcile"))
}

fn is_new(before: &ConsumerGroupStatus, condition: &Condition) -> bool {
    find(&before.conditions, &condition.type_).is_none_or(|old| old.reason != condition.reason)
}

fn warning(condition: &Condition, action: &'static str) -> News {
    let (reason, note) = (condition.reason.clone(), condition.message.clone());
    News { warning: true, reason, action, note }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::conditions::{Verdict, merged};

    fn status(verdicts: Vec<Verdict>) -> ConsumerGroupStatus {
        let conditions = merged(&[], verdicts, None, Timestamp::UNIX_EPOCH);
        ConsumerGroupStatus { lag_records: Some(7), conditions, ..ConsumerGroupStatus::default() }
    }

    fn told(before: &ConsumerGroupStatus, after: &ConsumerGroupStatus) -> Vec<String> {
        news(before, after).into_iter().map(|news| news.reason).collect()
    }

    #[test]
    fn a_lag_is_told_once_and_its_end_when_it_is_known() {
        let (none, late) = (status(Vec::new()), status(vec![Verdict::yes(LAGGING, "RecordsBehind", "")]));
        let within = status(vec![Verdict::no(LAGGING, "WithinLimits", "")]);
        let unknown = status(vec![Verdict::unknown(LAGGING, "PartitionsUnknown", "")]);
        assert_eq!(told(&none, &late), ["Lagging"]);
        assert!(told(&late, &late).is_empty() && told(&none, &within).is_empty());
        assert_eq!(told(&late, &within), ["CaughtUp"]);
        assert!(told(&late, &unknown).is_empty() && told(&late, &none).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_once_for_each_reason() {
        let refused = status(vec![
            Verdict::no(READY, "TopicsNotRead", "orders"),
            Verdict::no(OFFSETS_RESET, INTERRUPTED, "july"),
        ]);
        assert_eq!(told(&status(Vec::new()), &refused), ["Interrupted", "TopicsNotRead"]);
        assert!(told(&refused, &refused).is_empty());
        assert!(told(&refused, &status(vec![Verdict::yes(READY, "Consuming", "")])).is_empty());
    }
}
