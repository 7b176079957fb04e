//! Records leave at the back: what a new leader does not have, a follower gives up (KIP-101).

use super::producers::{backfill, replay, restore_snapshot, snapshot_offsets};
use super::{Log, Writer};
use crate::LogError;
use crate::names::Stage;
use crate::segment::{Segment, remove_segment};

impl Log {
    /// Cuts the log so that it ends at `offset`; a batch that holds the offset goes whole. An offset at or
    /// above the end changes nothing. Producers and epochs follow.
    ///
    /// # Errors
    /// [`LogError::Storage`]; the log is offline then, since its end is in doubt.
    pub fn truncate_to(&self, offset: i64, now_ms: i64) -> Result<(), LogError> {
        let _upkeep = self.upkeep.enter();
        let mut writer = self.writer.lock();
        writer.check_running()?;
        if offset >= writer.end_offset {
            return Ok(());
        }
        let cut = if offset < self.view.read().segments[0].base_offset() {
            self.restart(&mut writer, offset.max(0), now_ms)
        } else {
            self.cut_at(&mut writer, offset)
        };
        cut.inspect_err(|error| Self::stop(&mut writer, error))
    }

    /// Forgets everything and begins anew at `offset`: what a follower does whose leader's log starts above
    /// its own end.
    ///
    /// # Errors
    /// As [`Log::truncate_to`].
    pub fn truncate_fully(&self, offset: i64, now_ms: i64) -> Result<(), LogError> {
        let _upkeep = self.upkeep.enter();
        let mut writer = self.writer.lock();
        writer.check_running()?;
        self.restart(&mut writer, offset, now_ms).inspect_err(|error| Self::stop(&mut writer, error))
    }

    fn cut_at(&self, writer: &mut Writer, offset: i64) -> Result<(), LogError> {
        let (kept, removed) = {
            let mut view = self.view.write();
            let at = view.floor(offset);
            let removed = view.segments.split_off(at + 1);
            view.invalidate();
            // Readers stop at the new end from now on, before a byte is gone.
            view.end_offset = offset;
            view.start_offset = view.start_offset.min(offset);
            (view.segments.clone(), removed)
        };
        for segment in removed {
            segment.release();
            remove_segment(&self.pool, &self.dir, segment.base_offset(), Stage::Live)?;
        }
        let active = &kept[kept.len() - 1];
        let located = active.locate(offset, active.size_bytes())?;
        let position = located.map_or(active.size_bytes(), |located| located.position);
        active.truncate(position, offset)?;
        active.sync_log()?;
        self.view.write().invalidate();
        writer.active = std::sync::Arc::clone(active);
        writer.end_offset = offset;
        self.restore_producers(writer, &kept, offset)?;
        self.after_cut(writer, offset)
    }

    fn restart(&self, writer: &mut Writer, offset: i64, now_ms: i64) -> Result<(), LogError> {
        let old = {
            let mut view = self.view.write();
            view.invalidate();
            view.end_offset = offset;
            view.start_offset = offset;
            view.segments.clone()
        };
        for segment in &old {
            segment.release();
            remove_segment(&self.pool, &self.dir, segment.base_offset(), Stage::Live)?;
        }
        let segment = Segment::create(&self.pool, &self.dir, offset, Stage::Live, now_ms)?;
        self.gate.note_new_file();
        let segment = std::sync::Arc::new(segment);
        {
            let mut view = self.view.write();
            view.segments = vec![std::sync::Arc::clone(&segment)];
            view.invalidate();
        }
        writer.active = segment;
        writer.end_offset = offset;
        self.restore_producers(writer, &[], -1)?;
        self.after_cut(writer, offset)
    }

    fn restore_producers(
        &self,
        writer: &mut Writer,
        segments: &[std::sync::Arc<Segment>],
        end_offset: i64,
    ) -> Result<(), LogError> {
        let disk = self.pool.disk();
        let entries = disk.list(&self.dir).map_err(LogError::storage("list", &self.dir))?;
        let offsets = snapshot_offsets(entries.iter().map(|entry| entry.name.as_str()));
        let mut restored = restore_snapshot(disk, &self.dir, &offsets, end_offset)?;
        let from = restored.snapshot_offset;
        backfill(&mut restored.producers, segments, from, end_offset)?;
        let count_max = self.config().producers.count_max;
        replay(&mut restored.producers, segments, from, end_offset, count_max)?;
        writer.producers = restored.producers;
        writer.snapshot_offset = from;
        Ok(())
    }

    fn after_cut(&self, writer: &mut Writer, offset: i64) -> Result<(), LogError> {
        self.gate.lower(offset);
        self.high_watermark.fetch_min(offset, std::sync::atomic::Ordering::AcqRel);
        let mut epochs = self.epochs.write();
        let cut = epochs.truncate_from_end(offset);
        writer.latest_epoch = epochs.latest();
        if cut { epochs.save(self.pool.disk()) } else { Ok(()) }
    }
}
