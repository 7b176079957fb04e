//! One partition as this broker leads it: its log, its epoch, and the fetches parked on it. With one
//! replica the high watermark follows the log's end; when followers come, this is where they move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use millrace_log::{AppendOptions, EpochEnd, FileRange, Log, LogError, Origin, ReadRequest};
use millrace_protocol::messages::describe_producers::ProducerState;
use millrace_protocol::records::{BATCH_HEADER_BYTES, Batch, BatchHeader, RecordsError, TimestampType};
use millrace_protocol::{ErrorCode, Uuid};
use tracing::warn;

use super::failure::Failure;
use super::flushes::{Debtor, Flushes};
use super::waiters::Waiters;
use crate::clock::now_ms;
use crate::metrics::TopicMetrics;

#[cfg(test)]
mod tests;

/// Topics that only the broker writes to (`org.apache.kafka.common.internals.Topic`).
const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// A partition, shared behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Partition {
    topic_id: Uuid,
    log: Arc<Log>,
    leader_id: AtomicI32,
    leader_epoch: AtomicI32,
    waiters: Waiters,
    metrics: TopicMetrics,
    debtor: Arc<Debtor>,
    flushes: Arc<Flushes>,
}

/// What became of an append.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
    /// `flush.messages` wants a flush up to `last_offset` before the append is acknowledged.
    pub(crate) flush_due: bool,
}

/// Batches that a fetch found: bytes of a file.
pub(crate) type Slice = FileRange;

impl Partition {
    pub(crate) fn new(
        topic_id: Uuid,
        log: Arc<Log>,
        leader_id: i32,
        leader_epoch: i32,
        metrics: TopicMetrics,
        flushes: Arc<Flushes>,
    ) -> Self {
        let end = log.end_offset();
        log.set_high_watermark(end);
        Self {
            topic_id,
            debtor: Debtor::new(Arc::clone(&log)),
            flushes,
            log,
            leader_id: AtomicI32::new(leader_id),
            leader_epoch: AtomicI32::new(leader_epoch),
            waiters: Waiters::default(),
            metrics,
        }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.log.partition().topic
    }

    pub(crate) fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    pub(crate) fn index(&self) -> i32 {
        self.log.partition().partition
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Only the broker and Kafka's admin client write here.
    pub(crate) fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.topic())
    }

    pub(crate) fn leader_id(&self) -> i32 {
        self.leader_id.load(Ordering::Acquire)
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// First offset that no consumer may read yet.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.log.high_watermark()
    }

    pub(crate) fn log_start_offset(&self) -> i64 {
        self.log.start_offset()
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// Whether the disk has failed it so that it takes no more records.
    pub(crate) fn is_offline(&self) -> bool {
        self.log.stopped().is_some()
    }

    /// Follows the metadata: a newer epoch is noted in the log before its first record, and everybody
    /// parked here looks again.
    pub(crate) fn lead(&self, leader_id: i32, leader_epoch: i32) -> Result<(), LogError> {
        self.leader_id.store(leader_id, Ordering::Release);
        if self.leader_epoch.swap(leader_epoch, Ordering::AcqRel) < leader_epoch {
            self.log.assign_epoch(leader_epoch)?;
            self.waiters.wake_all();
        }
        Ok(())
    }

    /// Whether a client that names an epoch speaks of this leader (KIP-320); -1 names none.
    pub(crate) fn check_leader_epoch(&self, epoch: i32) -> Result<(), ErrorCode> {
        match epoch.cmp(&self.leader_epoch()) {
            _ if epoch < 0 => Ok(()),
            std::cmp::Ordering::Less => Err(ErrorCode::FENCED_LEADER_EPOCH),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        }
    }

    /// Appends a client's batches at the log's end. What the topic's rules have to decompress for that is
    /// taken from `budget_bytes`.
    pub(crate) fn append(&self, batches: Bytes, budget_bytes: &mut usize) -> Result<Appended, Failure> {
        self.append_from(batches, Origin::Client, budget_bytes)
    }

    /// Whether the topic's rules have a client's batch decompressed or compressed.
    pub(crate) fn looks_into(&self, batch: &[u8]) -> bool {
        self.log.looks_into(batch, now_ms())
    }

    /// Appends records of this broker's own coordinators.
    pub(crate) fn append_internal(&self, batches: Bytes) -> Result<Appended, Failure> {
        self.append_from(batches, Origin::Coordinator, &mut { usize::MAX })
    }

    fn append_from(
        &self,
        batches: Bytes,
        origin: Origin,
        budget_bytes: &mut usize,
    ) -> Result<Appended, Failure> {
        let bytes = batches.len();
        let options = AppendOptions { origin, leader_epoch: self.leader_epoch(), now_ms: now_ms() };
        let info =
            self.log.append_within(batches, &options, budget_bytes).map_err(|error| self.failed(error))?;
        if !info.duplicate && info.base_offset >= 0 {
            self.reveal(info.last_offset + 1, bytes);
            self.flushes.owe(&self.debtor, info.flush_within_ms);
            self.metrics.observe_append(info.last_offset - info.base_offset + 1, bytes);
        }
        Ok(Appended {
            base_offset: info.base_offset,
            last_offset: info.last_offset,
            log_append_time_ms: info.log_append_time_ms,
            log_start_offset: info.log_start_offset,
            flush_due: info.flush_due,
        })
    }

    /// Makes records below `end` visible and tells the parked fetches. Another append may have come further
    /// meanwhile.
    fn reveal(&self, end: i64, bytes: usize) {
        self.log.advance_high_watermark(end);
        self.waiters.arrived(bytes);
    }

    /// What a disk does wrong concerns the operator as well as the client.
    fn failed(&self, error: LogError) -> Failure {
        if error.is_storage() {
            self.metrics.observe_storage_error();
            if let Some(suppressed) = super::STORAGE_ERRORS.admit() {
                warn!(partition = %self.log.partition(), suppressed, "the disk fails: {error}");
            }
        }
        Failure::from(error)
    }

    /// Whole batches from the one that holds `offset`, up to the high watermark; `None` when there is
    /// nothing yet or it does not fit.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        min_one_batch: bool,
    ) -> Result<Option<Slice>, Failure> {
        let upper_bound = self.high_watermark();
        let request = ReadRequest { offset, max_bytes, upper_bound, min_one_batch };
        let found = self.log.read(&request).map_err(|error| self.failed(error))?;
        Ok(found.range)
    }

    /// Counts bytes that leave for a client.
    pub(crate) fn observe_read(&self, bytes: usize) {
        self.metrics.observe_read(bytes);
    }

    /// Epoch and end of the last common part, for a reader whose last epoch ended elsewhere here
    /// (KIP-595's diverging epoch).
    pub(crate) fn diverging(&self, last_epoch: i32, fetch_offset: i64) -> Option<(i32, i64)> {
        if last_epoch < 0 {
            return None;
        }
        let EpochEnd { epoch, end_offset } = self.log.end_offset_for_epoch(last_epoch);
        (epoch != last_epoch || end_offset < fetch_offset).then_some((epoch, end_offset))
    }

    pub(crate) fn end_offset_for_epoch(&self, epoch: i32) -> (i32, i64) {
        let EpochEnd { epoch, end_offset } = self.log.end_offset_for_epoch(epoch);
        (epoch, end_offset)
    }

    /// The epoch of the record at `offset`, or -1.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        self.log.epoch_at(offset)
    }

    /// Timestamp, offset and epoch of the first record at or after a timestamp.
    pub(crate) fn offset_at(&self, timestamp_ms: i64) -> Result<Option<(i64, i64, i32)>, Failure> {
        let found = self.log.offset_for_timestamp(timestamp_ms).map_err(|error| self.failed(error))?;
        Ok(found
            .filter(|found| found.offset < self.high_watermark())
            .map(|found| (found.timestamp_ms, found.offset, found.leader_epoch)))
    }

    /// Timestamp, offset and epoch of the record with the largest timestamp.
    pub(crate) fn max_timestamp(&self) -> Result<Option<(i64, i64, i32)>, Failure> {
        let found = self.log.max_timestamp().map_err(|error| self.failed(error))?;
        Ok(found.map(|found| (found.timestamp_ms, found.offset, found.leader_epoch)))
    }

    /// Timestamp of the first record at or after `offset`, below the high watermark. Decodes a batch only
    /// when the record is not its first.
    pub(crate) fn timestamp_at(&self, offset: i64) -> Result<Option<i64>, Failure> {
        let mut from = offset;
        while let Some(slice) = self.read(from, 1, true)? {
            let header = self.header_of(&slice)?;
            if let Some(timestamp_ms) = timestamp_in_header(&header, offset) {
                return Ok(Some(timestamp_ms));
            }
            let bytes = slice.read_to_bytes().map_err(|error| self.failed(error))?;
            let found = timestamp_in_batch(
                &Batch { header, bytes },
                offset,
                self.log.config().message.decompressed_max_bytes,
            );
            if let Some(timestamp_ms) = found.map_err(|error| Failure::from_records(&error))? {
                return Ok(Some(timestamp_ms));
            }
            // Compaction has removed what was left of this batch behind `offset`.
            from = header.next_offset();
        }
        Ok(None)
    }

    fn header_of(&self, slice: &Slice) -> Result<BatchHeader, Failure> {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        slice
            .read_at(&mut bytes, 0)
            .map_err(|error| Failure::new(ErrorCode::KAFKA_STORAGE_ERROR, error.to_string()))?;
        BatchHeader::parse(&bytes).map_err(|error| Failure::from_records(&error))
    }

    /// Forgets everything before `offset`. Returns the new log start.
    pub(crate) fn delete_records(&self, offset: i64) -> Result<i64, Failure> {
        self.log.delete_records(offset).map_err(|error| self.failed(error))
    }

    /// Makes everything up to `offset` durable; blocks.
    pub(crate) fn flush(&self, offset: i64) -> Result<(), Failure> {
        self.log.flush(offset).map_err(|error| self.failed(error)).map(drop)
    }

    /// The idempotent producers that the log remembers.
    pub(crate) fn active_producers(&self) -> Vec<ProducerState> {
        let producers = self.log.producers().into_iter().map(|producer| ProducerState {
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch.into(),
            last_sequence: producer.last_sequence,
            last_timestamp: producer.last_timestamp_ms,
            coordinator_epoch: producer.coordinator_epoch,
            current_txn_start_offset: producer.current_txn_start_offset,
        });
        producers.collect()
    }

    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

/// Timestamp of the first record at or after `offset`, where a batch's header is enough to know it.
fn timestamp_in_header(header: &BatchHeader, offset: i64) -> Option<i64> {
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Some(header.max_timestamp);
    }
    let is_whole =
        header.record_count == header.last_offset_delta + 1 && !header.attributes.has_delete_horizon();
    (is_whole && header.base_offset >= offset).then_some(header.base_timestamp)
}

fn timestamp_in_batch(batch: &Batch, offset: i64, bytes_max: u32) -> Result<Option<i64>, RecordsError> {
    for record in batch.body(bytes_max as usize)?.refs() {
        let record = record?;
        if record.offset >= offset {
            return Ok(Some(record.timestamp_ms));
        }
    }
    Ok(None)
}
