//! A partition's directory before its log is opened: what was on its way out goes, what was on its way in is
//! completed, and indexes that are missing are made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::open::Opening;
use crate::LogError;
use crate::files::remove_if_there;
use crate::names::{FileKind, Stage, parse_segment_file, segment_file};
use crate::scan::{FULL_WINDOW_BYTES, LOOKUP_WINDOW_BYTES, Scan};
use crate::segment::{Segment, remove_segment};

impl Opening<'_> {
    /// Removes what was on its way out, and completes what was on its way in.
    pub(super) fn tidy(&mut self) -> Result<(), LogError> {
        let swaps: Vec<i64> = self
            .names
            .iter()
            .filter_map(|name| parse_segment_file(name))
            .filter(|(_, kind, stage)| (*kind, *stage) == (FileKind::Log, Stage::Swap))
            .map(|(base_offset, ..)| base_offset)
            .collect();
        let mut changed = false;
        for name in &self.names {
            let goes = match parse_segment_file(name) {
                Some((_, _, Stage::Deleted | Stage::Cleaned)) => true,
                // Indexes get their new name before their log does: these never were complete.
                Some((base_offset, _, Stage::Swap)) => !swaps.contains(&base_offset),
                _ => false,
            };
            if goes {
                remove_if_there(self.pool.disk(), &self.dir.join(name))?;
                changed = true;
            }
        }
        for &base_offset in &swaps {
            self.complete_swap(base_offset)?;
            changed = true;
        }
        if changed {
            let disk = self.pool.disk();
            let entries = disk.list(self.dir).map_err(LogError::storage("list", self.dir))?;
            self.names = entries.into_iter().map(|entry| entry.name).collect();
        }
        Ok(())
    }

    /// A crash interrupted compaction after its result was complete: the segments that it was made from go,
    /// the result takes their place (Kafka's `LogLoader`).
    fn complete_swap(&self, base_offset: i64) -> Result<(), LogError> {
        let result = Segment::existing(self.pool, self.dir, base_offset, Stage::Swap, 0, self.params.now_ms);
        let file = result.log_file();
        let mut next_offset = base_offset + 1;
        let mut scan = Scan::new(file, 0, file.len()?, LOOKUP_WINDOW_BYTES)?;
        while let Some((_, header)) = scan.next_header().map_err(|error| error.into_log_error(file))? {
            next_offset = next_offset.max(header.next_offset());
        }
        // The result's own indexes may have their last name already. They go with the old ones, and are
        // made again as any that are missing.
        for name in &self.names {
            if let Some((base, _, Stage::Live)) = parse_segment_file(name)
                && (base_offset..next_offset).contains(&base)
            {
                remove_segment(self.pool, self.dir, base, Stage::Live)?;
            }
        }
        tracing::info!(partition = %self.params.partition, base_offset, "completed an interrupted compaction");
        result.rename(self.dir, Stage::Live)?;
        result.release();
        Ok(())
    }

    /// Lists the segments, without opening any of their files.
    pub(super) fn find_segments(&mut self) -> Result<(), LogError> {
        let mut found: BTreeMap<i64, Vec<FileKind>> = BTreeMap::new();
        for name in &self.names {
            if let Some((base_offset, kind, Stage::Live)) = parse_segment_file(name) {
                found.entry(base_offset).or_default().push(kind);
            }
        }
        let mut without_index = Vec::new();
        for (base_offset, kinds) in found {
            let path = |kind| segment_file(self.dir, base_offset, kind, Stage::Live);
            if !kinds.contains(&FileKind::Log) {
                for kind in kinds.into_iter().filter(|kind| *kind != FileKind::Snapshot) {
                    remove_if_there(self.pool.disk(), &path(kind))?;
                }
                continue;
            }
            let path = path(FileKind::Log);
            let size = self.pool.disk().stat(&path).map_err(LogError::storage("stat", &path))?.len;
            let segment =
                Segment::existing(self.pool, self.dir, base_offset, Stage::Live, size, self.params.now_ms);
            let has_indexes = kinds.contains(&FileKind::Index) && kinds.contains(&FileKind::TimeIndex);
            if size > 0 && !has_indexes {
                without_index.push(self.segments.len());
            }
            self.segments.push(Arc::new(segment));
        }
        // The last segment's indexes are complete only when it was sealed or closed; what is missing of them
        // is a few entries, or recovery makes them.
        let last = self.segments.len().saturating_sub(1);
        without_index
            .into_iter()
            .filter(|at| *at != last)
            .try_for_each(|at| self.rebuild_indexes(&self.segments[at]))
    }

    /// Makes a segment's indexes from its batches, as Kafka does when they are missing.
    fn rebuild_indexes(&self, segment: &Arc<Segment>) -> Result<(), LogError> {
        tracing::info!(partition = %self.params.partition, segment = segment.base_offset(), "indexes are missing, making them again");
        segment.reset_indexes()?;
        let file = segment.log_file();
        let mut scan = Scan::new(file, 0, segment.size_bytes(), FULL_WINDOW_BYTES)?;
        // A segment above the recovery point may be torn: recovery will find out.
        while let Ok(Some((position, header))) = scan.next_header() {
            segment.note(&header, position, self.params.config.segment.index_interval_bytes.into())?;
        }
        segment.seal()?;
        segment.release();
        Ok(())
    }

    /// A log with records has epochs. Where the checkpoint is gone or damaged, the batches tell them: those
    /// below the recovery point too, which recovery does not look at.
    pub(super) fn rebuild_epochs_if_lost(&mut self) {
        if !self.epochs.is_empty() || self.segments.iter().all(|segment| segment.size_bytes() == 0) {
            return;
        }
        tracing::info!(partition = %self.params.partition, "leader epochs are lost, reading them from the log");
        for segment in &self.segments {
            let Ok(mut scan) = Scan::new(segment.log_file(), 0, segment.size_bytes(), FULL_WINDOW_BYTES)
            else {
                continue;
            };
            // What cannot be read is recovery's to judge.
            while let Ok(Some((_, header))) = scan.next_header() {
                if header.leader_epoch > self.epochs.latest() {
                    self.epochs.assign(header.leader_epoch, header.base_offset);
                }
            }
            segment.release();
        }
    }
}
