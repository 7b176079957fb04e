//! ListOffsets: the offset at a timestamp, or at one of the places that have a negative number
//! (`org.apache.kafka.common.requests.ListOffsetsRequest`).

use std::collections::HashSet;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
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
    let repeated = repeated(&request.topics);
    let topics = request.topics.iter().map(|topic| {
        let answers = topic.partitions.iter().map(|wanted| {
            let found = if repeated.contains(&(topic.name.as_str(), wanted.partition_index)) {
                Err(ErrorCode::INVALID_REQUEST)
            } else {
                find(partitions, context, &topic.name, wanted)
            };
            answer(wanted.partition_index, found, context.api_version)
        });
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions: answers.collect() }
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

/// Whether the request searches for a time: that may decompress a batch for each partition.
pub(crate) fn searches(request: &ListOffsetsRequest) -> bool {
    let mut wanted = request.topics.iter().flat_map(|topic| &topic.partitions);
    wanted.any(|partition| partition.timestamp >= 0 || partition.timestamp == MAX_TIMESTAMP)
}

/// The partitions that a request names more than once.
fn repeated(topics: &[ListOffsetsTopic]) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let named = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.as_str(), partition.partition_index))
    });
    named.filter(|partition| !seen.insert(*partition)).collect()
}

fn find(
    partitions: &Partitions,
    context: &RequestContext,
    topic: &str,
    wanted: &ListOffsetsPartition,
) -> Result<Found, ErrorCode> {
    let partition = partitions.find(topic, wanted.partition_index)?;
    partition.check_leader_epoch(wanted.current_leader_epoch)?;
    look_up(&partition, wanted.timestamp, context.api_version)
}

fn answer(
    partition_index: i32,
    found: Result<Found, ErrorCode>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    match found {
        Ok((timestamp, offset, epoch)) => ListOffsetsPartitionResponse {
            partition_index,
            error_code: ErrorCode::NONE,
            timestamp,
            offset,
            leader_epoch: if version >= FIRST_WITH_EPOCH { epoch } else { -1 },
        },
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
