//! Every version of every API that is advertised is answered, with an answer that has something to say:
//! fields that a version cannot express must not come in the way.

use millrace_protocol::messages as m;
use millrace_protocol::messages::api_versions::ApiVersionsRequest;
use millrace_protocol::{ApiKey, ErrorCode, Request};
use millrace_tests::records::{batch, fetch_request, produce_request};
use millrace_tests::{Connection, Millrace};

const TOPIC: &str = "versions";

/// Asks in each version that the API has; `request` makes the request of a version.
fn ask_all<R: Request>(connection: &mut Connection, request: impl Fn(i16) -> R) -> Vec<R::Response> {
    let versions = R::API_KEY.versions().iter();
    versions.map(|version| connection.ask(&request(version), version)).collect()
}

/// A request that names the topic wherever it can, by API.
fn ask_everything(connection: &mut Connection, topic_id: millrace_protocol::Uuid) {
    let name = || TOPIC.to_owned();
    ask_all(connection, |version| {
        let mut request = produce_request(TOPIC, 0, 1, Some(batch(&[b"x"])));
        request.topic_data[0].topic_id = topic_id;
        // Message sets of old clients are another matter.
        if version < 3 {
            request.topic_data.clear();
        }
        request
    });
    for max_bytes in [1, 1_000_000] {
        ask_all(connection, |version| {
            let mut request = fetch_request(TOPIC, 0, max_bytes);
            request.topics[0].topic_id = topic_id;
            request.topics[0].partitions[0].current_leader_epoch = if version >= 9 { 100 } else { -1 };
            request
        });
    }
    for timestamp in [-2, -1, 0] {
        ask_all(connection, |_| m::list_offsets::ListOffsetsRequest {
            replica_id: -1,
            topics: vec![m::list_offsets::ListOffsetsTopic {
                name: name(),
                partitions: vec![m::list_offsets::ListOffsetsPartition { timestamp, ..Default::default() }],
            }],
            ..Default::default()
        });
    }
    ask_all(connection, |version| m::metadata::MetadataRequest {
        topics: Some(vec![m::metadata::MetadataRequestTopic { name: Some(name()), ..Default::default() }]),
        allow_auto_topic_creation: true,
        include_topic_authorized_operations: version >= 8,
        include_cluster_authorized_operations: (8..=10).contains(&version),
    });
    ask_all(connection, |_| m::offset_for_leader_epoch::OffsetForLeaderEpochRequest {
        topics: vec![m::offset_for_leader_epoch::OffsetForLeaderTopic {
            topic: name(),
            partitions: vec![m::offset_for_leader_epoch::OffsetForLeaderPartition::default()],
        }],
        ..Default::default()
    });
    ask_all(connection, |_| m::describe_log_dirs::DescribeLogDirsRequest { topics: None });
    ask_all(connection, |_| m::delete_records::DeleteRecordsRequest {
        topics: vec![m::delete_records::DeleteRecordsTopic {
            name: name(),
            partitions: vec![m::delete_records::DeleteRecordsPartition { partition_index: 0, offset: 1 }],
        }],
        ..Default::default()
    });
    ask_all(connection, |_| m::describe_producers::DescribeProducersRequest {
        topics: vec![m::describe_producers::TopicRequest { name: name(), partition_indexes: vec![0, 9] }],
    });
    ask_all(connection, |_| m::init_producer_id::InitProducerIdRequest::default());
    ask_all(connection, |_| m::get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest::default());
    ask_all(connection, |_| m::push_telemetry::PushTelemetryRequest::default());
    ask_all(connection, |_| m::list_config_resources::ListConfigResourcesRequest::default());
    for topic in ["__cluster_metadata", TOPIC] {
        ask_all(connection, |_| m::describe_quorum::DescribeQuorumRequest {
            topics: vec![m::describe_quorum::DescribeQuorumTopic {
                topic_name: topic.to_owned(),
                partitions: vec![m::describe_quorum::DescribeQuorumPartition { partition_index: 0 }],
            }],
        });
    }
    ask_all(connection, |_| m::describe_topic_partitions::DescribeTopicPartitionsRequest::default());
    ask_all(connection, |version| m::describe_cluster::DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: if version == 0 { 1 } else { 2 },
        include_fenced_brokers: version >= 2,
    });
}

fn ask_the_controller(connection: &mut Connection) {
    ask_all(connection, |version| m::create_topics::CreateTopicsRequest {
        topics: vec![m::create_topics::CreatableTopic {
            name: format!("of-version-{version}"),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        ..Default::default()
    });
    ask_all(connection, |version| m::create_partitions::CreatePartitionsRequest {
        topics: vec![m::create_partitions::CreatePartitionsTopic {
            name: TOPIC.to_owned(),
            count: 2 + i32::from(version),
            assignments: None,
        }],
        ..Default::default()
    });
    ask_all(connection, |version| m::delete_topics::DeleteTopicsRequest {
        topic_names: if version < 6 {
            vec![format!("of-version-{version}"), "absent".to_owned()]
        } else {
            Vec::new()
        },
        topics: if version < 6 {
            Vec::new()
        } else {
            let named = |name: &str| m::delete_topics::DeleteTopicState {
                name: Some(name.to_owned()),
                ..Default::default()
            };
            vec![named("of-version-6"), named("absent")]
        },
        ..Default::default()
    });
    for (resource_type, resource_name) in
        [(2, TOPIC), (2, "absent"), (4, "1"), (4, ""), (8, "1"), (16, "x"), (32, "g"), (7, "?")]
    {
        ask_all(connection, |version| m::describe_configs::DescribeConfigsRequest {
            resources: vec![m::describe_configs::DescribeConfigsResource {
                resource_type,
                resource_name: resource_name.to_owned(),
                configuration_keys: None,
            }],
            include_synonyms: true,
            include_documentation: version >= 3,
        });
    }
    ask_all(connection, |_| m::alter_configs::AlterConfigsRequest {
        resources: vec![m::alter_configs::AlterConfigsResource {
            resource_type: 2,
            resource_name: TOPIC.to_owned(),
            configs: Vec::new(),
        }],
        validate_only: false,
    });
    ask_all(connection, |_| m::incremental_alter_configs::IncrementalAlterConfigsRequest {
        resources: vec![m::incremental_alter_configs::AlterConfigsResource {
            resource_type: 2,
            resource_name: TOPIC.to_owned(),
            configs: Vec::new(),
        }],
        validate_only: false,
    });
}

#[test]
fn every_advertised_version_is_answered() {
    let broker = Millrace::start(&[]);
    broker.create_topic(TOPIC, &[]);
    let mut connection = broker.connect();
    let described = connection.ask(&m::metadata::MetadataRequest { topics: None, ..Default::default() }, 12);
    ask_everything(&mut connection, described.topics[0].topic_id);
    ask_the_controller(&mut connection);
}

#[test]
fn what_is_advertised_is_what_is_served() {
    let broker = Millrace::start(&[]);
    let mut connection = broker.connect();
    let software = || "tests".to_owned();
    for answer in ask_all(&mut connection, |version| ApiVersionsRequest {
        client_software_name: if version >= 3 { software() } else { String::new() },
        client_software_version: if version >= 3 { software() } else { String::new() },
    }) {
        assert_eq!(answer.error_code, ErrorCode::NONE);
        let served: Vec<_> =
            answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        let declared: Vec<_> =
            ApiKey::ALL.iter().map(|api| (api.number(), api.versions().first, api.versions().last)).collect();
        assert_eq!(served, declared);
    }
    // SaslHandshake is no such API: the connection ends.
    connection.send_body(17, 1, 1, &[0, 0]);
    connection.until_closed();
}
