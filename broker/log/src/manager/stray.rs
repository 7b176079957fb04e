//! Data on disk that belongs to no topic: set aside, never deleted, as Kafka does (KAFKA-16234).

use std::path::PathBuf;

use super::{LogManager, Slot};
use crate::identity::random_id;
use crate::{LogError, TopicPartition};

impl LogManager {
    /// Says that every partition which the metadata places here was asked for. What is left on disk belongs
    /// to no topic: it gets a name that ends in `-stray`. When nothing on disk was asked for, the metadata
    /// rather than the data is lost: everything stays as it is.
    pub fn settle(&self) {
        let (known, mut left) = {
            let mut slots = self.slots.lock();
            slots.settled = true;
            let on_disk = slots.by_partition.iter().filter_map(|(partition, slot)| match slot {
                Slot::OnDisk(at) => Some((partition.clone(), *at)),
                _ => None,
            });
            let left: Vec<_> = on_disk.collect();
            (slots.by_partition.len() - left.len(), left)
        };
        left.sort_unstable();
        if known == 0 && !left.is_empty() {
            let partitions = left.len();
            tracing::error!(
                partitions,
                "the metadata knows none of the partitions on disk: is it another cluster's? They stay as they are"
            );
            return;
        }
        for (partition, at) in left {
            let moved = self.set_aside(at, &partition);
            let mut slots = self.slots.lock();
            match moved {
                Ok(to) => {
                    slots.remove(&partition, at);
                    tracing::warn!(%partition, moved_to = %to.display(), "data of a partition that the metadata does not know is set aside");
                }
                Err(error) => {
                    tracing::error!(%partition, %error, "data of a partition that the metadata does not know stays")
                }
            }
        }
    }

    /// Gives a partition's directory a name under which nobody looks for it. Returns the new path.
    pub(super) fn set_aside(&self, at: usize, partition: &TopicPartition) -> Result<PathBuf, LogError> {
        self.rename_dir(at, partition, &partition.stray_dir_name(u128::from_be_bytes(random_id().0)))
    }

    /// Renames a partition's directory; its checkpoints' entries are void from then on. Returns the new path.
    pub(super) fn rename_dir(
        &self,
        at: usize,
        partition: &TopicPartition,
        name: &str,
    ) -> Result<PathBuf, LogError> {
        let directory = &self.directories[at];
        let (from, to) = (directory.path().join(partition.dir_name()), directory.path().join(name));
        let disk = self.pool.disk();
        disk.rename(&from, &to).map_err(LogError::storage("rename", &from))?;
        if let Some(checkpoints) = directory.checkpoints() {
            checkpoints.lock().note_gone(partition);
        }
        disk.sync_dir(directory.path()).map_err(LogError::storage("sync", directory.path()))?;
        Ok(to)
    }
}
