//! DeleteRecords: moves a partition's log start forward (KIP-107); -1 means up to the high watermark.

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use crate::context::RequestContext;
use crate::partitions::Partitions;

const UP_TO_HIGH_WATERMARK: i64 = -1;
/// What an answer says in place of an offset it does not have.
const INVALID_LOW_WATERMARK: i64 = -1;

pub(crate) fn handle(
    partitions: &Partitions,
    _: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let results = topic.partitions.iter().map(|wanted| delete(partitions, &topic.name, wanted)).collect();
        DeleteRecordsTopicResult { name: topic.name, partitions: results }
    });
    DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() }
}

fn delete(
    partitions: &Partitions,
    topic: &str,
    wanted: &DeleteRecordsPartition,
) -> DeleteRecordsPartitionResult {
    let deleted = partitions.find(topic, wanted.partition_index).and_then(|partition| {
        // `ReplicaManager.deleteRecordsOnLocalLog`: internal topics are not for clients to cut.
        if partition.is_internal() {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        // `Partition.deleteRecordsOnLeader`: what is compacted and never expires keeps its start.
        let policy = partition.log().config().retention.policy;
        if policy.compact && !policy.delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let offset =
            if wanted.offset == UP_TO_HIGH_WATERMARK { partition.high_watermark() } else { wanted.offset };
        if offset < 0 {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        partition.delete_records(offset).map_err(|failure| failure.code)
    });
    let partition_index = wanted.partition_index;
    match deleted {
        Ok(low_watermark) => {
            DeleteRecordsPartitionResult { partition_index, low_watermark, error_code: ErrorCode::NONE }
        }
        Err(error_code) => {
            DeleteRecordsPartitionResult { partition_index, low_watermark: INVALID_LOW_WATERMARK, error_code }
        }
    }
}
