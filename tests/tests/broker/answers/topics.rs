//! Topics that cannot be made, grown, found or deleted.

use millrace_protocol::Uuid;
use millrace_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use millrace_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use millrace_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millrace_protocol::messages::describe_topic_partitions::{DescribeTopicPartitionsRequest, TopicRequest};
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_tests::{Connection, until};

use super::fetches::listed;
use super::{Case, PRESENT, shown};

const SOME_ID: Uuid = Uuid(*b"0123456789abcdef");

pub(super) const CASES: &[Case] = &[
    ("create: a topic that is there", |c| create(c, PRESENT, 1, 1)),
    ("create: 0 partitions", |c| create(c, "none", 0, 1)),
    ("create: -5 partitions", |c| create(c, "negative", -5, 1)),
    ("create: -1 partitions, the default", |c| create(c, "default-count", -1, 1)),
    ("create: -1 replicas, the default", |c| create(c, "default-factor", 1, -1)),
    ("create: 0 replicas", |c| create(c, "no-replica", 1, 0)),
    ("create: -3 replicas", |c| create(c, "negative-replicas", 1, -3)),
    ("create: more replicas than brokers", |c| create(c, "replicated", 1, 3)),
    ("create: no name", |c| create(c, "", 1, 1)),
    ("create: a dot", |c| create(c, ".", 1, 1)),
    ("create: two dots", |c| create(c, "..", 1, 1)),
    ("create: a slash", |c| create(c, "a/b", 1, 1)),
    ("create: a space", |c| create(c, "a b", 1, 1)),
    ("create: an umlaut", |c| create(c, "Mühle", 1, 1)),
    ("create: 249 characters", |c| create(c, &"n".repeat(249), 1, 1)),
    ("create: 250 characters", |c| create(c, &"n".repeat(250), 1, 1)),
    ("create: a name that collides in metrics", |c| {
        format!("{}, then {}", create(c, "col.lides", 1, 1), create(c, "col_lides", 1, 1))
    }),
    ("create: the same twice in one request", |c| {
        create_topics(c, vec![topic("twice", 1, 1), topic("twice", 1, 1)], false)
    }),
    ("create: nothing", |c| create_topics(c, Vec::new(), false)),
    ("create: only to see whether it could be", |c| {
        let tried = create_topics(c, vec![topic("tried", 3, 1)], true);
        format!("{tried}, then {}", metadata(c, "tried"))
    }),
    ("create: only to see, and it could not", |c| create_topics(c, vec![topic("tried", 0, 1)], true)),
    ("create: an unknown configuration", |c| configured(c, "retention.mss", Some("5"))),
    ("create: a configuration that is no number", |c| configured(c, "retention.ms", Some("soon"))),
    ("create: a configuration out of range", |c| configured(c, "segment.bytes", Some("-1"))),
    ("create: a configuration that is no word of its list", |c| {
        configured(c, "cleanup.policy", Some("shred"))
    }),
    ("create: a configuration of null", |c| configured(c, "retention.ms", None)),
    ("create: by hand", |c| by_hand(c, "by-hand", -1, -1, &[(0, &[1]), (1, &[1])])),
    ("create: by hand, and counted", |c| by_hand(c, "by-hand-counted", 2, 1, &[(0, &[1]), (1, &[1])])),
    ("create: by hand, with a gap", |c| by_hand(c, "gap", -1, -1, &[(0, &[1]), (2, &[1])])),
    ("create: by hand, one twice", |c| by_hand(c, "double", -1, -1, &[(0, &[1]), (0, &[1])])),
    ("create: by hand, on a broker that is not there", |c| by_hand(c, "nowhere", -1, -1, &[(0, &[7])])),
    ("create: by hand, on no broker", |c| by_hand(c, "nobody", -1, -1, &[(0, &[])])),
    ("create: by hand, one broker twice", |c| by_hand(c, "same", -1, -1, &[(0, &[1, 1])])),
    ("create: by hand, uneven", |c| by_hand(c, "uneven", -1, -1, &[(0, &[1]), (1, &[1, 2])])),
    ("delete: a topic that is not there", |c| delete(c, Some("absent"), Uuid::ZERO)),
    ("delete: an id that is not there", |c| delete(c, None, SOME_ID)),
    ("delete: neither name nor id", |c| delete(c, None, Uuid::ZERO)),
    ("delete: both name and id", |c| delete(c, Some("absent"), SOME_ID)),
    ("delete: the same twice in one request", |c| {
        assert_eq!(create(c, "deleted", 1, 1), "NONE");
        let state = || DeleteTopicState { name: Some("deleted".to_owned()), ..Default::default() };
        let request =
            DeleteTopicsRequest { topics: vec![state(), state()], timeout_ms: 10_000, ..Default::default() };
        let answer = c.ask(&request, 6);
        let codes: Vec<_> = answer.responses.iter().map(|each| each.error_code).collect();
        format!("{codes:?}")
    }),
    ("metadata: a topic that is not there", |c| metadata(c, "absent")),
    ("metadata: a bad name", |c| metadata(c, "a b")),
    ("metadata: an empty name", |c| metadata(c, "")),
    ("metadata: a bad name, created on first use", |c| {
        let request = MetadataRequest { topics: Some(vec![asked(Some("a b"))]), ..Default::default() };
        format!("{:?}", c.ask(&request, 9).topics[0].error_code)
    }),
    ("metadata: an id that is not there", |c| {
        let topic = MetadataRequestTopic { topic_id: SOME_ID, name: None };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let answer = c.ask(&request, 12);
        format!("{:?}, name {:?}", answer.topics[0].error_code, answer.topics[0].name)
    }),
    ("describe partitions: a topic that is not there", |c| described(c, &["absent"], 10)),
    ("describe partitions: a bad name", |c| described(c, &["a b"], 10)),
    ("describe partitions: fewer than there are", |c| described(c, &[PRESENT], 1)),
];

pub(super) const GROWTH: &[Case] = &[
    ("grow: a topic that is not there", |c| grow(c, "absent", 4, None)),
    ("grow: to what there is", |c| grow(c, PRESENT, 2, None)),
    ("grow: to less", |c| grow(c, PRESENT, 1, None)),
    ("grow: to nothing", |c| grow(c, PRESENT, 0, None)),
    ("grow: to -5", |c| grow(c, PRESENT, -5, None)),
    ("grow: by hand, one too few", |c| grow(c, PRESENT, 4, Some(&[&[1]]))),
    ("grow: by hand, one too many", |c| grow(c, PRESENT, 3, Some(&[&[1], &[1]]))),
    ("grow: by hand, on a broker that is not there", |c| grow(c, PRESENT, 3, Some(&[&[7]]))),
    ("grow: by hand, on no broker", |c| grow(c, PRESENT, 3, Some(&[&[]]))),
    ("grow: by hand, more replicas than the others", |c| grow(c, PRESENT, 3, Some(&[&[1, 2]]))),
    ("grow: the same twice in one request", |c| {
        let topic = || CreatePartitionsTopic { name: PRESENT.to_owned(), count: 3, assignments: None };
        let request = CreatePartitionsRequest {
            topics: vec![topic(), topic()],
            timeout_ms: 10_000,
            validate_only: true,
        };
        let answer = c.ask(&request, 3);
        let all = answer.results.iter().map(|each| shown(each.error_code, each.error_message.as_deref()));
        all.collect::<Vec<_>>().join(", ")
    }),
];

fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: factor,
        ..Default::default()
    }
}

fn create_topics(connection: &mut Connection, topics: Vec<CreatableTopic>, validate_only: bool) -> String {
    let request = CreateTopicsRequest { topics, timeout_ms: 10_000, validate_only };
    let answer = connection.ask(&request, 7);
    let mut all = Vec::new();
    for topic in &answer.topics {
        let shown = shown(topic.error_code, topic.error_message.as_deref());
        let made = topic.error_code.is_ok() && validate_only;
        all.push(if made {
            format!("{shown}, {} partitions of {} replicas", topic.num_partitions, topic.replication_factor)
        } else {
            shown
        });
    }
    all.join(", ")
}

/// Creates a topic, and when that went well waits until its partitions have a leader.
pub(super) fn create(connection: &mut Connection, name: &str, partitions: i32, factor: i16) -> String {
    let answer = create_topics(connection, vec![topic(name, partitions, factor)], false);
    if answer == "NONE" {
        until_led(connection, name, partitions);
    }
    answer
}

/// Kafka tells of a topic before its brokers have heard of it: each partition for itself is led by nobody
/// for a moment.
fn until_led(connection: &mut Connection, name: &str, partitions: i32) {
    for partition in 0..partitions.max(1) {
        until("the new topic has leaders", || {
            listed(connection, name, partition, -1).starts_with("NONE").then_some(())
        });
    }
}

/// Creates a topic of one partition with configurations that are right.
pub(super) fn create_configured(connection: &mut Connection, name: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    });
    let topic = CreatableTopic { configs: configs.collect(), ..topic(name, 1, 1) };
    assert_eq!(create_topics(connection, vec![topic], false), "NONE");
    until_led(connection, name, 1);
}

fn configured(connection: &mut Connection, key: &str, value: Option<&str>) -> String {
    let config = CreatableTopicConfig { name: key.to_owned(), value: value.map(str::to_owned) };
    let topic = CreatableTopic { configs: vec![config], ..topic("configured", 1, 1) };
    create_topics(connection, vec![topic], false)
}

fn by_hand(
    connection: &mut Connection,
    name: &str,
    partitions: i32,
    factor: i16,
    assignments: &[(i32, &[i32])],
) -> String {
    let assignments = assignments.iter().map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: broker_ids.to_vec(),
    });
    let topic = CreatableTopic { assignments: assignments.collect(), ..topic(name, partitions, factor) };
    create_topics(connection, vec![topic], false)
}

fn delete(connection: &mut Connection, name: Option<&str>, topic_id: Uuid) -> String {
    let state = DeleteTopicState { name: name.map(str::to_owned), topic_id };
    let request = DeleteTopicsRequest { topics: vec![state], timeout_ms: 10_000, ..Default::default() };
    let answer = connection.ask(&request, 6);
    shown(answer.responses[0].error_code, answer.responses[0].error_message.as_deref())
}

fn asked(name: Option<&str>) -> MetadataRequestTopic {
    MetadataRequestTopic { name: name.map(str::to_owned), ..Default::default() }
}

fn metadata(connection: &mut Connection, name: &str) -> String {
    let topics = Some(vec![asked(Some(name))]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
    let answer = connection.ask(&request, 12);
    format!("{:?}, {} partitions", answer.topics[0].error_code, answer.topics[0].partitions.len())
}

fn described(connection: &mut Connection, names: &[&str], response_partition_limit: i32) -> String {
    let topics = names.iter().map(|name| TopicRequest { name: (*name).to_owned() }).collect();
    let request = DescribeTopicPartitionsRequest { topics, response_partition_limit, cursor: None };
    let answer = connection.ask(&request, 0);
    let topic = &answer.topics[0];
    format!("{:?}, {} partitions, then {:?}", topic.error_code, topic.partitions.len(), answer.next_cursor)
}

fn grow(connection: &mut Connection, name: &str, count: i32, assignments: Option<&[&[i32]]>) -> String {
    let assignments = assignments.map(|all| {
        all.iter().map(|broker_ids| CreatePartitionsAssignment { broker_ids: broker_ids.to_vec() }).collect()
    });
    let topic = CreatePartitionsTopic { name: name.to_owned(), count, assignments };
    let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
    let answer = connection.ask(&request, 3);
    shown(answer.results[0].error_code, answer.results[0].error_message.as_deref())
}
