//! OffsetForLeaderEpoch: where an epoch of this leader's log ended, for clients that check after a
//! change of leader whether what they read still stands (KIP-320).

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use crate::context::RequestContext;
use crate::partitions::Partitions;

pub(crate) fn handle(
    partitions: &Partitions,
    _: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let ends = topic.partitions.iter().map(|wanted| end(partitions, &topic.topic, wanted)).collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions: ends }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}

fn end(partitions: &Partitions, topic: &str, wanted: &OffsetForLeaderPartition) -> EpochEndOffset {
    let found = partitions.find(topic, wanted.partition).and_then(|partition| {
        partition.check_leader_epoch(wanted.current_leader_epoch)?;
        Ok(partition.end_offset_for_epoch(wanted.leader_epoch))
    });
    match found {
        Ok((leader_epoch, end_offset)) => EpochEndOffset {
            error_code: ErrorCode::NONE,
            partition: wanted.partition,
            leader_epoch,
            end_offset,
        },
        Err(error_code) => {
            EpochEndOffset { error_code, partition: wanted.partition, ..EpochEndOffset::default() }
        }
    }
}
