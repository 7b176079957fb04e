//! Records leave at the front: retention by time and size, DeleteRecords. Files go later, in two steps:
//! renamed at once, removed after `file.delete.delay.ms` by [`Log::empty_trash`].

use std::sync::Arc;

use super::Log;
use crate::LogError;
use crate::config::RetentionConfig;
use crate::files::remove_if_there;
use crate::names::{FileKind, Stage, segment_file};
use crate::segment::{Segment, remove_segment};

/// What a pass of retention did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Segments that are no longer part of the log.
    pub segments: usize,
    /// Bytes of their log files.
    pub bytes: u64,
}

impl Log {
    /// Raises the log's start: records below `before` are gone for readers at once; segments that lie
    /// wholly below it leave with the next retention pass. Returns the start offset.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] above the high watermark (Kafka's rule); below the start nothing
    /// happens.
    pub fn delete_records(&self, before: i64) -> Result<i64, LogError> {
        let high_watermark = self.high_watermark();
        let log_start = self.start_offset();
        if before > high_watermark {
            return Err(LogError::OffsetOutOfRange { requested: before, log_start, log_end: high_watermark });
        }
        self.raise_start(before)
    }

    /// As [`Log::delete_records`], for a follower that learns its leader's start: bounded by the log's end.
    ///
    /// # Errors
    /// [`LogError::Storage`] when the epochs' checkpoint cannot be written.
    pub fn raise_start(&self, before: i64) -> Result<i64, LogError> {
        let start_offset = {
            let mut view = self.view.write();
            let raised = before.min(view.end_offset);
            if raised <= view.start_offset {
                return Ok(view.start_offset);
            }
            view.start_offset = raised;
            raised
        };
        self.high_watermark.fetch_max(start_offset, std::sync::atomic::Ordering::AcqRel);
        let mut epochs = self.epochs.write();
        if epochs.truncate_from_start(start_offset) {
            epochs.save(self.pool.disk())?;
        }
        Ok(start_offset)
    }

    /// Lets go of segments by `retention.ms`, `retention.bytes` and the log's start (Kafka's
    /// `UnifiedLog.deleteOldSegments`). Nothing at or above the high watermark goes. The files are renamed
    /// to `.deleted`.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn apply_retention(&self, now_ms: i64) -> Result<Trimmed, LogError> {
        let Some(mut upkeep) = self.enter_upkeep() else { return Ok(Trimmed::default()) };
        let config = self.config();
        let retention = &config.retention;
        let (segments, end_offset) = {
            let view = self.view.read();
            (view.segments.clone(), view.end_offset)
        };
        let mut going = self.count_going(&segments, end_offset, retention, now_ms)?;
        if going == segments.len() && !self.roll_behind(end_offset, now_ms)? {
            going -= 1;
        }
        if going == 0 {
            return Ok(Trimmed::default());
        }
        self.raise_start(segments.get(going).map_or(end_offset, |next| next.base_offset()))?;
        let trimmed = self.remove_front(going, segments[0].base_offset());
        self.move_to_trash(
            &mut upkeep.trash,
            &trimmed,
            now_ms.saturating_add(retention.file_delete_delay_ms),
        )?;
        self.remove_snapshots(&trimmed)?;
        Ok(Trimmed {
            segments: trimmed.len(),
            bytes: trimmed.iter().map(|segment| segment.size_bytes()).sum(),
        })
    }

    /// How many of the first segments may go. `end_offset` is where the last of them ended when they were
    /// looked at.
    fn count_going(
        &self,
        segments: &[Arc<Segment>],
        end_offset: i64,
        retention: &RetentionConfig,
        now_ms: i64,
    ) -> Result<usize, LogError> {
        let (start_offset, high_watermark) = (self.start_offset(), self.high_watermark());
        let mut excess = match retention.bytes {
            limit if limit >= 0 && retention.policy.delete => {
                segments.iter().map(|segment| segment.size_bytes() as i64).sum::<i64>() - limit
            }
            _ => 0,
        };
        for (at, segment) in segments.iter().enumerate() {
            let next_base = segments.get(at + 1).map_or(end_offset, |next| next.base_offset());
            let size = segment.size_bytes() as i64;
            if next_base > high_watermark || (at + 1 == segments.len() && size == 0) {
                return Ok(at);
            }
            let passed = at + 1 < segments.len() && next_base <= start_offset;
            let too_much = excess >= size && excess > 0;
            let too_old = retention.policy.delete
                && retention.ms >= 0
                && now_ms.saturating_sub(segment.retention_time_ms()?) > retention.ms;
            if !(passed || too_much || too_old) {
                return Ok(at);
            }
            excess -= size;
        }
        Ok(segments.len())
    }

    /// Begins a new segment, so that the one which ended at `end_offset` can go. `false` when the log has
    /// grown since: what came then must not go with it.
    fn roll_behind(&self, end_offset: i64, now_ms: i64) -> Result<bool, LogError> {
        let mut writer = self.writer.lock();
        writer.check_running()?;
        if writer.end_offset != end_offset {
            return Ok(false);
        }
        if writer.active.size_bytes() > 0 {
            self.roll_at(&mut writer, end_offset, now_ms)?;
        }
        Ok(true)
    }

    /// Takes the first `count` segments out of the view, provided that the first is still the one that was
    /// looked at.
    fn remove_front(&self, count: usize, first_base: i64) -> Vec<Arc<Segment>> {
        let mut view = self.view.write();
        if view.segments.len() <= count || view.segments[0].base_offset() != first_base {
            return Vec::new();
        }
        view.segments.drain(..count).collect()
    }

    /// Renames the files of segments that left the view; they are removed at `due_ms`.
    pub(super) fn move_to_trash(
        &self,
        trash: &mut Vec<(i64, i64)>,
        segments: &[Arc<Segment>],
        due_ms: i64,
    ) -> Result<(), LogError> {
        for segment in segments {
            segment.rename(&self.dir, Stage::Deleted)?;
            trash.push((segment.base_offset(), due_ms));
        }
        Ok(())
    }

    pub(super) fn remove_snapshots(&self, segments: &[Arc<Segment>]) -> Result<(), LogError> {
        segments.iter().try_for_each(|segment| {
            let path = segment_file(&self.dir, segment.base_offset(), FileKind::Snapshot, Stage::Live);
            remove_if_there(self.pool.disk(), &path)
        })
    }

    /// Removes the files of segments whose delay has passed. Returns how many segments' files went.
    ///
    /// # Errors
    /// [`LogError::Storage`]; what is left is tried again next time.
    pub fn empty_trash(&self, now_ms: i64) -> Result<usize, LogError> {
        let Some(mut upkeep) = self.enter_upkeep() else { return Ok(0) };
        let mut removed = 0;
        while let Some(at) = upkeep.trash.iter().position(|&(_, due_ms)| due_ms <= now_ms) {
            let (base_offset, _) = upkeep.trash[at];
            remove_segment(&self.pool, &self.dir, base_offset, Stage::Deleted)?;
            upkeep.trash.swap_remove(at);
            removed += 1;
        }
        Ok(removed)
    }
}
