//! Directories of deleted partitions, waiting for their files to be removed.

use std::path::{Path, PathBuf};

use super::LogManager;
use crate::LogError;
use crate::disk::Disk;
use crate::files::remove_if_there;

/// What waits, and until when.
#[derive(Debug, Default)]
pub(super) struct Trash {
    waiting: Vec<(PathBuf, i64)>,
}

impl Trash {
    pub(super) fn put(&mut self, dir: PathBuf, due_ms: i64) {
        self.waiting.push((dir, due_ms));
    }
}

impl LogManager {
    /// Removes the directories whose delay has passed. One that cannot be removed waits for the next time.
    pub(super) fn empty_dir_trash(&self, now_ms: i64) {
        let due: Vec<PathBuf> = {
            let mut trash = self.trash.lock();
            let due = trash.waiting.extract_if(.., |(_, due_ms)| *due_ms <= now_ms);
            due.map(|(dir, _)| dir).collect()
        };
        for dir in due {
            match remove_dir(self.pool.disk(), &dir) {
                Ok(()) => tracing::debug!(dir = %dir.display(), "removed a deleted partition"),
                Err(error) => {
                    tracing::warn!(%error, "a deleted partition is not removed yet");
                    // Not at once again: the disk has to change first.
                    self.trash.lock().put(dir, now_ms.saturating_add(60_000));
                }
            }
        }
    }
}

/// Removes a partition's directory with the files in it.
fn remove_dir(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(LogError::storage("list", dir))?,
    };
    for entry in entries {
        remove_if_there(disk, &dir.join(entry.name))?;
    }
    disk.remove_dir(dir).map_err(LogError::storage("remove", dir))
}
