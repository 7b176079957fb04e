//! Group records on their way into a partition: encoded, packed into batches, appended as any produce.

use bytes::Bytes;
use millrace_coordinator::GroupRecord;
use millrace_protocol::ErrorCode;
use millrace_protocol::records::{BATCH_HEADER_BYTES, BatchBuilder, BatchOptions, Compression};

use crate::partitions::{Failure, Partition};

/// What a record in a batch needs beside key and value, at most: lengths, deltas, attributes.
const RECORD_OVERHEAD_BYTES: usize = 32;

/// Bytes of keys and values that one batch of this partition can hold.
pub(super) fn record_bytes_max(partition: &Partition) -> usize {
    let batch = usize::try_from(partition.log().config().message.max_bytes).unwrap_or(usize::MAX);
    batch.saturating_sub(BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES)
}

/// Appends records, in one batch where they fit into one. Returns the offset up to which a flush is due
/// before anybody may be told (`flush.messages`).
///
/// # Errors
/// Some or all of the records are not in the log.
pub(super) fn append(
    partition: &Partition,
    records: &[GroupRecord],
    compression: Compression,
    now_ms: i64,
) -> Result<Option<i64>, Failure> {
    let limit = record_bytes_max(partition);
    let mut flush_to = None;
    let mut batch = builder(compression);
    for record in records {
        let encoded = record.encode();
        let (key, value) =
            encoded.map_err(|error| Failure::new(ErrorCode::UNKNOWN_SERVER_ERROR, error.to_string()))?;
        let bytes = RECORD_OVERHEAD_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        if !batch.is_empty() && batch.size_bytes() + bytes > limit {
            let full = std::mem::replace(&mut batch, builder(compression));
            flush_to = write(partition, full)?.or(flush_to);
        }
        batch.append(now_ms, Some(&key), value.as_deref(), &[]);
    }
    Ok(if batch.is_empty() { flush_to } else { write(partition, batch)?.or(flush_to) })
}

fn builder(compression: Compression) -> BatchBuilder {
    BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() })
}

fn write(partition: &Partition, batch: BatchBuilder) -> Result<Option<i64>, Failure> {
    let bytes = batch.build().map_err(|error| Failure::from_records(&error))?;
    let appended = partition.append_internal(bytes)?;
    Ok(appended.flush_due.then_some(appended.last_offset + 1))
}
