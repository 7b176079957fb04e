//! The end of a log's life in this process: a clean close, or deletion.

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
            None => {}
        }
        writer.stopped = Some(LogError::Closed);
        let dirty = self.gate.recovery_point() < writer.end_offset;
        if dirty {
            writer.active.seal()?;
        }
        // A log whose producers were never idempotent needs no snapshot; one with an old snapshot does, or
        // the old one would be taken for the truth.
        let stale = writer.snapshot_offset < writer.end_offset;
        if stale && (writer.producers.len() > 0 || writer.snapshot_offset >= 0) {
            let end_offset = writer.end_offset;
            self.take_snapshot(&mut writer, end_offset)?;
        }
        let end_offset = writer.end_offset;
        drop(writer);
        if dirty {
            self.flush(i64::MAX)?;
        }
        self.save_epochs(end_offset)?;
        self.release();
        Ok(())
    }

    /// Stops the log for good before its directory is deleted. Appends get [`LogError::Closed`].
    pub(crate) fn abandon(&self) {
        let _upkeep = self.upkeep.enter();
        self.writer.lock().stopped = Some(LogError::Closed);
        self.release();
    }

    fn release(&self) {
        let segments = self.view.read().segments.clone();
        segments.iter().for_each(|segment| segment.release());
    }
}
