//! Appends: check, place, write, publish. One positioned vectored write for each append; payloads are
//! neither copied nor decoded here.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::records::{BATCH_HEADER_BYTES, BatchHeader, LOG_OVERHEAD_BYTES};

use super::view::Cursor;
use super::{Log, Writer};
use crate::LogError;
use crate::config::LogConfig;
use crate::names::Stage;
use crate::producers::BatchMark;
use crate::segment::{Segment, remove_segment};
use crate::validate::{self, AppendOptions, Origin, Plan, PlannedBatch};

/// Base offset, length and leader epoch: what every append patches.
const PATCHED_BYTES: usize = LOG_OVERHEAD_BYTES + 4;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record; -1 when there was none.
    pub base_offset: i64,
    /// Offset of the last record; -1 when there was none.
    pub last_offset: i64,
    /// The time stamped on the records, milliseconds since 1970, or -1 where producers set their own.
    pub log_append_time_ms: i64,
    /// First offset of the log.
    pub log_start_offset: i64,
    /// The batch was a retry: the offsets are those of its first append, nothing was written.
    pub duplicate: bool,
    /// `flush.messages` asks that [`Log::flush`] up to `last_offset + 1` ends before the append is
    /// acknowledged. The caller does it, because a flush may take long and a caller in an asynchronous
    /// task must not wait for it there.
    pub flush_due: bool,
    /// `flush.ms`: milliseconds within which the records are to be flushed.
    pub flush_within_ms: i64,
}

impl Log {
    /// Appends record batches (v2). A client's or coordinator's batches get the next offsets and
    /// `options.leader_epoch`; a replica's keep theirs.
    ///
    /// Nothing is appended when any batch is refused. After a failed write the log cuts what it wrote and
    /// stays usable; when that fails too it goes [`LogError::Offline`].
    ///
    /// # Errors
    /// The rules' refusals (see [`LogError`]), [`LogError::Storage`], [`LogError::Offline`],
    /// [`LogError::Closed`].
    pub fn append(&self, records: Bytes, options: &AppendOptions) -> Result<AppendInfo, LogError> {
        self.append_within(records, options, &mut { usize::MAX })
    }

    /// Appends as [`Log::append`] does, and takes the bytes that the topic's rules had to decompress from
    /// `budget_bytes`.
    ///
    /// # Errors
    /// As [`Log::append`]; [`LogError::DecompressedTooLarge`] when the budget is used up.
    pub fn append_within(
        &self,
        records: Bytes,
        options: &AppendOptions,
        budget_bytes: &mut usize,
    ) -> Result<AppendInfo, LogError> {
        let config = self.config();
        let mut plan = validate::plan(records, options, &config, budget_bytes)?;
        let mut writer = self.writer.lock();
        writer.check_running()?;
        let (Some(first), Some(last)) = (plan.batches.first(), plan.batches.last()) else {
            return Ok(self.nothing_appended());
        };
        if options.origin == Origin::Replica {
            check_offsets(&plan, writer.end_offset)?;
        } else {
            if let Some(retry) = check_producers(&writer, &plan)? {
                return Ok(self.retried(&retry, first, last, &config));
            }
            assign_offsets(&mut plan, writer.end_offset, options.leader_epoch);
        }
        self.roll_if_needed(&mut writer, &plan, options, &config)?;
        let mut position = writer.active.size_bytes();
        for planned in &plan.batches {
            self.note_epoch(&mut writer, planned.header.leader_epoch, planned.header.base_offset)?;
        }
        self.write(&mut writer, &plan)?;
        let written_at = position;
        for planned in &plan.batches {
            let noted =
                writer.active.note(&planned.header, position, config.segment.index_interval_bytes.into());
            if let Err(error) = noted {
                // An index only speeds things up, and recovery rebuilds it: the append stands.
                tracing::warn!(partition = %self.partition, %error, "index entry not written");
            }
            writer.producers.update(&planned.header, config.producers.count_max);
            position += planned.header.size_bytes() as u64;
        }
        Ok(self.publish(&mut writer, &plan, written_at, position, &config))
    }

    /// Whether the topic's rules have a client's batch decompressed or compressed before it is stored: work
    /// that does not belong into an asynchronous task.
    #[must_use]
    pub fn looks_into(&self, records: &[u8], now_ms: i64) -> bool {
        validate::looks_into(records, now_ms, &self.config())
    }

    fn nothing_appended(&self) -> AppendInfo {
        AppendInfo {
            base_offset: -1,
            last_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: self.start_offset(),
            duplicate: false,
            flush_due: false,
            flush_within_ms: i64::MAX,
        }
    }

    fn retried(
        &self,
        retry: &BatchMark,
        first: &PlannedBatch,
        last: &PlannedBatch,
        config: &LogConfig,
    ) -> AppendInfo {
        tracing::debug!(
            partition = %self.partition,
            producer = first.header.producer_id,
            sequence = last.header.base_sequence,
            "batch was appended before"
        );
        AppendInfo {
            base_offset: retry.first_offset(),
            last_offset: retry.last_offset,
            log_append_time_ms: retry.timestamp_ms,
            log_start_offset: self.start_offset(),
            duplicate: true,
            // The first append may still wait for its flush, or have failed in it.
            flush_due: config.flush.messages < i64::MAX && retry.last_offset >= self.gate.recovery_point(),
            flush_within_ms: i64::MAX,
        }
    }

    fn write(&self, writer: &mut Writer, plan: &Plan) -> Result<(), LogError> {
        let mut scratch = std::mem::take(&mut writer.scratch);
        scratch.clear();
        for planned in &plan.batches {
            if planned.restamped {
                let body = planned.start + BATCH_HEADER_BYTES..planned.start + planned.header.size_bytes();
                scratch.extend_from_slice(&planned.header.to_bytes_with_crc(&plan.bytes[body]));
            } else {
                scratch.extend_from_slice(&planned.header.to_bytes()[..PATCHED_BYTES]);
            }
        }
        let mut heads = &scratch[..];
        let mut slices = Vec::with_capacity(plan.batches.len() * 2);
        for planned in &plan.batches {
            let replaced = if planned.restamped { BATCH_HEADER_BYTES } else { PATCHED_BYTES };
            let (head, rest) = heads.split_at(replaced);
            heads = rest;
            slices.push(IoSlice::new(head));
            let kept = planned.start + replaced..planned.start + planned.header.size_bytes();
            slices.push(IoSlice::new(&plan.bytes[kept]));
        }
        let written = writer.active.write(&mut slices);
        writer.scratch = scratch;
        written.inspect_err(|error| self.undo_write(writer, error))
    }

    /// Cuts what a failed write may have left. If even that fails, what follows the log's end is unknown
    /// and could be taken for records after a crash: no more appends then.
    fn undo_write(&self, writer: &mut Writer, error: &LogError) {
        let (file, end) = (writer.active.log_file(), writer.active.size_bytes());
        let clean = file.len().is_ok_and(|len| len == end) || file.set_len(end).is_ok();
        tracing::error!(partition = %self.partition, %error, clean, "append failed");
        if !clean {
            Self::stop(writer, error);
        }
    }

    fn publish(
        &self,
        writer: &mut Writer,
        plan: &Plan,
        from: u64,
        to: u64,
        config: &LogConfig,
    ) -> AppendInfo {
        let base_offset = plan.batches.first().map_or(-1, |planned| planned.header.base_offset);
        let end_offset = plan.batches.last().map_or(-1, |planned| planned.header.next_offset());
        writer.end_offset = end_offset;
        let log_start_offset = {
            let mut view = self.view.write();
            writer.active.set_size_bytes(to);
            view.end_offset = end_offset;
            let segment_base = writer.active.base_offset();
            view.recent.put(Cursor { offset: base_offset, segment_base, position: from }, 0);
            view.start_offset
        };
        let unflushed = end_offset - self.gate.recovery_point();
        AppendInfo {
            base_offset,
            last_offset: end_offset - 1,
            log_append_time_ms: plan.append_time_ms,
            log_start_offset,
            duplicate: false,
            flush_due: unflushed >= config.flush.messages,
            flush_within_ms: config.flush.ms,
        }
    }

    fn roll_if_needed(
        &self,
        writer: &mut Writer,
        plan: &Plan,
        options: &AppendOptions,
        config: &LogConfig,
    ) -> Result<(), LogError> {
        let size_bytes = plan.batches.iter().map(|planned| planned.header.size_bytes()).sum::<usize>();
        let segment_bytes = config.segment.bytes as usize;
        if size_bytes > segment_bytes {
            return Err(LogError::RecordListTooLarge { size_bytes, segment_bytes });
        }
        let last_offset = plan.batches.last().map_or(0, |planned| planned.header.last_offset());
        let active = &writer.active;
        let full = active.size_bytes() + size_bytes as u64 > segment_bytes as u64
            || active.index_bytes()? + 8 > u64::from(config.segment.index_bytes)
            || !active.can_hold(last_offset);
        if full
            || (active.size_bytes() > 0
                && self.is_old(active, plan.max_timestamp_ms, options.now_ms, config)?)
        {
            let at = plan.batches.first().map_or(writer.end_offset, |planned| planned.header.base_offset);
            self.roll_at(writer, at, options.now_ms)?;
        }
        Ok(())
    }

    fn is_old(
        &self,
        active: &Segment,
        message_ms: i64,
        now_ms: i64,
        config: &LogConfig,
    ) -> Result<bool, LogError> {
        let mut segment_ms = config.segment.ms;
        if config.retention.policy.compact {
            // The active segment is never compacted, so it must end in time for the longest lag.
            segment_ms = segment_ms.min(config.compaction.max_lag_ms);
        }
        let jitter_ms = match config.segment.jitter_ms.min(segment_ms) {
            ..=0 => 0,
            // Spread by what differs between segments that were made at the same time.
            most => {
                (spread(&self.partition.topic, self.partition.partition, active.base_offset()) % most as u64)
                    as i64
            }
        };
        Ok(active.age_ms(now_ms, message_ms)? > segment_ms - jitter_ms)
    }

    /// Begins a new segment at the log's end, unless the active one is empty.
    ///
    /// # Errors
    /// [`LogError::Storage`], [`LogError::Offline`], [`LogError::Closed`].
    pub fn roll(&self, now_ms: i64) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        writer.check_running()?;
        if writer.active.size_bytes() == 0 {
            return Ok(());
        }
        let at = writer.end_offset;
        self.roll_at(&mut writer, at, now_ms)
    }

    pub(super) fn roll_at(&self, writer: &mut Writer, base_offset: i64, now_ms: i64) -> Result<(), LogError> {
        let old = Arc::clone(&writer.active);
        if old.base_offset() == base_offset {
            return Ok(());
        }
        old.seal()?;
        self.take_snapshot(writer, base_offset)?;
        let new = Arc::new(Segment::create(&self.pool, &self.dir, base_offset, Stage::Live, now_ms)?);
        self.gate.note_new_file();
        let mut view = self.view.write();
        let replaces_empty = old.size_bytes() == 0;
        if replaces_empty {
            view.segments.pop();
        }
        view.segments.push(Arc::clone(&new));
        drop(view);
        writer.active = new;
        if replaces_empty {
            remove_segment(&self.pool, &self.dir, old.base_offset(), Stage::Live)?;
        }
        tracing::debug!(partition = %self.partition, base_offset, "rolled to a new segment");
        Ok(())
    }
}

fn spread(topic: &str, partition: i32, base_offset: i64) -> u64 {
    use std::hash::{Hash, Hasher};
    // With fixed keys: the same segment must get the same jitter each time it is asked for.
    let mut hasher = std::hash::DefaultHasher::new();
    (topic, partition, base_offset).hash(&mut hasher);
    hasher.finish()
}

fn check_offsets(plan: &Plan, log_end: i64) -> Result<(), LogError> {
    let mut expected = log_end;
    for planned in &plan.batches {
        let base_offset = planned.header.base_offset;
        if base_offset < expected {
            return Err(LogError::UnexpectedOffset { base_offset, log_end: expected });
        }
        expected = planned.header.next_offset();
    }
    Ok(())
}

fn assign_offsets(plan: &mut Plan, log_end: i64, leader_epoch: i32) {
    let mut next = log_end;
    for planned in &mut plan.batches {
        planned.header.base_offset = next;
        planned.header.leader_epoch = leader_epoch;
        next = planned.header.next_offset();
    }
}

/// Checks sequences; `Some` is the batch of which this append is a retry.
fn check_producers(writer: &Writer, plan: &Plan) -> Result<Option<BatchMark>, LogError> {
    let idempotent = |header: &BatchHeader| header.has_producer_id() && header.base_sequence >= 0;
    if let [only] = &plan.batches[..] {
        return if idempotent(&only.header) { writer.producers.check(&only.header, &[]) } else { Ok(None) };
    }
    let mut earlier: Vec<BatchHeader> = Vec::new();
    for planned in plan.batches.iter().filter(|planned| idempotent(&planned.header)) {
        if let Some(retry) = writer.producers.check(&planned.header, &earlier)? {
            return Ok(Some(retry));
        }
        earlier.push(planned.header);
    }
    Ok(None)
}
