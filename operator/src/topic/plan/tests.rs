//! Plans for topics in every state that matters.

use std::fmt::Write;

use expect_test::{Expect, expect};
use millrace_crds::TopicSpec;

use super::*;
use crate::kafka::settings::{Setting, Settings, ValueKind};
use crate::kafka::topics::PartitionObservation;
use crate::topic::validate::validate;

fn spec(yaml: &str) -> TopicSpec {
    serde_yaml::from_str(&format!("clusterRef: {{name: main}}\n{yaml}")).unwrap()
}

fn seen(partitions: i32, replicas: &[i32], settings: &[(&str, &str, ValueKind)]) -> TopicObservation {
    let partition = || PartitionObservation {
        leader: replicas.first().copied(),
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
    };
    let settings = settings.iter().map(|(name, value, kind)| {
        ((*name).to_owned(), Setting { value: Some((*value).to_owned()), kind: *kind })
    });
    TopicObservation {
        id: "id".into(),
        partitions: (0..partitions).map(|_| partition()).collect(),
        settings: settings.collect::<Settings>(),
    }
}

fn check(yaml: &str, seen: Option<TopicObservation>, demanded: Option<i32>, expected: Expect) {
    let topic = validate("orders", &spec(yaml)).unwrap();
    let plan = plan(&topic, seen.as_ref(), demanded);
    let mut shown = String::new();
    for change in &plan.changes {
        match change {
            TopicChange::Create { partitions, replication_factor, settings } => {
                writeln!(shown, "create {partitions:?} {replication_factor:?} {settings:?}").unwrap();
            }
            other => writeln!(shown, "{other}").unwrap(),
        }
    }
    for problem in &plan.problems {
        writeln!(shown, "{}: {}", problem.reason, problem.message).unwrap();
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_missing_topic_is_created_with_what_the_spec_says_and_nothing_else() {
    check(
        "",
        None,
        None,
        expect![[r#"
        create None None {}
    "#]],
    );
    check(
        "partitions: 4\nreplicationFactor: 1\nconfig: {retention.ms: 1000, segment.bytes: null}",
        None,
        None,
        expect![[r#"
            create Some(4) Some(1) {"retention.ms": "1000"}
        "#]],
    );
}

#[test]
fn a_topic_that_is_as_it_should_be_needs_nothing() {
    let settings = [("retention.ms", "1000", ValueKind::Number), ("segment.bytes", "9", ValueKind::Number)];
    check(
        "partitions: 2\nreplicationFactor: 1\nconfig: {retention.ms: 1000, segment.bytes: null}",
        Some(seen(2, &[1], &settings)),
        None,
        expect![""],
    );
    check("", Some(seen(7, &[1, 2, 3], &[])), None, expect![""]);
}

#[test]
fn partitions_grow_and_settings_are_brought_back() {
    let settings = [("retention.ms", "5", ValueKind::Number), ("max.message.bytes", "9", ValueKind::Number)];
    check(
        "partitions: 4\nconfig: {retention.ms: 1000, cleanup.policy: compact}",
        Some(seen(1, &[1], &settings)),
        None,
        expect![[r#"
            grown from 1 to 4 partitions
            cleanup.policy set from the broker's default to compact
            retention.ms set from 5 to 1000
            max.message.bytes set from 9 to the broker's default
        "#]],
    );
}

#[test]
fn what_cannot_be_done_is_said_and_the_rest_is_done() {
    check(
        "partitions: 4\nreplicationFactor: 3\nconfig: {retention.ms: 1}",
        Some(seen(8, &[1], &[])),
        None,
        expect![[r#"
            retention.ms set from the broker's default to 1
            TooManyPartitions: the topic has 8 partitions and the spec asks for 4; partitions cannot be removed: set partitions to 8, or make a new topic and move its readers and writers
            ReplicationFactorDiffers: 8 of 8 partitions do not have the 3 replicas that the spec asks for; moving replicas needs partition reassignment, which this release does not do: reassign them with Kafka's tools, or set replicationFactor to 1
        "#]],
    );
}

#[test]
fn with_autoscaling_the_spec_is_the_least_and_the_load_adds() {
    let yaml = "partitions: 2\nautoscaling: {maxPartitions: 8, lagPerPartition: 100}";
    check(yaml, Some(seen(5, &[1], &[])), None, expect![""]);
    check(
        yaml,
        Some(seen(5, &[1], &[])),
        Some(6),
        expect![[r#"
        grown from 5 to 6 partitions
    "#]],
    );
}
