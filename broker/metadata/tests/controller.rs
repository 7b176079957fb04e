//! The controller's decisions as tables: request in, Kafka 4.1's answer out. The answers were read
//! off a running Kafka 4.1.1.
#![allow(clippy::panic, reason = "a test says what is wrong and stops")]

mod common;

use common::{after, cluster, directory, registration};
use expect_test::expect;
use fastrand::Rng;
use millrace_metadata::config::ConfigMap;
use millrace_metadata::controller::{
    ControllerSettings, allocate_producer_ids, alter_configs, auto_created_topic, create_partitions,
    create_topics, delete_topics, incremental_alter_configs, register_broker,
};
use millrace_metadata::image::{ClusterImage, NO_LEADER, ResourceType};
use millrace_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use millrace_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use millrace_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millrace_protocol::messages::{alter_configs as legacy, incremental_alter_configs as incremental};
use millrace_protocol::{ErrorCode, Uuid};

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: name.to_owned(), num_partitions, replication_factor, ..Default::default() }
}

fn manual(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: broker_ids.to_vec(),
    });
    CreatableTopic { assignments: assignments.collect(), ..topic(name, -1, -1) }
}

fn configured(name: &str, configs: &[(&str, Option<&str>)]) -> CreatableTopic {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: value.map(str::to_owned),
    });
    CreatableTopic { configs: configs.collect(), ..topic(name, 1, 1) }
}

fn line(name: &str, code: ErrorCode, message: Option<&str>) -> String {
    format!(
        "{name:.20}: {}{}\n",
        code.name(),
        message.map(|text| format!(" {text:.180}")).unwrap_or_default()
    )
}

/// Create `topics` in one request; one line for each result.
fn create(image: &mut ClusterImage, topics: Vec<CreatableTopic>) -> String {
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let request = CreateTopicsRequest { topics, ..Default::default() };
    // Another seed for each request, or two topics would draw the same id.
    let seed = u64::try_from(image.topics.len()).expect("small");
    let decision = create_topics(image, &request, &settings, &mut Rng::with_seed(seed));
    *image = after(image, &decision);
    let results = decision.reply.topics.iter();
    results.map(|it| line(&it.name, it.error_code, it.error_message.as_deref())).collect()
}

#[test]
fn names_of_topics() {
    let mut image = cluster(&[(1, None)]);
    let long = "x".repeat(250);
    let names =
        ["ok1", "ok1", "", ".", "..", &long, "a b", "é", "a.b", "a_b", "x.y_z", "__cluster_metadata", "Ok-1"];
    let answers: String = names.iter().map(|name| create(&mut image, vec![topic(name, 1, 1)])).collect();
    expect![[r#"
        ok1: NONE
        ok1: TOPIC_ALREADY_EXISTS Topic 'ok1' already exists.
        : INVALID_TOPIC_EXCEPTION Topic name is invalid: the empty string is not allowed
        .: INVALID_TOPIC_EXCEPTION Topic name is invalid: '.' is not allowed
        ..: INVALID_TOPIC_EXCEPTION Topic name is invalid: '..' is not allowed
        xxxxxxxxxxxxxxxxxxxx: INVALID_TOPIC_EXCEPTION Topic name is invalid: the length of 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        a b: INVALID_TOPIC_EXCEPTION Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
        é: INVALID_TOPIC_EXCEPTION Topic name is invalid: 'é' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
        a.b: NONE
        a_b: INVALID_TOPIC_EXCEPTION Topic 'a_b' collides with existing topic: a.b
        x.y_z: NONE
        __cluster_metadata: INVALID_REQUEST Creation of internal topic __cluster_metadata is prohibited.
        Ok-1: NONE
    "#]]
    .assert_eq(&answers);
}

#[test]
fn numbers_of_partitions_and_replicas() {
    let mut image = cluster(&[(1, None)]);
    let numbers =
        [(0, 1), (-5, 1), (1, 0), (1, -5), (1, 2), (1, 4), (-1, -1), (10_001, 1), (i32::MAX, 1), (10_000, 1)];
    let answers: String = numbers
        .iter()
        .map(|(partitions, replicas)| {
            let name = format!("p{partitions}r{replicas}");
            create(&mut image, vec![topic(&name, *partitions, *replicas)])
        })
        .collect();
    expect![[r#"
        p0r1: INVALID_PARTITIONS Number of partitions was set to an invalid non-positive value.
        p-5r1: INVALID_PARTITIONS Number of partitions was set to an invalid non-positive value.
        p1r0: INVALID_REPLICATION_FACTOR Replication factor must be larger than 0, or -1 to use the default value.
        p1r-5: INVALID_REPLICATION_FACTOR Replication factor must be larger than 0, or -1 to use the default value.
        p1r2: INVALID_REPLICATION_FACTOR Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 broker(s) are registered.
        p1r4: INVALID_REPLICATION_FACTOR Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only 1 broker(s) are registered.
        p-1r-1: NONE
        p10001r1: POLICY_VIOLATION Excessively large number of partitions per request.
        p2147483647r1: POLICY_VIOLATION Excessively large number of partitions per request.
        p10000r1: NONE
    "#]]
    .assert_eq(&answers);
    assert_eq!(image.topics.by_name("p-1r-1").expect("created").partition_count(), 1);
    assert_eq!(image.topics.by_name("p10000r1").expect("created").partition_count(), 10_000);
}

#[test]
fn assignments_by_hand() {
    let mut image = cluster(&[(1, None), (2, None)]);
    type Assignment<'a> = &'a [(i32, &'a [i32])];
    let cases: [(&str, Assignment<'_>); 8] = [
        ("ok", &[(0, &[1]), (1, &[2])]),
        ("gap", &[(0, &[1]), (2, &[1])]),
        ("negative", &[(-1, &[1])]),
        ("unknown", &[(0, &[9])]),
        ("twice", &[(0, &[1, 1])]),
        ("empty", &[(0, &[])]),
        ("uneven", &[(0, &[1]), (1, &[1, 2])]),
        ("again", &[(0, &[1]), (0, &[2])]),
    ];
    let mut answers: String =
        cases.iter().map(|(name, assignment)| create(&mut image, vec![manual(name, assignment)])).collect();
    let both = CreatableTopic { num_partitions: 1, ..manual("both", &[(0, &[1])]) };
    answers += &create(&mut image, vec![both]);
    let both = CreatableTopic { replication_factor: 1, ..manual("both", &[(0, &[1])]) };
    answers += &create(&mut image, vec![both]);
    expect![[r#"
        ok: NONE
        gap: INVALID_REPLICA_ASSIGNMENT partitions should be a consecutive 0-based integer sequence
        negative: INVALID_REPLICA_ASSIGNMENT partitions should be a consecutive 0-based integer sequence
        unknown: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 9, but no such broker is registered.
        twice: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes the broker 1 more than once.
        empty: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list.
        uneven: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with previous partitions, which have 1 replica(s).
        again: INVALID_REPLICA_ASSIGNMENT Found multiple manual partition assignments for partition 0
        both: INVALID_REQUEST A manual partition assignment was specified, but numPartitions was not set to -1.
        both: INVALID_REQUEST A manual partition assignment was specified, but replication factor was not set to -1.
    "#]]
    .assert_eq(&answers);
    let leaders: Vec<_> =
        image.topics.by_name("ok").expect("created").partitions.values().map(|it| it.leader).collect();
    assert_eq!(leaders, [1, 2]);
}

#[test]
fn settings_of_new_topics() {
    let mut image = cluster(&[(1, None)]);
    let answers = create(
        &mut image,
        vec![
            configured("bad", &[("retention.ms", Some("x"))]),
            configured("unknown", &[("foo", Some("1"))]),
            configured("null", &[("retention.ms", None), ("segment.bytes", Some("1"))]),
            configured("good", &[("retention.ms", Some("5000"))]),
        ],
    );
    expect![[r#"
        bad: INVALID_CONFIG Invalid value x for configuration retention.ms: Not a number of type LONG
        unknown: INVALID_CONFIG Unknown topic config name: foo
        null: INVALID_CONFIG Null value not supported for topic configs: retention.ms
        good: NONE
    "#]]
    .assert_eq(&answers);
    let configs = image.configs.of(ResourceType::Topic, "good");
    assert_eq!(configs.get("retention.ms").map(String::as_str), Some("5000"));
}

#[test]
fn the_reply_to_a_creation_tells_what_will_count() {
    let (image, empty) = (cluster(&[(1, None)]), ConfigMap::new());
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let topics = vec![configured("good", &[("retention.ms", Some("5000"))])];
    let request = CreateTopicsRequest { topics, validate_only: true, ..Default::default() };
    let decision = create_topics(&image, &request, &settings, &mut Rng::with_seed(1));
    assert!(decision.records.is_empty());
    let result = &decision.reply.topics[0];
    assert_eq!((result.num_partitions, result.replication_factor), (1, 1));
    let configs = result.configs.as_ref().expect("described");
    assert_eq!(configs.len(), 33);
    let shown = |name: &str| {
        let found = configs.iter().find(|config| config.name == name).expect(name);
        (found.value.as_deref(), found.config_source)
    };
    assert_eq!(shown("retention.ms"), (Some("5000"), 1));
    assert_eq!(shown("segment.bytes"), (Some("1073741824"), 5));
}

#[test]
fn one_request_with_a_name_twice_or_two_that_collide() {
    let mut image = cluster(&[(1, None)]);
    let topics = ["dd", "ee", "dd", "a.b", "a_b"].iter().map(|name| topic(name, 1, 1)).collect();
    expect![[r#"
        ee: NONE
        a.b: NONE
        a_b: INVALID_TOPIC_EXCEPTION Topic 'a_b' collides with existing topic: another one of the same request
        dd: INVALID_REQUEST Duplicate topic name.
    "#]]
    .assert_eq(&create(&mut image, topics));
}

#[test]
fn replicas_are_spread_over_racks_and_brokers() {
    let mut image =
        cluster(&[(1, Some("a")), (2, Some("a")), (3, Some("b")), (4, Some("b")), (5, Some("c"))]);
    create(&mut image, vec![topic("spread", 50, 3)]);
    let rack = |broker: i32| image.broker(broker).and_then(|it| it.rack.clone()).expect("has a rack");
    let mut led = [0; 6];
    for partition in image.topics.by_name("spread").expect("created").partitions.values() {
        let mut racks: Vec<_> = partition.replicas.iter().map(|broker| rack(*broker)).collect();
        racks.sort();
        assert_eq!(racks, ["a", "b", "c"], "{:?}", partition.replicas);
        assert_eq!(partition.leader, partition.replicas[0]);
        assert_eq!(partition.isr, partition.replicas);
        let directories: Vec<_> = partition.replicas.iter().map(|broker| directory(*broker)).collect();
        assert_eq!(partition.directories, directories);
        led[usize::try_from(partition.leader).expect("small")] += 1;
    }
    // Rack c has one broker, which leads a third; the others share the rest.
    assert!(led[1..].iter().all(|count| *count >= 5), "{led:?}");
}

#[test]
fn more_replicas_than_racks_still_go_to_different_brokers() {
    let mut image = cluster(&[(1, Some("a")), (2, Some("a")), (3, Some("a")), (4, Some("b"))]);
    create(&mut image, vec![topic("all", 20, 4)]);
    for partition in image.topics.by_name("all").expect("created").partitions.values() {
        let mut replicas = partition.replicas.clone();
        replicas.sort_unstable();
        assert_eq!(replicas, [1, 2, 3, 4]);
    }
}

#[test]
fn deleting_topics() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, ["a", "b", "c", "d"].iter().map(|name| topic(name, 2, 1)).collect());
    let id = |name: &str| image.topics.by_name(name).expect("there").id;
    let state = |name: Option<&str>, topic_id| DeleteTopicState { name: name.map(str::to_owned), topic_id };
    let request = DeleteTopicsRequest {
        topics: vec![
            state(Some("a"), Uuid::ZERO),
            state(None, id("b")),
            state(None, Uuid::ZERO),
            state(Some("c"), id("c")),
            state(None, Uuid([9; 16])),
            state(Some("nope"), Uuid::ZERO),
            state(Some("d"), Uuid::ZERO),
            state(Some("d"), Uuid::ZERO),
            state(None, id("a")),
        ],
        ..Default::default()
    };
    let decision = delete_topics(&image, &request);
    let answers: String = decision
        .reply
        .responses
        .iter()
        .map(|it| line(it.name.as_deref().unwrap_or("-"), it.error_code, it.error_message.as_deref()))
        .collect();
    expect![[r#"
        -: INVALID_REQUEST Neither topic name nor id were specified.
        c: INVALID_REQUEST You may not specify both topic name and topic id.
        a: NONE
        b: NONE
        -: UNKNOWN_TOPIC_ID This server does not host this topic ID.
        nope: UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.
        d: INVALID_REQUEST Duplicate topic name.
        a: INVALID_REQUEST The provided topic name maps to an ID that was already supplied.
    "#]]
    .assert_eq(&answers);
    let image = after(&image, &decision);
    let left: Vec<_> = image.topics.iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(left, ["c", "d"]);
}

#[test]
fn growing_topics() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, vec![topic("m1", 2, 1), topic("m2", 1, 1)]);
    let grow = |image: &ClusterImage, name: &str, count, assignments: Option<&[&[i32]]>| {
        let assignments = assignments.map(|partitions| {
            let replicas = partitions.iter().map(|replicas| replicas.to_vec());
            replicas.map(|broker_ids| CreatePartitionsAssignment { broker_ids }).collect()
        });
        let topics = vec![CreatePartitionsTopic { name: name.to_owned(), count, assignments }];
        let request = CreatePartitionsRequest { topics, ..Default::default() };
        create_partitions(image, &request, &mut Rng::with_seed(1))
    };
    type Assignments<'a> = Option<&'a [&'a [i32]]>;
    let cases: [(&str, i32, Assignments<'_>); 10] = [
        ("m1", 2, None),
        ("m1", 1, None),
        ("m1", -5, None),
        ("nope", 4, None),
        ("m1", 4, Some(&[&[1]])),
        ("m1", 3, Some(&[&[1], &[1]])),
        ("m1", 3, Some(&[&[7]])),
        ("m1", 3, Some(&[&[]])),
        ("m1", 20_000, None),
        ("m1", 4, None),
    ];
    let mut answers = String::new();
    for (name, count, assignments) in cases {
        let decision = grow(&image, name, count, assignments);
        let result = &decision.reply.results[0];
        answers += &line(&result.name, result.error_code, result.error_message.as_deref());
        image = after(&image, &decision);
    }
    expect![[r#"
        m1: INVALID_PARTITIONS Topic already has 2 partition(s).
        m1: INVALID_PARTITIONS The topic m1 currently has 2 partition(s); 1 would not be an increase.
        m1: INVALID_PARTITIONS The topic m1 currently has 2 partition(s); -5 would not be an increase.
        nope: UNKNOWN_TOPIC_OR_PARTITION
        m1: INVALID_REPLICA_ASSIGNMENT Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.
        m1: INVALID_REPLICA_ASSIGNMENT Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified.
        m1: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 7, but no such broker is registered.
        m1: INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list.
        m1: POLICY_VIOLATION Excessively large number of partitions per request.
        m1: NONE
    "#]]
    .assert_eq(&answers);
    assert_eq!(image.topics.by_name("m1").expect("there").partition_count(), 4);
    let topics = ["m2", "m1", "m2"].map(|name| CreatePartitionsTopic {
        name: name.to_owned(),
        count: 9,
        assignments: None,
    });
    let request =
        CreatePartitionsRequest { topics: topics.to_vec(), validate_only: true, ..Default::default() };
    let decision = create_partitions(&image, &request, &mut Rng::with_seed(1));
    let codes: Vec<_> = decision.reply.results.iter().map(|it| (it.name.as_str(), it.error_code)).collect();
    assert_eq!(codes, [("m2", ErrorCode::INVALID_REQUEST), ("m1", ErrorCode::NONE)]);
    assert!(decision.records.is_empty());
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Alter one resource; one line.
fn alter(image: &mut ClusterImage, kind: i8, name: &str, changes: &[(i8, &str, Option<&str>)]) -> String {
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let configs = changes.iter().map(|(operation, name, value)| incremental::AlterableConfig {
        name: (*name).to_owned(),
        config_operation: *operation,
        value: value.map(str::to_owned),
    });
    let resource = incremental::AlterConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        configs: configs.collect(),
    };
    let request =
        incremental::IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let decision = incremental_alter_configs(image, &request, &settings);
    *image = after(image, &decision);
    let result = &decision.reply.responses[0];
    line(name, result.error_code, result.error_message.as_deref())
}

#[test]
fn settings_of_topics_change_one_by_one() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, vec![topic("m1", 1, 1)]);
    let long = (0..9000).map(|partition| format!("{partition}:1")).collect::<Vec<_>>().join(",");
    let mut answers = String::new();
    for (name, changes) in [
        ("m1", &[(SET, "retention.ms", Some("abc"))][..]),
        ("m1", &[(SET, "foo", Some("abc"))]),
        ("nope", &[(SET, "retention.ms", Some("5"))]),
        ("a b", &[(SET, "retention.ms", Some("5"))]),
        ("", &[(SET, "retention.ms", Some("5"))]),
        ("m1", &[(APPEND, "retention.ms", Some("5"))]),
        ("m1", &[(SUBTRACT, "retention.ms", Some("5"))]),
        ("m1", &[(APPEND, "foo", Some("compact"))]),
        ("m1", &[(DELETE, "foo", None)]),
        ("m1", &[(SET, "retention.ms", Some("5")), (SET, "retention.ms", Some("6"))]),
        ("m1", &[(SET, "retention.ms", None)]),
        ("m1", &[(APPEND, "leader.replication.throttled.replicas", Some(&long))]),
        ("m1", &[(9, "retention.ms", Some("5"))]),
        ("m1", &[(APPEND, "cleanup.policy", Some("compact")), (SET, "retention.ms", Some("77"))]),
    ] {
        answers += &alter(&mut image, 2, name, changes);
    }
    expect![[r#"
        m1: INVALID_CONFIG Invalid value abc for configuration retention.ms: Not a number of type LONG
        m1: INVALID_CONFIG Unknown topic config name: foo
        nope: UNKNOWN_TOPIC_OR_PARTITION The topic 'nope' does not exist.
        a b: INVALID_TOPIC_EXCEPTION Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
        : INVALID_REQUEST Default topic resources are not allowed.
        m1: INVALID_CONFIG Can't APPEND to key retention.ms because its type is not LIST.
        m1: INVALID_CONFIG Can't SUBTRACT to key retention.ms because its type is not LIST.
        m1: INVALID_CONFIG Can't APPEND to key foo because its type is not LIST.
        m1: NONE
        m1: INVALID_REQUEST Error due to duplicate config keys
        m1: INVALID_REQUEST Null value not supported for : retention.ms
        m1: INVALID_CONFIG The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.
        m1: INVALID_REQUEST Unknown operations type 9
        m1: NONE
    "#]]
    .assert_eq(&answers);
    let value =
        |image: &ClusterImage, key: &str| image.configs.of(ResourceType::Topic, "m1").get(key).cloned();
    assert_eq!(value(&image, "cleanup.policy").as_deref(), Some("delete,compact"));
    alter(
        &mut image,
        2,
        "m1",
        &[(SUBTRACT, "cleanup.policy", Some("delete")), (DELETE, "retention.ms", None)],
    );
    assert_eq!(value(&image, "cleanup.policy").as_deref(), Some("compact"));
    assert_eq!(value(&image, "retention.ms"), None);
}

#[test]
fn settings_of_brokers_change_where_they_may() {
    let mut image = cluster(&[(1, None)]);
    let mut answers = String::new();
    for (kind, name, change) in [
        (4, "1", (SET, "log.retention.ms", "5000")),
        (4, "", (SET, "log.segment.bytes", "2097152")),
        (4, "1", (SET, "node.id", "5")),
        (4, "", (SET, "num.partitions", "5")),
        (4, "1", (SET, "log.retention.sm", "5")),
        (4, "1", (SET, "num.io.threads", "5")),
        (4, "1", (SET, "log.retention.ms", "abc")),
        (4, "", (SET, "log.segment.bytes", "4")),
        (4, "-3", (SET, "log.segment.bytes", "4194304")),
        (4, "abc", (SET, "log.segment.bytes", "4194304")),
        (4, "", (APPEND, "log.cleanup.policy", "compact")),
        (4, "", (APPEND, "log.segment.bytes", "4")),
        (32, "group", (SET, "consumer.session.timeout.ms", "46000")),
        (99, "what", (SET, "x", "y")),
    ] {
        let (operation, key, value) = change;
        answers += &alter(&mut image, kind, name, &[(operation, key, Some(value))]);
    }
    expect![[r#"
        1: NONE
        : NONE
        1: INVALID_REQUEST Cannot update these configs dynamically: Set(node.id)
        : INVALID_REQUEST Cannot update these configs dynamically: Set(num.partitions)
        1: INVALID_CONFIG Unknown broker config name: log.retention.sm; did you mean log.retention.ms?
        1: NONE
        1: INVALID_REQUEST Invalid value abc for configuration log.retention.ms: Not a number of type LONG
        : INVALID_REQUEST Invalid value 4 for configuration log.segment.bytes: Value must be at least 1048576
        -3: INVALID_REQUEST Unexpected broker id, expected 1, but received -3
        abc: INVALID_REQUEST Node id must be an integer, but it is: abc
        : NONE
        : INVALID_CONFIG Config value append is not allowed for config key: log.segment.bytes
        group: INVALID_REQUEST Unknown resource type GROUP
        what: INVALID_REQUEST Unknown resource type 99
    "#]]
    .assert_eq(&answers);
    let all = image.configs.of(ResourceType::Broker, "");
    assert_eq!(all.get("log.cleanup.policy").map(String::as_str), Some("delete,compact"));
}

#[test]
fn the_older_request_replaces_what_it_does_not_name() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, vec![configured("t", &[("retention.ms", Some("1")), ("flush.ms", Some("2"))])]);
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let resource = legacy::AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configs: vec![legacy::AlterableConfig { name: "flush.ms".to_owned(), value: Some("3".to_owned()) }],
    };
    let twice = vec![resource.clone(), resource.clone()];
    let request = legacy::AlterConfigsRequest { resources: twice, validate_only: false };
    let decision = alter_configs(&image, &request, &settings);
    assert!(decision.records.is_empty());
    let message = decision.reply.responses[0].error_message.as_deref();
    assert_eq!(message, Some("Each resource must appear at most once."));
    let request = legacy::AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let decision = alter_configs(&image, &request, &settings);
    let image = after(&image, &decision);
    let left: Vec<_> = image.configs.of(ResourceType::Topic, "t").iter().collect();
    assert_eq!(left, [(&"flush.ms".to_owned(), &"3".to_owned())]);
}

#[test]
fn producer_ids_come_in_blocks_and_end_some_day() {
    let mut image = cluster(&[(1, None)]);
    for first in [0, 1000] {
        let decision = allocate_producer_ids(&image, 1, 1).expect("plenty left");
        assert_eq!(decision.reply, first..first + 1000);
        image = after(&image, &decision);
    }
    image.next_producer_id = i64::MAX - 10;
    assert_eq!(
        allocate_producer_ids(&image, 1, 1).expect_err("used up").code,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
}

#[test]
fn the_offsets_topic_fits_the_cluster() {
    let shape = |brokers: &[(i32, Option<&str>)], file: &[(&str, &str)]| {
        let file: ConfigMap =
            file.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = ControllerSettings { node_id: 1, static_broker: &file };
        let topic = auto_created_topic(&cluster(brokers), "__consumer_offsets", &settings);
        (topic.num_partitions, topic.replication_factor)
    };
    let four = [(1, None), (2, None), (3, None), (4, None)];
    assert_eq!(shape(&four[..1], &[]), (50, 1));
    assert_eq!(shape(&four, &[]), (50, 3));
    assert_eq!(shape(&four[..1], &[("offsets.topic.replication.factor", "3")]), (50, 3));
    assert_eq!(shape(&four[..1], &[("offsets.topic.num.partitions", "4")]), (4, 1));
}

#[test]
fn a_restart_begins_a_new_leader_epoch() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, vec![topic("t", 2, 1)]);
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let decision = register_broker(&image, &registration(1, None), &settings, 42);
    assert_eq!(decision.reply, 42);
    let (image, delta) = image.apply(&decision.records).expect("fits");
    let topic = image.topics.by_name("t").expect("there");
    for partition in topic.partitions.values() {
        assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (1, 1, 1));
    }
    assert_eq!(delta.topics[&topic.id].partitions.len(), 2);
    assert_eq!(image.broker(1).map(|broker| broker.epoch), Some(42));
}

#[test]
fn a_replica_whose_disk_is_gone_is_not_elected_unless_allowed() {
    let mut image = cluster(&[(1, None), (2, None)]);
    create(
        &mut image,
        vec![
            manual("alone", &[(0, &[1])]),
            manual("pair", &[(0, &[1, 2])]),
            CreatableTopic {
                configs: configured("", &[("unclean.leader.election.enable", Some("true"))]).configs,
                ..manual("unclean", &[(0, &[1])])
            },
        ],
    );
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let new_disk = millrace_metadata::controller::Registration {
        log_dirs: vec![Uuid([5; 16])],
        ..registration(1, None)
    };
    let image = after(&image, &register_broker(&image, &new_disk, &settings, 50));
    let state = |image: &ClusterImage, name: &str| {
        let partition = image.topics.by_name(name).expect("there").partition(0).expect("there").clone();
        (partition.leader, partition.isr)
    };
    assert_eq!(state(&image, "alone"), (NO_LEADER, vec![1]));
    assert_eq!(state(&image, "pair"), (2, vec![2]));
    assert_eq!(state(&image, "unclean"), (1, vec![1]));
    // The old disk comes back: what was on it is served again.
    let image = after(&image, &register_broker(&image, &registration(1, None), &settings, 60));
    assert_eq!(state(&image, "alone"), (1, vec![1]));
}

#[test]
fn a_topic_that_comes_again_is_another_one() {
    let mut image = cluster(&[(1, None)]);
    create(&mut image, vec![topic("kept", 1, 1), topic("lost", 1, 1)]);
    let before = image.topics.clone();
    let lost = image.topics.by_name("lost").expect("there").id;
    let record = millrace_protocol::messages::metadata_records::RemoveTopicRecord { topic_id: lost };
    let (mut image, _) = image.apply(&[record.into()]).expect("fits");
    assert!(image.topics.lost_since(&before));
    let without = image.topics.clone();
    create(&mut image, vec![topic("lost", 1, 1)]);
    assert!(image.topics.lost_since(&before), "under the same name and another id");
    assert!(!image.topics.lost_since(&without), "one more is none lost");
    assert!(!image.topics.lost_since(&image.topics.clone()));
}
