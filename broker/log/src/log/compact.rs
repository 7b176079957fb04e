//! Compaction of a log's sealed segments: only the last record of each key stays (Kafka's `LogCleaner`,
//! `Cleaner`). Results are written beside what they replace and swapped in so that a crash at any moment
//! leaves the one or the other.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::records::{Batch, BatchHeader};

use super::Log;
use crate::LogError;
use crate::compaction::{FilterRules, Kept, OffsetMap, filter};
use crate::config::LogConfig;
use crate::names::Stage;
use crate::scan::{FULL_WINDOW_BYTES, Scan};
use crate::segment::{Segment, remove_segment};

/// Bytes that gather before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// How much of a log waits for compaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// Compaction goes on from here.
    pub first_dirty: i64,
    /// Nothing from here on may be compacted yet.
    pub end: i64,
    /// Dirty bytes as a part of all bytes below `end`, in millionths.
    pub dirty_ratio_ppm: u32,
    /// `max.compaction.lag.ms` has passed: the ratio does not matter.
    pub overdue: bool,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Bytes of the segments that were read.
    pub bytes_before: u64,
    /// Bytes of the segments that replaced them.
    pub bytes_after: u64,
    /// Compaction goes on from here.
    pub cleaned_to: i64,
    /// Somebody needed the log meanwhile, or the map was full: more is left to do.
    pub incomplete: bool,
}

impl Log {
    /// Where compaction goes on.
    #[must_use]
    pub fn cleaned_to(&self) -> i64 {
        self.upkeep.cleaned_to()
    }

    /// What there is to compact, if the policy is on, something is dirty, and nobody works on the log
    /// (Kafka's `LogCleanerManager.cleanableOffsets`). Whether it is worth it is the caller's to judge: see
    /// [`Cleanable::dirty_ratio_ppm`].
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn cleanable(&self, now_ms: i64) -> Result<Option<Cleanable>, LogError> {
        let config = self.config();
        let Some(_upkeep) = self.enter_upkeep().filter(|_| config.retention.policy.compact) else {
            return Ok(None);
        };
        let (segments, start_offset, end_offset) = {
            let view = self.view.read();
            (view.segments.clone(), view.start_offset, view.end_offset)
        };
        // A checkpoint outside the log speaks of another one.
        let cleaned_to = self.upkeep.cleaned_to();
        let first_dirty = if cleaned_to > end_offset { start_offset } else { cleaned_to.max(start_offset) };
        let committed = self.high_watermark();
        let lag = &config.compaction;
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        let (mut end, mut overdue) = (first_dirty, false);
        for pair in segments.windows(2) {
            let (segment, next_base) = (&pair[0], pair[1].base_offset());
            if next_base <= first_dirty {
                clean_bytes += segment.size_bytes();
                continue;
            }
            let largest_ms = segment.retention_time_ms()?;
            if next_base > committed
                || (lag.min_lag_ms > 0 && largest_ms > now_ms.saturating_sub(lag.min_lag_ms))
            {
                break;
            }
            overdue |= lag.max_lag_ms < i64::MAX
                && (0..now_ms.saturating_sub(lag.max_lag_ms)).contains(&segment.first_timestamp_ms()?);
            dirty_bytes += segment.size_bytes();
            end = next_base;
        }
        if end <= first_dirty {
            return Ok(None);
        }
        let all_bytes = (clean_bytes + dirty_bytes).max(1);
        let dirty_ratio_ppm = (u128::from(dirty_bytes) * 1_000_000 / u128::from(all_bytes)) as u32;
        Ok(Some(Cleanable { first_dirty, end, dirty_ratio_ppm, overdue }))
    }

    /// Compacts the log up to `cleanable.end`, as far as `map` reaches. The segments concerned must have
    /// been flushed ([`Log::flush_sealed`]) and the recovery point checkpointed, so that recovery does not
    /// take the gaps between the results for losses.
    ///
    /// # Errors
    /// [`LogError::Storage`]; [`LogError::CorruptMessage`] or [`LogError::BadFile`] when a batch cannot be
    /// read: nothing was changed then.
    pub fn compact(
        &self,
        cleanable: &Cleanable,
        map: &mut OffsetMap,
        now_ms: i64,
    ) -> Result<Cleaned, LogError> {
        let Some(mut upkeep) = self.enter_upkeep() else {
            return Ok(Cleaned { incomplete: true, cleaned_to: cleanable.first_dirty, ..Cleaned::default() });
        };
        let config = self.config();
        let segments: Vec<_> = {
            let view = self.view.read();
            let end = view.segments.partition_point(|segment| segment.base_offset() < cleanable.end);
            view.segments[..end.min(view.segments.len() - 1)].to_vec()
        };
        map.clear();
        let mut cleaned = Cleaned { cleaned_to: cleanable.first_dirty, ..Cleaned::default() };
        cleaned.incomplete = !self.fill(map, &segments, cleanable.first_dirty, &config)?;
        let cleaned_to = (map.latest_offset() + 1).clamp(cleanable.first_dirty, cleanable.end);
        let reached = segments.partition_point(|segment| segment.base_offset() < cleaned_to);
        for group in groups(&segments[..reached], cleanable.end, &config)? {
            if self.upkeep.is_wanted() {
                cleaned.incomplete = true;
                return Ok(cleaned);
            }
            let Some(result) = self.rewrite(group, map, &config, now_ms)? else {
                cleaned.incomplete = true;
                return Ok(cleaned);
            };
            cleaned.bytes_before += group.iter().map(|segment| segment.size_bytes()).sum::<u64>();
            cleaned.bytes_after += result.size_bytes();
            let due_ms = now_ms.saturating_add(config.retention.file_delete_delay_ms);
            self.swap_in(&mut upkeep.trash, group, result, due_ms)
                // Names and view may differ now: a start puts them right.
                .inspect_err(|error| Self::stop(&mut self.writer.lock(), error))?;
        }
        cleaned.cleaned_to = if cleaned.incomplete { cleaned_to } else { cleanable.end };
        self.upkeep.set_cleaned_to(cleaned.cleaned_to);
        map.clear();
        Ok(cleaned)
    }

    /// Notes the last offset of each key from `first_dirty` on. `false` when it had to stop before the end.
    fn fill(
        &self,
        map: &mut OffsetMap,
        segments: &[Arc<Segment>],
        first_dirty: i64,
        config: &LogConfig,
    ) -> Result<bool, LogError> {
        for (at, segment) in segments.iter().enumerate() {
            let next_base = segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset());
            if next_base <= first_dirty {
                continue;
            }
            let size = segment.size_bytes();
            let from = match segment.base_offset() < first_dirty {
                true => segment.locate(first_dirty, size)?.map_or(size, |located| located.position),
                false => 0,
            };
            let mut scan = Scan::new(segment.log_file(), from, size, FULL_WINDOW_BYTES)?;
            while let Some((_, batch)) =
                scan.next_batch().map_err(|error| error.into_log_error(segment.log_file()))?
            {
                if self.upkeep.is_wanted() || !map.has_room_for(batch.header.record_count.max(0) as usize) {
                    return Ok(false);
                }
                note_keys(map, &batch, first_dirty, config)?;
            }
        }
        Ok(true)
    }

    /// Writes what stays of a group of segments into a new one. `None` when somebody needs the log.
    fn rewrite(
        &self,
        group: &[Arc<Segment>],
        map: &OffsetMap,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Option<Segment>, LogError> {
        let base_offset = group.first().map_or(0, |segment| segment.base_offset());
        let result = Segment::create(&self.pool, &self.dir, base_offset, Stage::Cleaned, now_ms)?;
        let mut out = Output { segment: &result, bytes: Vec::new(), headers: Vec::new(), config };
        for segment in group {
            let mut scan = Scan::new(segment.log_file(), 0, segment.size_bytes(), FULL_WINDOW_BYTES)?;
            while let Some((_, batch)) =
                scan.next_batch().map_err(|error| error.into_log_error(segment.log_file()))?
            {
                if self.upkeep.is_wanted() {
                    result.release();
                    remove_segment(&self.pool, &self.dir, base_offset, Stage::Cleaned)?;
                    return Ok(None);
                }
                let keep_header = batch.header.has_producer_id()
                    && self.writer.lock().producers.is_last_of_producer(&batch.header);
                let rules = FilterRules {
                    now_ms,
                    delete_retention_ms: config.compaction.delete_retention_ms,
                    keep_header,
                    decompressed_max_bytes: config.message.decompressed_max_bytes as usize,
                };
                match filter(&batch, map, &rules)? {
                    Kept::All => out.push(&batch.bytes)?,
                    Kept::Some(bytes) => out.push(&bytes)?,
                    Kept::Nothing => {}
                }
            }
        }
        out.flush()?;
        result.seal()?;
        result.sync_log()?;
        result.sync_indexes()?;
        Ok(Some(result))
    }

    /// Puts a result in the place of what it was made from (Kafka's `UnifiedLog.replaceSegments`). From the
    /// first renaming on a crash ends with the result in place: opening completes what is begun.
    fn swap_in(
        &self,
        trash: &mut Vec<(i64, i64)>,
        group: &[Arc<Segment>],
        result: Segment,
        due_ms: i64,
    ) -> Result<(), LogError> {
        let sync = || self.pool.disk().sync_dir(&self.dir).map_err(LogError::storage("sync", &self.dir));
        result.rename(&self.dir, Stage::Swap)?;
        sync()?;
        let result = Arc::new(result);
        {
            let mut view = self.view.write();
            let base_offset = result.base_offset();
            let at = view.segments.partition_point(|segment| segment.base_offset() < base_offset);
            view.segments.splice(at..at + group.len(), [Arc::clone(&result)]);
            view.invalidate();
        }
        self.move_to_trash(trash, group, due_ms)?;
        result.rename(&self.dir, Stage::Live)?;
        sync()?;
        self.remove_snapshots(&group[1..])
    }
}

fn note_keys(
    map: &mut OffsetMap,
    batch: &Batch,
    first_dirty: i64,
    config: &LogConfig,
) -> Result<(), LogError> {
    if !batch.header.attributes.is_control() {
        let body = batch.body(config.message.decompressed_max_bytes as usize)?;
        for record in body.refs() {
            let record = record?;
            if let Some(key) = record.key.filter(|_| record.offset >= first_dirty) {
                map.put(key, record.offset);
            }
        }
    }
    map.advance(batch.header.last_offset());
    Ok(())
}

/// Neighbours that fit one segment together.
fn groups<'a>(
    segments: &'a [Arc<Segment>],
    end: i64,
    config: &LogConfig,
) -> Result<Vec<&'a [Arc<Segment>]>, LogError> {
    let mut groups = Vec::new();
    let mut from = 0;
    while from < segments.len() {
        let first = &segments[from];
        let (mut bytes, mut index_bytes) = (first.size_bytes(), first.index_bytes()?);
        let mut to = from + 1;
        while let Some(next) = segments.get(to) {
            bytes += next.size_bytes();
            index_bytes += next.index_bytes()?;
            let last_offset = segments.get(to + 1).map_or(end, |after| after.base_offset()) - 1;
            let fits = bytes <= u64::from(config.segment.bytes)
                && index_bytes <= u64::from(config.segment.index_bytes);
            if !fits || !first.can_hold(last_offset) {
                break;
            }
            to += 1;
        }
        groups.push(&segments[from..to]);
        from = to;
    }
    Ok(groups)
}

/// Gathers batches and writes them in large pieces.
struct Output<'a> {
    segment: &'a Segment,
    bytes: Vec<u8>,
    headers: Vec<BatchHeader>,
    config: &'a LogConfig,
}

impl Output<'_> {
    fn push(&mut self, batch: &Bytes) -> Result<(), LogError> {
        self.headers.push(BatchHeader::parse(batch)?);
        self.bytes.extend_from_slice(batch);
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.segment.write(&mut [IoSlice::new(&self.bytes)])?;
        let mut position = self.segment.size_bytes();
        for header in self.headers.drain(..) {
            self.segment.note(&header, position, self.config.segment.index_interval_bytes.into())?;
            position += header.size_bytes() as u64;
        }
        self.segment.set_size_bytes(position);
        self.bytes.clear();
        Ok(())
    }
}
