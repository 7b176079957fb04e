//! A Topic's status from what was seen, planned and refused. Pure; the time is handed in. Figures move only
//! when it matters, so that a busy topic does not rewrite its status all the time.

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{TopicOrigin, TopicStatus};

use super::apply::Creation;
use crate::conditions::{READY, Verdict, merged, with_verdicts};
use crate::kafka::link::{ShownFigures, TopicFigures};
use crate::kafka::topics::TopicObservation;
use crate::problem::{Problem, summed};

/// What a status is made of.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// The topic's name in Kafka.
    pub name: &'a str,
    /// The generation of the resource that was worked on.
    pub generation: Option<i64>,
    /// The topic, after what was done.
    pub seen: Option<&'a TopicObservation>,
    /// Its figures.
    pub figures: TopicFigures,
    /// What became of its creation.
    pub creation: &'a Creation,
    /// Why it is not as its spec says.
    pub problems: &'a [Problem],
}

/// The status to write before a topic is created that was seen not to exist. An operator that is killed right
/// after the creation neither takes the topic for one that was there, nor leaves it behind when its resource
/// goes. The id stays: with it the resource has the topic, against its rivals.
#[must_use]
pub fn begun(before: &TopicStatus, name: &str) -> TopicStatus {
    TopicStatus { topic_name: Some(name.to_owned()), origin: Some(TopicOrigin::Created), ..before.clone() }
}

/// The brokers refused the creation when it was last tried. Another try that they refuse as well must not
/// write two statuses each time.
#[must_use]
pub fn was_refused(before: &TopicStatus) -> bool {
    before.topic_name.is_some() && before.origin.is_none()
}

/// Whether the topic is managed, and since when: what is managed goes with its resource.
fn origin(before: Option<TopicOrigin>, from: &Ingredients<'_>) -> Option<TopicOrigin> {
    match from.creation {
        Creation::Made(_) => Some(TopicOrigin::Created),
        // There is none. Who makes one of that name later makes it for themselves, until it is adopted.
        Creation::Refused => None,
        Creation::Overtaken if from.seen.is_some() => Some(TopicOrigin::Adopted),
        // It may be there: what was noted before the creation holds.
        Creation::Overtaken | Creation::Unknown => before,
        Creation::NotNeeded => before.or(from.seen.map(|_| TopicOrigin::Adopted)),
    }
}

/// The status of a topic that was looked at.
#[must_use]
pub fn observed(before: &TopicStatus, from: &Ingredients<'_>, now: Timestamp) -> TopicStatus {
    let verdict = verdict(from);
    let origin = origin(before.origin, from);
    let Some(seen) = from.seen else {
        let made = match from.creation {
            Creation::Made(id) => Some(id.clone()).filter(|id| !id.is_empty()),
            _ => None,
        };
        let topic_id = made.or_else(|| before.topic_id.clone());
        let said = with_verdicts(before, vec![verdict], from.generation, now);
        return TopicStatus { origin, topic_id, ..said };
    };
    let figures = &from.figures;
    let shown = figures.shown(ShownFigures {
        bytes_in_per_second: before.bytes_in_per_second,
        bytes_out_per_second: before.bytes_out_per_second,
        size_bytes: before.size_bytes,
    });
    TopicStatus {
        observed_generation: from.generation,
        topic_name: Some(from.name.to_owned()),
        topic_id: Some(seen.id.clone()).filter(|id| !id.is_empty()),
        origin,
        partitions: Some(seen.partition_count()),
        replication_factor: Some(seen.replication_factor()),
        under_replicated_partitions: Some(seen.under_replicated()),
        bytes_in_per_second: shown.bytes_in_per_second,
        bytes_out_per_second: shown.bytes_out_per_second,
        size_bytes: shown.size_bytes,
        conditions: merged(&before.conditions, vec![verdict], from.generation, now),
    }
}

fn verdict(from: &Ingredients<'_>) -> Verdict {
    if let Some(problem) = summed(from.problems) {
        return Verdict::no(READY, problem.reason, problem.message);
    }
    let Some(seen) = from.seen else {
        let message = "the topic was made, and the brokers do not show it yet";
        return Verdict::no(READY, "Creating", message);
    };
    let leaderless = seen.leaderless();
    if !leaderless.is_empty() {
        let numbers: Vec<String> = leaderless.iter().take(20).map(ToString::to_string).collect();
        let message = format!(
            "{} of {} partitions have no leader ({}): a broker or its disk is down",
            leaderless.len(),
            seen.partition_count(),
            numbers.join(", ")
        );
        return Verdict::no(READY, "PartitionsOffline", message);
    }
    Verdict::yes(READY, "Ready", "the topic is as the spec says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::settings::Settings;
    use crate::kafka::topics::PartitionObservation;
    use expect_test::expect;

    fn seen(leader: Option<i32>) -> TopicObservation {
        let partition = PartitionObservation { leader, replicas: vec![1, 2], isr: vec![1] };
        TopicObservation { id: "abc".into(), partitions: vec![partition], settings: Settings::new() }
    }

    fn ingredients<'a>(seen: &'a TopicObservation, figures: TopicFigures) -> Ingredients<'a> {
        Ingredients {
            name: "orders",
            generation: Some(3),
            seen: Some(seen),
            figures,
            creation: &Creation::NotNeeded,
            problems: &[],
        }
    }

    #[test]
    fn a_settled_topic_gives_the_same_status_again_and_again() {
        let seen = seen(Some(1));
        let figures =
            TopicFigures { bytes_in_per_second: Some(1000.4), size_bytes: Some(5), ..Default::default() };
        let made = Creation::Made("abc".into());
        let from = Ingredients { creation: &made, ..ingredients(&seen, figures) };
        let first = observed(&begun(&TopicStatus::default(), "orders"), &from, Timestamp::UNIX_EPOCH);
        expect![[r#"
            observedGeneration: 3
            topicName: orders
            topicId: abc
            origin: Created
            partitions: 1
            replicationFactor: 2
            underReplicatedPartitions: 1
            bytesInPerSecond: 1000
            sizeBytes: 5
            conditions:
            - type: Ready
              status: 'True'
              reason: Ready
              message: the topic is as the spec says
              lastTransitionTime: 1970-01-01T00:00:00Z
              observedGeneration: 3
        "#]]
        .assert_eq(&serde_yaml::to_string(&first).unwrap());
        let mut later = ingredients(&seen, figures);
        later.figures.bytes_in_per_second = Some(1090.0);
        assert_eq!(observed(&first, &later, Timestamp::now()), first);
    }

    #[test]
    fn a_topic_without_leaders_or_with_problems_is_not_ready() {
        let offline = seen(None);
        let status = observed(
            &TopicStatus::default(),
            &ingredients(&offline, TopicFigures::default()),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(status.conditions[0].reason, "PartitionsOffline");
        let problems = [Problem::new("InvalidConfig", "one"), Problem::new("TooManyPartitions", "two")];
        let mut from = ingredients(&offline, TopicFigures::default());
        from.problems = &problems;
        let status = observed(&TopicStatus::default(), &from, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (status.conditions[0].reason.as_str(), status.conditions[0].message.as_str()),
            ("InvalidConfig", "one; two")
        );
    }

    #[test]
    fn who_made_the_topic_is_known_whatever_became_of_the_creation() {
        use TopicOrigin::{Adopted, Created};
        let shown = seen(Some(1));
        let after = |before: &TopicStatus, seen: Option<&TopicObservation>, creation: &Creation| {
            let from = Ingredients { seen, creation, ..ingredients(&shown, TopicFigures::default()) };
            observed(before, &from, Timestamp::UNIX_EPOCH)
        };
        let (new, made) = (TopicStatus::default(), Creation::Made("abc".into()));
        let tried = begun(&new, "orders");
        assert_eq!(tried.origin, Some(Created), "known before it is done");

        let not_shown = after(&tried, None, &made);
        assert_eq!((not_shown.origin, not_shown.topic_id.as_deref()), (Some(Created), Some("abc")));
        assert_eq!(after(&tried, Some(&shown), &Creation::Overtaken).origin, Some(Adopted));
        for unknown in [Creation::Overtaken, Creation::Unknown] {
            let unknown = after(&tried, None, &unknown);
            assert_eq!(unknown.origin, Some(Created), "it may be there");
            assert_eq!(after(&unknown, Some(&shown), &Creation::NotNeeded).origin, Some(Created));
        }

        let refused = after(&tried, None, &Creation::Refused);
        assert_eq!((refused.origin, was_refused(&refused)), (None, true), "nothing is managed");
        assert!(!was_refused(&new) && !was_refused(&tried) && !was_refused(&not_shown));
        assert_eq!(after(&refused, None, &Creation::Refused), refused, "no second status says the same");
        assert_eq!(after(&refused, Some(&shown), &Creation::NotNeeded).origin, Some(Adopted));

        let vanished = begun(&after(&new, Some(&shown), &Creation::NotNeeded), "orders");
        assert_eq!((vanished.origin, vanished.topic_id.as_deref()), (Some(Created), Some("abc")));
        assert_eq!(after(&vanished, None, &Creation::Refused).origin, None, "it is gone");
    }
}
