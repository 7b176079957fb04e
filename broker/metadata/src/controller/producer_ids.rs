//! Blocks of producer ids (KIP-730): a broker takes a block and hands its ids out alone.

use std::ops::Range;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::metadata_records::ProducerIdsRecord;

use super::{ApiError, Decision};
use crate::image::ClusterImage;

/// Ids in a block (Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
pub const PRODUCER_ID_BLOCK_LEN: i64 = 1000;

/// Ids that nobody else has or will have.
pub type ProducerIdBlock = Range<i64>;

/// Give the next block to a broker.
///
/// # Errors
/// UNKNOWN_SERVER_ERROR when 63 bits of ids are used up.
pub fn allocate_producer_ids(
    image: &ClusterImage,
    broker_id: i32,
    broker_epoch: i64,
) -> Result<Decision<ProducerIdBlock>, ApiError> {
    let first = image.next_producer_id;
    let next_producer_id = first.checked_add(PRODUCER_ID_BLOCK_LEN).ok_or_else(|| {
        let message = "Exhausted all producerIds as the next block's end producerId has exceeded the int64 \
                       type limit";
        ApiError::new(ErrorCode::UNKNOWN_SERVER_ERROR, message)
    })?;
    let record = ProducerIdsRecord { broker_id, broker_epoch, next_producer_id };
    Ok(Decision { records: vec![record.into()], reply: first..next_producer_id })
}
