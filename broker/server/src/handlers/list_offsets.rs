//! ListOffsets: the offset at a timestamp, or at one of the places that have a negative number
//! (`org.apache.kafka.common.requests.ListOffsetsRequest`).

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::context::RequestContext;
use crate::partitions::{Partition, Partitions};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// KIP-734.
const MAX_TIMESTAMP: i64 = -3;
/// KIP-405: the earliest offset on local disks, which are the only ones here.
const EARLIEST_LOCAL: i64 = -4;
/// KIP-1005: the latest offset in tiered storage, of which there is none.
const LATEST_TIERED: i64 = -5;

const FIRST_WITH_EPOCH: i16 = 4;
const FIRST_WITH_MAX_TIMESTAMP: i16 = 7;
const FIRST_WITH_EARLIEST_LOCAL: i16 = 8;
const FIRST_WITH_LATEST_TIERED: i16 = 9;

/// What was found: a timestamp (-1 where none belongs to it), an offset (-1 for nothing found) and
/// its leader epoch.
type Found = (i64, i64, i32);

pub(crate) fn handle(
    partitions: &Partitions,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let answers =
            topic.partitions.iter().map(|wanted| answer(partitions, context, &topic.name, wanted)).collect();
        ListOffsetsTopicResponse { name: topic.name, partitions: answers }
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

fn answer(
    partitions: &Partitions,
    context: &RequestContext,
    topic: &str,
    wanted: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let partition_index = wanted.partition_index;
    let found = partitions.find(topic, partition_index).and_then(
        |partition| {
            partition.check_leader_epoch(wanted.current_leader_epoch)?;
            look_up(&partition, wanted.timestamp, context.api_version)
        },
    );
    match found {
        Ok((timestamp, offset, epoch)) => {
            let leader_epoch = if context.api_version >= FIRST_WITH_EPOCH { epoch } else { -1 };
            ListOffsetsPartitionResponse {
                partition_index,
                error_code: ErrorCode::NONE,
                timestamp,
                offset,
                leader_epoch,
            }
        }
        Err(error_code) => ListOffsetsPartitionResponse {
            partition_index,
            error_code,
            ..ListOffsetsPartitionResponse::default()
        },
    }
}

fn look_up(partition: &Partition, timestamp: i64, version: i16) -> Result<Found, ErrorCode> {
    let first_version = match timestamp {
        MAX_TIMESTAMP => FIRST_WITH_MAX_TIMESTAMP,
        EARLIEST_LOCAL => FIRST_WITH_EARLIEST_LOCAL,
        LATEST_TIERED => FIRST_WITH_LATEST_TIERED,
        _ => i16::MIN,
    };
    if version < first_version || timestamp < LATEST_TIERED {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    Ok(match timestamp {
        LATEST => (-1, partition.high_watermark(), partition.leader_epoch()),
        EARLIEST | EARLIEST_LOCAL => {
            let start = partition.log_start_offset();
            (-1, start, partition.epoch_at(start))
        }
        LATEST_TIERED => (-1, -1, -1),
        MAX_TIMESTAMP => partition.max_timestamp().map_err(|failure| failure.code)?.unwrap_or((-1, -1, -1)),
        _ => partition.offset_at(timestamp).map_err(|failure| failure.code)?.unwrap_or((-1, -1, -1)),
    })
}
