//! DescribeProducers: the idempotent producers that a partition remembers (KIP-664).

use std::collections::HashSet;

use millrace_metadata::controller::{ApiError, validate_topic_name};
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
    // A partition's producers are told once, however often it is named.
    let mut seen = HashSet::new();
    let topics = request.topics.into_iter().map(|topic| {
        let once = |index: &&i32| seen.insert((topic.name.clone(), **index));
        let indexes = topic.partition_indexes.iter().filter(once);
        let answers = indexes.map(|&index| describe(partitions, &topic.name, index)).collect();
        TopicResponse { name: topic.name, partitions: answers }
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn describe(partitions: &Partitions, topic: &str, partition_index: i32) -> PartitionResponse {
    let found = validate_topic_name(topic)
        .and_then(|()| partitions.find(topic, partition_index).map_err(ApiError::bare));
    match found {
        Ok(partition) => PartitionResponse {
            partition_index,
            active_producers: partition.active_producers(),
            ..PartitionResponse::default()
        },
        Err(ApiError { code, message }) => PartitionResponse {
            partition_index,
            error_code: code,
            error_message: message,
            ..PartitionResponse::default()
        },
    }
}
