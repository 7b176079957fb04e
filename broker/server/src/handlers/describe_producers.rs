//! DescribeProducers: the idempotent producers that a partition remembers (KIP-664).

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, TopicResponse,
};

use crate::context::RequestContext;
use crate::partitions::Partitions;

pub(crate) fn handle(
    partitions: &Partitions,
    _: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let answers =
            topic.partition_indexes.iter().map(|&index| describe(partitions, &topic.name, index)).collect();
        TopicResponse { name: topic.name, partitions: answers }
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn describe(partitions: &Partitions, topic: &str, partition_index: i32) -> PartitionResponse {
    match partitions.get(topic, partition_index) {
        Some(partition) => PartitionResponse {
            partition_index,
            active_producers: partition.active_producers(),
            ..PartitionResponse::default()
        },
        None => PartitionResponse {
            partition_index,
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ..PartitionResponse::default()
        },
    }
}
