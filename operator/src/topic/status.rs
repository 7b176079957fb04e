//! A Topic's status from what was seen, planned and refused. Pure; the time is handed in. Figures move only
//! when it matters, so that a busy topic does not rewrite its status all the time.

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{TopicOrigin, TopicStatus};

use crate::conditions::{READY, Verdict, merged, with_verdicts};
use crate::kafka::link::TopicFigures;
use crate::kafka::rates::steady_or_shown;
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
    /// It was made just now.
    pub created: bool,
    /// Why it is not as its spec says.
    pub problems: &'a [Problem],
}

/// The status of a topic that was looked at.
#[must_use]
pub fn observed(before: &TopicStatus, from: &Ingredients<'_>, now: Timestamp) -> TopicStatus {
    let verdict = verdict(from);
    let Some(seen) = from.seen else {
        return with_verdicts(before, vec![verdict], from.generation, now);
    };
    let figures = &from.figures;
    let rest = figures.at_rest;
    let whole = |figure: Option<f64>| figure.map(|figure| figure.round() as i64);
    let origin =
        if from.created { TopicOrigin::Created } else { before.origin.unwrap_or(TopicOrigin::Adopted) };
    TopicStatus {
        observed_generation: from.generation,
        topic_name: Some(from.name.to_owned()),
        topic_id: Some(seen.id.clone()).filter(|id| !id.is_empty()),
        origin: Some(origin),
        partitions: Some(seen.partition_count()),
        replication_factor: Some(seen.replication_factor()),
        under_replicated_partitions: Some(seen.under_replicated()),
        bytes_in_per_second: steady_or_shown(
            before.bytes_in_per_second,
            whole(figures.bytes_in_per_second),
            rest,
        ),
        bytes_out_per_second: steady_or_shown(
            before.bytes_out_per_second,
            whole(figures.bytes_out_per_second),
            false,
        ),
        size_bytes: steady_or_shown(before.size_bytes, figures.size_bytes, rest),
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
            created: true,
            problems: &[],
        }
    }

    #[test]
    fn a_settled_topic_gives_the_same_status_again_and_again() {
        let seen = seen(Some(1));
        let figures =
            TopicFigures { bytes_in_per_second: Some(1000.4), size_bytes: Some(5), ..Default::default() };
        let first = observed(&TopicStatus::default(), &ingredients(&seen, figures), Timestamp::UNIX_EPOCH);
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
        later.created = false;
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
}
