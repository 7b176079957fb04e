//! Opening: what a stop left behind becomes a log again. After a clean stop that is a listing, a few sizes
//! and the last batch; otherwise every batch from the recovery point on is read and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use parking_lot::{Mutex, RwLock};

use super::flush::FlushGate;
use super::producers::{Restored, backfill, replay, restore_snapshot, snapshot_offsets};
use super::upkeep::UpkeepRoom;
use super::view::{Cursors, View};
use super::{Log, Writer};
use crate::config::LogConfig;
use crate::epochs::LeaderEpochs;
use crate::files::FilePool;
use crate::names::Stage;
use crate::producers::Producers;
use crate::scan::{FULL_WINDOW_BYTES, LOOKUP_WINDOW_BYTES, Scan, ScanError};
use crate::segment::{Segment, remove_segment};
use crate::{LogError, TopicPartition, identity};

/// What is known about a log before it is opened.
#[derive(Debug, Clone)]
pub struct OpenLog {
    /// The partition.
    pub partition: TopicPartition,
    /// Its directory; made when absent.
    pub dir: PathBuf,
    /// The topic's settings.
    pub config: Arc<LogConfig>,
    /// Offsets below it need no recovery.
    pub recovery_point: i64,
    /// First offset that may be read, as the checkpoint knows it; -1 or 0 when it does not.
    pub log_start_offset: i64,
    /// High watermark, as the checkpoint knows it.
    pub high_watermark: i64,
    /// Compaction goes on here, as the checkpoint knows it.
    pub cleaned_to: i64,
    /// The last stop was clean: files are as [`Log::close`] left them.
    pub clean: bool,
    /// The clock, milliseconds since 1970.
    pub now_ms: i64,
}

/// What is being opened.
pub(super) struct Opening<'a> {
    pub(super) pool: &'a Arc<FilePool>,
    pub(super) dir: &'a Path,
    pub(super) params: &'a OpenLog,
    /// Names in the directory.
    pub(super) names: Vec<String>,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) epochs: LeaderEpochs,
    end_offset: i64,
    /// The directory was made just now.
    is_new: bool,
}

impl Log {
    /// Opens a partition's log, making its directory and first segment when they are not there. After an
    /// unclean stop the log ends before the first batch that is not whole and intact.
    ///
    /// # Errors
    /// [`LogError::Storage`], [`LogError::BadFile`], [`LogError::Interrupted`].
    pub fn open(pool: &Arc<FilePool>, params: OpenLog) -> Result<Self, LogError> {
        pool.check_opening()?;
        let (disk, dir) = (pool.disk(), &params.dir);
        let mut is_new = false;
        let names = match disk.list(dir) {
            Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                disk.create_dir_all(dir).map_err(LogError::storage("create", dir))?;
                is_new = true;
                Vec::new()
            }
            Err(error) => return Err(LogError::storage("list", dir)(error)),
        };
        let topic_id = if names.iter().any(|name| name == "partition.metadata") {
            identity::read_topic_id(disk, dir)?
        } else {
            None
        };
        let epochs = LeaderEpochs::open(disk, dir)?;
        let mut opening = Opening {
            pool,
            dir,
            params: &params,
            names,
            segments: Vec::new(),
            epochs,
            end_offset: 0,
            is_new,
        };
        let restored = opening.load()?;
        opening.finish(restored, topic_id)
    }
}

impl Opening<'_> {
    fn load(&mut self) -> Result<Restored, LogError> {
        self.tidy()?;
        self.find_segments()?;
        self.rebuild_epochs_if_lost();
        let snapshots = snapshot_offsets(self.names.iter().map(String::as_str));
        if self.segments.is_empty() {
            return self.begin_at(self.params.log_start_offset.max(0), &snapshots);
        }
        let restored = match self.clean_end()? {
            Some(end_offset) => {
                self.end_offset = end_offset;
                self.restore_after_clean_stop(&snapshots)?
            }
            None => self.recover(&snapshots)?,
        };
        if self.params.log_start_offset > self.end_offset {
            tracing::warn!(
                partition = %self.params.partition,
                log_end = self.end_offset,
                log_start = self.params.log_start_offset,
                "log ends before its start, beginning anew"
            );
            for segment in std::mem::take(&mut self.segments) {
                remove_segment(self.pool, self.dir, segment.base_offset(), Stage::Live)?;
            }
            return self.begin_at(self.params.log_start_offset, &snapshots);
        }
        Ok(restored)
    }

    fn begin_at(&mut self, base_offset: i64, snapshots: &[i64]) -> Result<Restored, LogError> {
        restore_snapshot(self.pool.disk(), self.dir, snapshots, -1)?;
        let segment = Segment::create(self.pool, self.dir, base_offset, Stage::Live, self.params.now_ms)?;
        segment.log_file().close();
        self.segments = vec![Arc::new(segment)];
        self.end_offset = base_offset;
        Ok(Restored { producers: Producers::default(), snapshot_offset: -1 })
    }

    /// The log's end after a clean stop; `None` when the stop was not clean or the last segment's end is
    /// not what a clean stop leaves.
    fn clean_end(&self) -> Result<Option<i64>, LogError> {
        let Some(active) = self.segments.last().filter(|_| self.params.clean) else { return Ok(None) };
        let size = active.size_bytes();
        if size == 0 {
            return Ok(Some(active.base_offset()));
        }
        let entry = active.last_index_entry()?;
        let from = entry.map_or(0, |entry| u64::from(entry.position));
        let mut end_offset = active.base_offset();
        let mut scan = Scan::new(active.log_file(), from.min(size), size, LOOKUP_WINDOW_BYTES)?;
        let mut expected = entry.map(|entry| active.base_offset() + i64::from(entry.relative_offset));
        loop {
            let reason = match scan.next_header() {
                // The first batch must be the one that the index names, or the index is another log's.
                Ok(Some((_, header))) if expected.take().is_none_or(|last| last == header.last_offset()) => {
                    end_offset = header.next_offset();
                    continue;
                }
                Ok(None) if end_offset > active.base_offset() => break,
                Ok(_) => "the index does not fit the log".to_owned(),
                Err(ScanError::Disk(error)) => return Err(error),
                Err(ScanError::Broken { position, error }) => format!("no batch at {position}: {error}"),
            };
            tracing::warn!(partition = %self.params.partition, reason, "log was not stopped cleanly");
            return Ok(None);
        }
        Ok(Some(end_offset))
    }

    fn restore_after_clean_stop(&self, snapshots: &[i64]) -> Result<Restored, LogError> {
        let mut restored = restore_snapshot(self.pool.disk(), self.dir, snapshots, self.end_offset)?;
        // A log without snapshots never had idempotent producers: a clean stop would have left one.
        if restored.snapshot_offset >= 0 {
            let from = restored.snapshot_offset;
            backfill(&mut restored.producers, &self.segments, from, self.end_offset)?;
            let count_max = self.params.config.producers.count_max;
            replay(&mut restored.producers, &self.segments, from, self.end_offset, count_max)?;
        }
        Ok(restored)
    }

    /// Reads and checks every batch from the segment of the recovery point on, rebuilding indexes, epochs
    /// and producers. What follows the first batch that is not whole and intact goes.
    fn recover(&mut self, snapshots: &[i64]) -> Result<Restored, LogError> {
        let recovery_point = if self.params.clean { i64::MAX } else { self.params.recovery_point };
        let above = self.segments.partition_point(|segment| segment.base_offset() <= recovery_point);
        let first = above.saturating_sub(1);
        let base_offset = self.segments[first].base_offset();
        let mut restored = restore_snapshot(self.pool.disk(), self.dir, snapshots, base_offset)?;
        backfill(&mut restored.producers, &self.segments[..first], restored.snapshot_offset, base_offset)?;
        let count_max = self.params.config.producers.count_max;
        replay(
            &mut restored.producers,
            &self.segments[..first],
            restored.snapshot_offset,
            base_offset,
            count_max,
        )?;
        self.epochs.truncate_from_end(base_offset);
        self.end_offset = base_offset;
        for at in first..self.segments.len() {
            let segment = Arc::clone(&self.segments[at]);
            // Segments never overlap. Nor do they leave gaps above the recovery point, unless the leader's
            // log was compacted: then the end of the segment before is lost, and what follows is no log.
            let gap = segment.base_offset() - self.end_offset;
            let is_lost = gap > 0 && segment.base_offset() > recovery_point;
            if gap < 0 || (is_lost && !self.params.config.retention.policy.compact) {
                self.drop_segments(at)?;
                break;
            }
            if !self.recover_segment(&segment, &mut restored.producers)? {
                self.drop_segments(at + 1)?;
                break;
            }
        }
        self.epochs.save_below(self.pool.disk(), self.end_offset)?;
        Ok(restored)
    }

    fn drop_segments(&mut self, keep: usize) -> Result<(), LogError> {
        for segment in self.segments.drain(keep..) {
            tracing::warn!(
                partition = %self.params.partition,
                base_offset = segment.base_offset(),
                "segment after a torn one is removed"
            );
            segment.release();
            remove_segment(self.pool, self.dir, segment.base_offset(), Stage::Live)?;
        }
        Ok(())
    }

    /// Checks a segment batch by batch. `false` when it had to be cut.
    fn recover_segment(
        &mut self,
        segment: &Arc<Segment>,
        producers: &mut Producers,
    ) -> Result<bool, LogError> {
        let config = &self.params.config;
        let size = segment.size_bytes();
        segment.reset_indexes()?;
        self.end_offset = segment.base_offset();
        let mut scan = Scan::new(segment.log_file(), 0, size, FULL_WINDOW_BYTES)?;
        let (valid, reason) = loop {
            self.pool.check_opening()?;
            let (position, batch) = match scan.next_batch() {
                Ok(Some(found)) => found,
                Ok(None) => break (size, None),
                Err(ScanError::Disk(error)) => return Err(error),
                Err(ScanError::Broken { position, error }) => break (position, Some(error.to_string())),
            };
            if let Err(error) = batch.validate() {
                break (position, Some(error.to_string()));
            }
            let header = &batch.header;
            if header.base_offset < self.end_offset || !segment.can_hold(header.last_offset()) {
                break (
                    position,
                    Some(format!("offset {} does not follow {}", header.base_offset, self.end_offset)),
                );
            }
            segment.note(header, position, config.segment.index_interval_bytes.into())?;
            self.epochs.assign(header.leader_epoch.max(self.epochs.latest()), header.base_offset);
            producers.update(header, config.producers.count_max);
            self.end_offset = header.next_offset();
        };
        if let Some(reason) = &reason {
            tracing::warn!(
                partition = %self.params.partition,
                segment = segment.base_offset(),
                position = valid,
                cut_bytes = size - valid,
                reason,
                "cutting a torn tail"
            );
            segment.log_file().set_len(valid)?;
            segment.set_size_bytes(valid);
            segment.sync_log()?;
        }
        segment.seal()?;
        segment.release();
        Ok(reason.is_none())
    }

    fn finish(self, restored: Restored, topic_id: Option<millrace_protocol::Uuid>) -> Result<Log, LogError> {
        let params = self.params;
        let mut epochs = self.epochs;
        let Some(active) = self.segments.last().map(Arc::clone) else {
            let reason = "no segment".to_owned();
            return Err(LogError::BadFile { path: self.dir.to_owned(), reason });
        };
        // Looked at, and perhaps not used for long.
        active.release();
        let first_base = self.segments[0].base_offset();
        let start_offset = params.log_start_offset.max(first_base).min(self.end_offset);
        epochs.truncate_from_end(self.end_offset);
        epochs.truncate_from_start(start_offset);
        let recovery_point =
            if params.clean { self.end_offset } else { params.recovery_point.clamp(0, self.end_offset) };
        let writer = Writer {
            active,
            end_offset: self.end_offset,
            latest_epoch: epochs.latest(),
            producers: restored.producers,
            snapshot_offset: restored.snapshot_offset,
            stopped: None,
            scratch: Vec::new(),
        };
        let view = View {
            segments: self.segments,
            start_offset,
            end_offset: self.end_offset,
            recent: Cursors::default(),
            generation: 0,
        };
        let high_watermark = params.high_watermark.clamp(start_offset, self.end_offset);
        Ok(Log {
            partition: params.partition.clone(),
            dir: params.dir.clone(),
            pool: Arc::clone(self.pool),
            config: RwLock::new(Arc::clone(&params.config)),
            topic_id: Mutex::new(topic_id),
            upkeep: UpkeepRoom::new(params.cleaned_to),
            writer: Mutex::new(writer),
            epochs: RwLock::new(epochs),
            view: RwLock::new(view),
            cursors: Mutex::default(),
            gate: FlushGate::new(recovery_point, self.is_new, params.now_ms),
            high_watermark: AtomicI64::new(high_watermark),
        })
    }
}
