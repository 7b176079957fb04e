//! The end of a log's life in this process: a clean close, or deletion.

use std::path::Path;
use std::sync::Arc;

use super::Log;
use crate::LogError;

impl Log {
    /// Closes the log so that the next [`Log::open`] with `clean` need not recover: everything durable,
    /// indexes complete, a snapshot of the producers at the end. Appends are refused from here on; reads
    /// already begun end as they would.
    ///
    /// # Errors
    /// [`LogError::Storage`]; the stop must not be called clean then. [`LogError::Offline`] likewise.
    pub fn close(&self) -> Result<(), LogError> {
        let _upkeep = self.upkeep.enter();
        let mut writer = self.writer.lock();
        match &writer.stopped {
            Some(LogError::Closed) => return Ok(()),
            Some(error) => return Err(error.clone()),
            None => writer.stopped = Some(LogError::Closed),
        }
        drop(writer);
        self.settle_files().inspect_err(|error| {
            self.writer.lock().stopped = Some(LogError::Offline(error.to_string()));
        })?;
        self.release();
        Ok(())
    }

    fn settle_files(&self) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let (active, end_offset) = (Arc::clone(&writer.active), writer.end_offset);
        let dirty = self.gate.recovery_point() < end_offset;
        if dirty {
            active.seal()?;
        }
        // A log whose producers were never idempotent needs no snapshot; one with an old snapshot does, or
        // the old one would be taken for the truth.
        let stale = writer.snapshot_offset < end_offset;
        if stale && (writer.producers.len() > 0 || writer.snapshot_offset >= 0) {
            self.take_snapshot(&mut writer, end_offset)?;
        }
        drop(writer);
        if dirty {
            self.flush_to(i64::MAX)?;
            active.sync_indexes()?;
        }
        self.save_epochs(end_offset)
    }

    /// Stops the log for good before its directory is deleted. Appends get [`LogError::Closed`].
    pub(crate) fn abandon(&self) {
        let _upkeep = self.upkeep.enter();
        self.writer.lock().stopped = Some(LogError::Closed);
        self.release();
    }

    /// Says that the files of an abandoned log have gone to another directory, so that who still reads them
    /// does not meet those of a new log in the old one.
    pub(crate) fn relocate(&self, dir: &Path) {
        let segments = self.view.read().segments.clone();
        segments.iter().for_each(|segment| segment.relocate(dir));
    }

    fn release(&self) {
        let segments = self.view.read().segments.clone();
        segments.iter().for_each(|segment| segment.release());
    }
}
