//! From times to offsets (ListOffsets): the first record at or after a timestamp, and the record with the
//! largest one. Exact: the batch in question is decoded.

use std::sync::Arc;

use millrace_protocol::records::{Batch, TimestampType};

use super::Log;
use crate::LogError;
use crate::scan::{LOOKUP_WINDOW_BYTES, Scan};
use crate::segment::Segment;

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Offset of the record.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Leader epoch of the batch it is in, or -1.
    pub leader_epoch: i32,
}

impl Log {
    /// The first record with `timestamp_ms` or a later one; `None` when there is none.
    ///
    /// # Errors
    /// [`LogError::Storage`], [`LogError::BadFile`].
    pub fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<OffsetAndTimestamp>, LogError> {
        let (segments, start_offset) = self.readable_segments();
        for segment in segments {
            if segment.max_timestamp()?.timestamp_ms < timestamp_ms {
                continue;
            }
            // The time index may lag behind the segment's largest timestamp; the scan decides.
            let from = segment.offset_before_timestamp(timestamp_ms)?.max(start_offset);
            let found = self.first_record(&segment, from, |batch_max_ms, record_ms, offset| {
                batch_max_ms >= timestamp_ms
                    && record_ms.is_none_or(|ms| ms >= timestamp_ms && offset >= start_offset)
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp (KIP-734), the first of several; `None` when no record has
    /// one.
    ///
    /// # Errors
    /// [`LogError::Storage`], [`LogError::BadFile`].
    pub fn max_timestamp(&self) -> Result<Option<OffsetAndTimestamp>, LogError> {
        let (segments, start_offset) = self.readable_segments();
        let mut latest: Option<(i64, i64, Arc<Segment>)> = None;
        for segment in segments {
            let max = segment.max_timestamp()?;
            if max.timestamp_ms >= 0 && latest.as_ref().is_none_or(|(ms, ..)| max.timestamp_ms > *ms) {
                latest = Some((max.timestamp_ms, max.offset, segment));
            }
        }
        let Some((max_ms, batch_last_offset, segment)) = latest else { return Ok(None) };
        self.first_record(&segment, batch_last_offset.max(start_offset), |batch_max_ms, record_ms, _| {
            batch_max_ms >= max_ms && record_ms.is_none_or(|ms| ms >= max_ms)
        })
    }

    fn readable_segments(&self) -> (Vec<Arc<Segment>>, i64) {
        let view = self.view.read();
        (view.segments[view.floor(view.start_offset)..].to_vec(), view.start_offset)
    }

    /// The first record in `segment`, from the batch with `from` on, that is `wanted`: a function of the
    /// batch's largest timestamp, and, once the batch is decoded, of the record's timestamp and offset.
    fn first_record(
        &self,
        segment: &Segment,
        from: i64,
        wanted: impl Fn(i64, Option<i64>, i64) -> bool,
    ) -> Result<Option<OffsetAndTimestamp>, LogError> {
        let limit = segment.size_bytes();
        let limit_bytes = self.config().message.decompressed_max_bytes as usize;
        let Some(located) = segment.locate(from, limit)? else { return Ok(None) };
        let mut scan = Scan::new(segment.log_file(), located.position, limit, LOOKUP_WINDOW_BYTES)?;
        loop {
            let next = scan.next_header().map_err(|error| error.into_log_error(segment.log_file()))?;
            let Some((position, header)) = next else { return Ok(None) };
            if !wanted(header.max_timestamp, None, header.base_offset) {
                continue;
            }
            let bytes = segment.read_exact(position, header.size_bytes())?;
            let batch = Batch { header, bytes };
            let found = |offset, timestamp_ms| OffsetAndTimestamp {
                offset,
                timestamp_ms,
                leader_epoch: header.leader_epoch,
            };
            let stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
            if stamped && wanted(header.max_timestamp, Some(header.max_timestamp), header.base_offset) {
                return Ok(Some(found(header.base_offset, header.max_timestamp)));
            }
            for record in batch.body(limit_bytes)?.refs() {
                let record = record?;
                if wanted(header.max_timestamp, Some(record.timestamp_ms), record.offset) {
                    return Ok(Some(found(record.offset, record.timestamp_ms)));
                }
            }
        }
    }
}
