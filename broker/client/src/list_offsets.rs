//! ListOffsets in the shapes that consumers and admin calls share.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_protocol::ApiKey;
use millrace_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

use crate::admin::types::{Each, ListedOffset, OffsetSpec};
use crate::error::ClientError;
use crate::topic_partition::{IsolationLevel, TopicPartition, by_topic};

/// Asks one leader for the offsets of `asked`.
pub(crate) fn list_offsets_request(
    asked: &[TopicPartition],
    specs: &HashMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
    timeout_ms: i32,
    version: i16,
) -> ListOffsetsRequest {
    let spec_of = |partition| specs.get(partition).copied().unwrap_or(OffsetSpec::Latest);
    let topics = by_topic(asked.iter().map(|partition| (partition, spec_of(partition))));
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: if version >= 2 { isolation.on_the_wire() } else { 0 },
        topics: topics
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopic {
                name: name.to_string(),
                partitions: partitions
                    .into_iter()
                    .map(|(partition_index, spec)| ListOffsetsPartition {
                        partition_index,
                        timestamp: spec.on_the_wire(),
                        ..Default::default()
                    })
                    .collect(),
            })
            .collect(),
        timeout_ms,
    }
}

/// The answer by partition.
pub(crate) fn listed_offsets(response: ListOffsetsResponse) -> Each<TopicPartition, ListedOffset> {
    let mut results = Vec::new();
    for topic in response.topics {
        let name: Arc<str> = Arc::from(topic.name);
        for one in topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), one.partition_index);
            let listed = ListedOffset {
                offset: one.offset,
                timestamp_ms: one.timestamp,
                leader_epoch: Some(one.leader_epoch).filter(|epoch| *epoch >= 0),
            };
            let checked = ClientError::check(ApiKey::ListOffsets, one.error_code, partition.to_string());
            results.push((partition, checked.map(|()| listed)));
        }
    }
    results
}
