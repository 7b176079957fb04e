//! Flushing with group commit: of the callers that wait for the disk, one works and the others share what
//! it did.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::Log;
use crate::LogError;
use crate::error::SYNC;

/// Who flushes, and how far the disk is.
#[derive(Debug)]
pub(super) struct FlushGate {
    busy: Mutex<bool>,
    done: Condvar,
    recovery_point: AtomicI64,
    last_flush_ms: AtomicI64,
    /// Files were made since the directory was last synced.
    new_files: AtomicBool,
    /// The partition's own directory is new: the one above it has to be synced too.
    new_dir: AtomicBool,
    /// A sync failed ([`LogError::is_failed_sync`]).
    failed: AtomicBool,
}

impl FlushGate {
    pub(super) fn new(recovery_point: i64, new_dir: bool, now_ms: i64) -> Self {
        Self {
            busy: Mutex::new(false),
            done: Condvar::new(),
            recovery_point: AtomicI64::new(recovery_point),
            last_flush_ms: AtomicI64::new(now_ms),
            new_files: AtomicBool::new(true),
            new_dir: AtomicBool::new(new_dir),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// After a truncation nothing above its offset is durable.
    pub(super) fn lower(&self, offset: i64) {
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
    }

    pub(super) fn note_new_file(&self) {
        self.new_files.store(true, Ordering::Release);
    }
}

impl Log {
    /// Makes every record below `up_to` durable (all records, when it lies above the end), and returns the
    /// offset below which records are durable. Blocks on the disk; concurrent callers share one pass.
    ///
    /// # Errors
    /// [`LogError::Storage`]. What a failed sync left behind is unknown, so the log goes offline; after any
    /// other error the next flush tries again. [`LogError::Closed`].
    pub fn flush(&self, up_to: i64) -> Result<i64, LogError> {
        if let Some(closed @ LogError::Closed) = self.stopped() {
            return Err(closed);
        }
        self.flush_to(up_to).map_err(|error| match self.stopped() {
            // It was deleted meanwhile, and its files went.
            Some(closed @ LogError::Closed) => closed,
            _ => error,
        })
    }

    pub(super) fn flush_to(&self, up_to: i64) -> Result<i64, LogError> {
        let up_to = up_to.min(self.end_offset());
        let mut busy = self.gate.busy.lock();
        loop {
            let recovery_point = self.gate.recovery_point();
            if recovery_point >= up_to {
                return Ok(recovery_point);
            }
            if !*busy {
                break;
            }
            self.gate.done.wait(&mut busy);
        }
        // Trying again would only hide that pages were lost.
        if self.gate.failed.load(Ordering::Acquire) {
            drop(busy);
            return Err(self
                .stopped()
                .unwrap_or_else(|| LogError::Offline("an earlier sync failed".to_owned())));
        }
        *busy = true;
        drop(busy);
        let result = self.flush_all();
        // Where only a checkpoint or an index was not written (the disk is full), nothing is in doubt.
        if let Err(error) = &result
            && error.is_failed_sync()
        {
            tracing::error!(partition = %self.partition, %error, "flush failed, the log takes no more appends");
            self.gate.failed.store(true, Ordering::Release);
            Self::stop(&mut self.writer.lock(), error);
        }
        let mut busy = self.gate.busy.lock();
        if let Ok(end_offset) = result {
            self.gate.recovery_point.fetch_max(end_offset, Ordering::AcqRel);
        }
        *busy = false;
        drop(busy);
        self.gate.done.notify_all();
        result
    }

    fn flush_all(&self) -> Result<i64, LogError> {
        let from = self.gate.recovery_point();
        let (segments, end_offset, generation) = {
            let view = self.view.read();
            let first = view.floor(from);
            (view.segments[first..].to_vec(), view.end_offset, view.generation)
        };
        // After the look at the end: no record below it is of an epoch that is not known by now.
        self.save_epochs(end_offset)?;
        for (at, segment) in segments.iter().enumerate() {
            let synced = if at + 1 < segments.len() {
                // A sealed segment is not scanned by recovery, so its indexes must be right too.
                segment.sync_log().and_then(|()| segment.sync_indexes())
            } else {
                segment.sync_log()
            };
            match synced {
                // Retention or compaction took the segment away meanwhile.
                Err(LogError::Storage { kind: std::io::ErrorKind::NotFound, .. })
                    if !self.view.read().segments.iter().any(|live| Arc::ptr_eq(live, segment)) => {}
                synced => synced?,
            }
        }
        if self.gate.new_files.swap(false, Ordering::AcqRel) {
            let sync = |dir: &Path| self.pool.disk().sync_dir(dir).map_err(LogError::storage(SYNC, dir));
            sync(&self.dir)?;
            if self.gate.new_dir.swap(false, Ordering::AcqRel) {
                self.dir.parent().map_or(Ok(()), sync)?;
            }
        }
        // A truncation meanwhile lowered the end below what was seen.
        if self.view.read().generation == generation { Ok(end_offset) } else { Ok(from.min(end_offset)) }
    }

    pub(super) fn save_epochs(&self, log_end: i64) -> Result<(), LogError> {
        if self.epochs.read().is_saved_below(log_end) {
            return Ok(());
        }
        self.epochs.write().save_below(self.pool.disk(), log_end)
    }

    /// Flushes when `flush.ms` has passed since the last flush and there is something to flush.
    ///
    /// # Errors
    /// As [`Log::flush`].
    pub fn flush_if_due(&self, now_ms: i64) -> Result<bool, LogError> {
        let flush_ms = self.config().flush.ms;
        if self.recovery_point() >= self.end_offset() {
            self.gate.last_flush_ms.store(now_ms, Ordering::Relaxed);
            return Ok(false);
        }
        let waited_ms = now_ms.saturating_sub(self.gate.last_flush_ms.load(Ordering::Relaxed));
        // A clock that was set back must not stop the flushes.
        if waited_ms < flush_ms && (waited_ms >= 0 || flush_ms == i64::MAX) {
            return Ok(false);
        }
        self.flush(i64::MAX)?;
        self.gate.last_flush_ms.store(now_ms, Ordering::Relaxed);
        Ok(true)
    }

    /// Flushes the segments that take no more appends, as Kafka does in the background after a roll, so
    /// that recovery need not read them.
    ///
    /// # Errors
    /// As [`Log::flush`].
    pub fn flush_sealed(&self) -> Result<(), LogError> {
        let active_base = self.view.read().segments.last().map_or(0, |active| active.base_offset());
        self.flush(active_base).map(|_| ())
    }
}
