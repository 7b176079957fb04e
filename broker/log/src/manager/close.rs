//! The end: everything durable, and a marker that says so in each directory where that is true.

use super::checkpoints::Kind;
use super::{LogManager, Slot, parallel};
use crate::identity::put_clean_marker;
use crate::{Log, LogError};

impl LogManager {
    /// Closes all logs; the next start needs no recovery in the directories where that succeeds. Appends are
    /// refused from here on. Blocks on the disk.
    ///
    /// # Errors
    /// The first failure; everything else is closed nevertheless.
    pub fn close(&self) -> Result<(), LogError> {
        let mut first = Ok(());
        for at in 0..self.directories.len() {
            let closed = self.close_dir(at);
            if let Err(error) = &closed {
                tracing::error!(dir = %self.directories[at].path().display(), %error, "data directory is not closed cleanly");
            }
            first = first.and(closed);
        }
        first
    }

    fn close_dir(&self, at: usize) -> Result<(), LogError> {
        let directory = &self.directories[at];
        if !directory.is_open() {
            return Ok(());
        }
        let logs = self.logs_in(at);
        let closed = parallel::map(self.threads, &logs, |log| close_one(log));
        for kind in Kind::ALL {
            self.checkpoint_dir(at, kind)?;
        }
        closed.into_iter().collect::<Result<(), _>>()?;
        // What nobody opened is as the last stop left it.
        let untouched = directory.is_clean() && !self.pool.has_stopped_opening();
        if untouched || self.all_opened(at) {
            put_clean_marker(self.pool.disk(), directory.path())?;
        }
        Ok(())
    }

    fn all_opened(&self, at: usize) -> bool {
        let slots = self.slots.lock();
        !slots
            .by_partition
            .values()
            .any(|slot| matches!(slot, Slot::OnDisk(directory) | Slot::Failed(directory) if *directory == at))
    }
}

fn close_one(log: &Log) -> Result<(), LogError> {
    log.close().inspect_err(|error| {
        tracing::warn!(partition = %log.partition(), %error, "log is not closed cleanly");
    })
}
