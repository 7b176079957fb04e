//! Whatever is asked in whatever order: what a reply promises is what the image then shows, and a
//! snapshot of the image, written and read, is the image.
#![allow(clippy::panic, reason = "a test says what is wrong and stops")]

mod common;

use common::{after, cluster, registration};
use fastrand::Rng;
use millrace_metadata::MetadataRecord;
use millrace_metadata::config::{ConfigMap, validate_topic_configs};
use millrace_metadata::controller::{
    ControllerSettings, allocate_producer_ids, create_partitions, create_topics, delete_topics,
    incremental_alter_configs, register_broker,
};
use millrace_metadata::image::{ClusterImage, ResourceType};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use millrace_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millrace_protocol::messages::delete_topics::DeleteTopicsRequest;
use millrace_protocol::messages::incremental_alter_configs as incremental;
use proptest::prelude::*;

/// Something that a client or a broker does.
#[derive(Debug, Clone)]
enum Step {
    Create {
        names: Vec<&'static str>,
        partitions: i32,
        replicas: i16,
        config: Option<(&'static str, &'static str)>,
    },
    Grow {
        name: &'static str,
        count: i32,
    },
    Delete {
        names: Vec<&'static str>,
    },
    Alter {
        kind: ResourceType,
        name: &'static str,
        operation: i8,
        key: &'static str,
        value: &'static str,
    },
    ProducerIds,
    Register {
        broker: i32,
    },
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b.c", "b_c", "bad name", "__consumer_offsets", "d"][..])
}

fn setting() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(
        &[
            ("retention.ms", "5"),
            ("retention.ms", "x"),
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "delete"),
            ("min.compaction.lag.ms", "10"),
            ("max.compaction.lag.ms", "5"),
            ("log.retention.ms", "7"),
            ("log.cleanup.policy", "compact"),
            ("nonsense", "1"),
        ][..],
    )
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(&[ResourceType::Topic, ResourceType::Broker][..]);
    let resource = prop_oneof![name(), Just("1"), Just(""), Just("77")];
    prop_oneof![
        4 => (prop::collection::vec(name(), 1..4), -1..6_i32, -1..4_i16, prop::option::of(setting()))
            .prop_map(|(names, partitions, replicas, config)| Step::Create { names, partitions, replicas, config }),
        2 => (name(), -1..12_i32).prop_map(|(name, count)| Step::Grow { name, count }),
        1 => prop::collection::vec(name(), 1..3).prop_map(|names| Step::Delete { names }),
        4 => (kind, resource, 0..4_i8, setting()).prop_map(|(kind, name, operation, (key, value))| {
            Step::Alter { kind, name, operation, key, value }
        }),
        1 => Just(Step::ProducerIds),
        1 => (1..4_i32).prop_map(|broker| Step::Register { broker }),
    ]
}

/// Take a step, hold the reply against the next image, and return that.
fn take(image: &ClusterImage, step: &Step, rng: &mut Rng, offset: i64) -> ClusterImage {
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    match step {
        Step::Create { names, partitions, replicas, config } => {
            let configs = config.iter().map(|(name, value)| CreatableTopicConfig {
                name: (*name).to_owned(),
                value: Some((*value).to_owned()),
            });
            let topics = names.iter().map(|name| CreatableTopic {
                name: (*name).to_owned(),
                num_partitions: *partitions,
                replication_factor: *replicas,
                configs: configs.clone().collect(),
                ..Default::default()
            });
            let request = CreateTopicsRequest { topics: topics.collect(), ..Default::default() };
            let decision = create_topics(image, &request, &settings, rng);
            let next = after(image, &decision);
            for result in &decision.reply.topics {
                let there = next.topics.by_name(&result.name);
                if result.error_code == ErrorCode::NONE {
                    let topic = there.expect("promised");
                    assert_eq!((topic.id, topic.partition_count()), (result.topic_id, result.num_partitions));
                    assert!(topic.partitions.keys().copied().eq(0..topic.partition_count()));
                    for partition in topic.partitions.values() {
                        assert_eq!(i16::try_from(partition.replicas.len()), Ok(result.replication_factor));
                        assert!(partition.isr.contains(&partition.leader));
                    }
                } else {
                    assert_eq!(there, image.topics.by_name(&result.name), "an error changes nothing");
                }
            }
            next
        }
        Step::Grow { name, count } => {
            let topics =
                vec![CreatePartitionsTopic { name: (*name).to_owned(), count: *count, assignments: None }];
            let request = CreatePartitionsRequest { topics, ..Default::default() };
            let decision = create_partitions(image, &request, rng);
            let next = after(image, &decision);
            match decision.reply.results[0].error_code {
                ErrorCode::NONE => {
                    let topic = next.topics.by_name(name).expect("promised");
                    assert_eq!(topic.partition_count(), *count);
                }
                _ => assert_eq!(&next, image),
            }
            next
        }
        Step::Delete { names } => {
            let topic_names = names.iter().map(|name| (*name).to_owned()).collect();
            let decision = delete_topics(image, &DeleteTopicsRequest { topic_names, ..Default::default() });
            let next = after(image, &decision);
            for result in &decision.reply.responses {
                let name = result.name.as_deref().expect("asked by name");
                if result.error_code == ErrorCode::NONE {
                    assert!(image.topics.by_name(name).is_some() && next.topics.by_name(name).is_none());
                    assert!(next.configs.of(ResourceType::Topic, name).is_empty());
                } else {
                    assert_eq!(next.topics.by_name(name), image.topics.by_name(name));
                }
            }
            next
        }
        Step::Alter { kind, name, operation, key, value } => {
            let config = incremental::AlterableConfig {
                name: (*key).to_owned(),
                config_operation: *operation,
                value: Some((*value).to_owned()),
            };
            let resource = incremental::AlterConfigsResource {
                resource_type: kind.wire_id(),
                resource_name: (*name).to_owned(),
                configs: vec![config],
            };
            let request = incremental::IncrementalAlterConfigsRequest {
                resources: vec![resource],
                validate_only: false,
            };
            let decision = incremental_alter_configs(image, &request, &settings);
            let next = after(image, &decision);
            let now = next.configs.of(*kind, name);
            match (decision.reply.responses[0].error_code, operation) {
                (ErrorCode::NONE, 0) => assert_eq!(now.get(*key).map(String::as_str), Some(*value)),
                (ErrorCode::NONE, 1) => assert_eq!(now.get(*key), None),
                (ErrorCode::NONE, 2) => assert!(now.get(*key).expect("set").contains(value)),
                (ErrorCode::NONE, _) => assert!(!now.get(*key).expect("set").contains(value)),
                _ => assert_eq!(&next, image),
            }
            next
        }
        Step::ProducerIds => {
            let decision = allocate_producer_ids(image, 1, 1).expect("plenty left");
            assert!(decision.reply.start >= image.next_producer_id);
            let next = after(image, &decision);
            assert_eq!(next.next_producer_id, decision.reply.end);
            next
        }
        Step::Register { broker } => {
            let decision = register_broker(image, &registration(*broker, None), &settings, offset);
            let next = after(image, &decision);
            assert_eq!(next.broker(*broker).map(|it| it.epoch), Some(offset));
            next
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn replies_and_snapshots_agree_with_the_image(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut rng = Rng::with_seed(seed);
        let mut image = cluster(&[(1, None), (2, None)]);
        for (offset, step) in (100..).zip(&steps) {
            image = take(&image, step, &mut rng, offset);
            for (kind, _, configs) in image.configs.iter() {
                prop_assert!(!configs.is_empty());
                prop_assert!(kind != ResourceType::Topic || validate_topic_configs(configs).is_ok());
            }
        }
        let written: Vec<_> = image.snapshot_records().map(|record| record.encode().expect("encodes")).collect();
        let read: Vec<_> =
            written.into_iter().map(|value| MetadataRecord::decode(value).expect("decodes")).collect();
        let (again, _) = ClusterImage::new(&image.cluster_id).apply(&read).expect("a snapshot fits nothing");
        prop_assert_eq!(again, image);
    }

    #[test]
    fn a_delta_names_everything_that_changed(
        steps in prop::collection::vec(step(), 1..30),
        seed in any::<u64>(),
    ) {
        let mut rng = Rng::with_seed(seed);
        let start = cluster(&[(1, None), (2, None)]);
        let mut image = start.clone();
        let mut records = Vec::new();
        let empty = ConfigMap::new();
        let settings = ControllerSettings { node_id: 1, static_broker: &empty };
        for (offset, step) in (100..).zip(&steps) {
            if let Step::Register { broker } = step {
                records.extend(register_broker(&image, &registration(*broker, None), &settings, offset).records);
            }
            let next = take(&image, step, &mut rng, offset);
            if !matches!(step, Step::Register { .. }) {
                // The difference as a fresh set of records: topics that came and went in one step.
                records.extend(difference(&image, &next));
            }
            image = next;
        }
        let (end, delta) = start.apply(&records).expect("fits");
        for topic in end.topics.iter() {
            let before = start.topics.by_id(topic.id);
            if before != Some(topic) {
                let change = delta.topics.get(&topic.id).expect("named");
                prop_assert_eq!(change.created, before.is_none());
                for (index, partition) in &topic.partitions {
                    let same = before.and_then(|topic| topic.partition(*index)) == Some(partition.as_ref());
                    prop_assert!(same || change.partitions.contains(index));
                }
            }
        }
        for id in delta.topics.keys() {
            prop_assert!(end.topics.by_id(*id).is_some(), "a deleted topic is not a changed one");
        }
        for (kind, name, configs) in end.configs.iter() {
            if start.configs.of(kind, name) != configs {
                let named = match kind {
                    ResourceType::Topic => delta.topic_configs.contains(name),
                    _ => delta.broker_configs,
                };
                prop_assert!(named);
            }
        }
    }
}

/// Records that lead from one image to the next where only topics were created or deleted or
/// settings changed.
fn difference(before: &ClusterImage, next: &ClusterImage) -> Vec<MetadataRecord> {
    use millrace_protocol::messages::metadata_records as r;
    let removed = before.topics.iter().filter(|topic| next.topics.by_id(topic.id).is_none());
    let mut records: Vec<MetadataRecord> =
        removed.map(|topic| r::RemoveTopicRecord { topic_id: topic.id }.into()).collect();
    records.extend(next.snapshot_records().filter(|record| match record {
        MetadataRecord::Topic(topic) => before.topics.by_id(topic.topic_id).is_none(),
        MetadataRecord::Partition(partition) => {
            let held = before.topics.by_id(partition.topic_id);
            held.and_then(|topic| topic.partition(partition.partition_id)).is_none()
        }
        MetadataRecord::Config(_) => true,
        _ => false,
    }));
    records
}
