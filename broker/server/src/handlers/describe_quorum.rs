//! DescribeQuorum: who votes on the metadata (`KafkaRaftClient.handleDescribeQuorumRequest`). The quorum is
//! this broker alone, which is its own controller: clients find it where they find the broker.

use millrace_metadata::image::CLUSTER_METADATA_TOPIC;
use millrace_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeQuorumTopic, QuorumListener, QuorumNode,
    QuorumPartition, QuorumReplica, QuorumTopic,
};
use millrace_protocol::{ErrorCode, Uuid};

use super::audience::Audience;
use crate::clock::now_ms;
use crate::context::RequestContext;
use crate::quorum::{MetadataView, QUORUM_EPOCH};

/// The first version that tells of nodes and their directories (KIP-853).
const FIRST_WITH_NODES: i16 = 2;

pub(crate) fn handle(
    metadata: &MetadataView,
    context: &RequestContext,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    if !asks_for_metadata(&request.topics) {
        let topics = request.topics.into_iter().map(unknown).collect();
        return DescribeQuorumResponse {
            topics,
            error_message: no_error(),
            ..DescribeQuorumResponse::default()
        };
    }
    let image = metadata.load();
    let audience = Audience { image: &image, listener: &context.peer.listener };
    let end_offset = metadata.end_offset();
    let now_ms = now_ms();
    let tells_of_nodes = context.api_version >= FIRST_WITH_NODES;
    let voter = |id: i32, directories: &[Uuid]| QuorumReplica {
        replica_id: id,
        replica_directory_id: directories.first().filter(|_| tells_of_nodes).copied().unwrap_or_default(),
        log_end_offset: end_offset,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
    };
    let partition = QuorumPartition {
        error_message: no_error(),
        leader_id: audience.controller_id(),
        leader_epoch: QUORUM_EPOCH,
        high_watermark: end_offset,
        current_voters: image.brokers.values().map(|broker| voter(broker.id, &broker.log_dirs)).collect(),
        ..QuorumPartition::default()
    };
    let nodes = audience.brokers().map(|(broker, endpoint)| QuorumNode {
        node_id: broker.id,
        listeners: vec![QuorumListener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
        }],
    });
    DescribeQuorumResponse {
        error_message: no_error(),
        topics: vec![QuorumTopic {
            topic_name: CLUSTER_METADATA_TOPIC.to_owned(),
            partitions: vec![partition],
        }],
        nodes: nodes.filter(|_| tells_of_nodes).collect(),
        ..DescribeQuorumResponse::default()
    }
}

/// Kafka says nothing at length: an empty text, where others have null.
fn no_error() -> Option<String> {
    Some(String::new())
}

/// Only the metadata has a quorum, and only a request about nothing else is answered
/// (`RaftUtil.hasValidTopicPartition`).
fn asks_for_metadata(topics: &[DescribeQuorumTopic]) -> bool {
    match topics {
        [topic] => {
            topic.topic_name == CLUSTER_METADATA_TOPIC
                && matches!(&*topic.partitions, [partition] if partition.partition_index == 0)
        }
        _ => false,
    }
}

fn unknown(topic: DescribeQuorumTopic) -> QuorumTopic {
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let partitions = topic.partitions.iter().map(|partition| QuorumPartition {
        partition_index: partition.partition_index,
        error_code: code,
        error_message: Some(code.message().to_owned()),
        ..QuorumPartition::default()
    });
    QuorumTopic { topic_name: topic.topic_name, partitions: partitions.collect() }
}
