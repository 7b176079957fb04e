//! The two ends of a log's life: found on disk or made, and deleted.

use std::sync::Arc;

use millrace_protocol::Uuid;

use super::checkpoints::Kind;
use super::{LogManager, Slot, Slots, WantedLog, parallel};
use crate::config::LogConfig;
use crate::identity::random_id;
use crate::{Log, LogError, OpenLog, TopicPartition};

impl LogManager {
    /// Opens a partition's log where it lies, or makes it in the directory with the fewest. A log on disk
    /// that belongs to another topic of the same name is set aside under a name that ends in `-stray`, as
    /// Kafka does; it is never deleted. Blocks on the disk.
    ///
    /// # Errors
    /// [`LogError::Storage`] and [`LogError::BadFile`]: this partition is offline. [`LogError::Offline`]
    /// when it may lie in a directory that is.
    pub fn create(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Arc<Log>, LogError> {
        let (at, was_there) = match self.claim(partition)? {
            Claim::Open(log) => return check_topic_id(log, topic_id),
            Claim::Taken { directory, was_there } => (directory, was_there),
        };
        let wanted = WantedLog { partition: partition.clone(), topic_id, config };
        let opened = self.open_wanted(at, &wanted, now_ms);
        let slot = match &opened {
            Ok(log) => Some(Slot::Open(at, Arc::clone(log))),
            // The next attempt must meet the same directory if it is there, or there would be two.
            Err(error) => {
                if error.is_storage() {
                    self.directories[at].note(&Err(error.clone()));
                }
                let dir = self.directories[at].path().join(partition.dir_name());
                let is_there = was_there || self.pool.disk().list(&dir).is_ok();
                is_there.then_some(Slot::Failed(at))
            }
        };
        let mut slots = self.slots.lock();
        match slot {
            Some(slot) => {
                slots.by_partition.insert(partition.clone(), slot);
            }
            None => slots.remove(partition, at),
        }
        drop(slots);
        self.slot_freed.notify_all();
        opened
    }

    /// [`LogManager::create`] for many at once, by as many threads as there may be. Results are in the order
    /// of `wanted`.
    pub fn create_all(&self, wanted: &[WantedLog], now_ms: i64) -> Vec<Result<Arc<Log>, LogError>> {
        parallel::map(self.threads, wanted, |WantedLog { partition, topic_id, config }| {
            self.create(partition, *topic_id, Arc::clone(config), now_ms)
        })
    }

    /// Takes a partition out of use and its files out of sight; they are removed later, after
    /// `file.delete.delay.ms`. A partition that is not there is deleted already.
    ///
    /// # Errors
    /// [`LogError::Storage`]: the partition is out of use, its directory keeps its name.
    pub fn delete(&self, partition: &TopicPartition, now_ms: i64) -> Result<(), LogError> {
        let (at, log) = {
            let mut slots = self.slots.lock();
            self.wait_while_busy(&mut slots, partition);
            let (at, log) = match slots.by_partition.get(partition) {
                Some(Slot::Open(at, log)) => (*at, Some(Arc::clone(log))),
                Some(Slot::OnDisk(at) | Slot::Failed(at)) => (*at, None),
                _ => return Ok(()),
            };
            slots.by_partition.insert(partition.clone(), Slot::Busy);
            (at, log)
        };
        let delay_ms = log.as_ref().map_or(0, |log| log.config().retention.file_delete_delay_ms);
        if let Some(log) = &log {
            log.abandon();
        }
        let name = partition.delete_dir_name(u128::from_be_bytes(random_id().0));
        let renamed = self.rename_dir(at, partition, &name);
        if let (Some(log), Ok(dir)) = (&log, &renamed) {
            log.relocate(dir);
        }
        let mut slots = self.slots.lock();
        match &renamed {
            Ok(_) => slots.remove(partition, at),
            Err(_) => {
                slots.by_partition.insert(partition.clone(), Slot::Failed(at));
            }
        }
        drop(slots);
        self.slot_freed.notify_all();
        self.trash.lock().put(renamed?, now_ms.saturating_add(delay_ms));
        Ok(())
    }

    /// Finds a partition's place and takes it.
    fn claim(&self, partition: &TopicPartition) -> Result<Claim, LogError> {
        let mut slots = self.slots.lock();
        self.wait_while_busy(&mut slots, partition);
        let (directory, was_there) = match slots.by_partition.get(partition) {
            Some(Slot::Open(_, log)) => return Ok(Claim::Open(Arc::clone(log))),
            Some(Slot::OnDisk(at) | Slot::Failed(at)) => (*at, true),
            _ => (self.emptiest(&slots, partition)?, false),
        };
        slots.by_partition.insert(partition.clone(), Slot::Busy);
        if !was_there {
            slots.counts[directory] += 1;
        }
        Ok(Claim::Taken { directory, was_there })
    }

    fn wait_while_busy(&self, slots: &mut parking_lot::MutexGuard<'_, Slots>, partition: &TopicPartition) {
        while matches!(slots.by_partition.get(partition), Some(Slot::Busy)) {
            self.slot_freed.wait(slots);
        }
    }

    /// The directory that works with the fewest partitions. Before [`LogManager::settle`] a partition that
    /// is not found while a directory is offline most likely lies there: an empty one in its place would
    /// hide its records.
    fn emptiest(&self, slots: &Slots, partition: &TopicPartition) -> Result<usize, LogError> {
        let offline = self.directories.iter().find(|directory| !directory.is_open());
        if let Some(offline) = offline.filter(|_| !slots.settled) {
            let path = offline.path().display();
            return Err(LogError::Offline(format!("{partition} may lie in {path}, which is offline")));
        }
        let mut open =
            (0..self.directories.len()).filter(|&at| self.directories[at].is_open()).collect::<Vec<_>>();
        open.sort_by_key(|&at| (self.directories[at].failure().is_some(), slots.counts[at]));
        open.first().copied().ok_or_else(|| LogError::Offline("no data directory works".to_owned()))
    }

    /// Opens a log in a directory, and sees to it that it is the wanted one.
    fn open_wanted(&self, at: usize, wanted: &WantedLog, now_ms: i64) -> Result<Arc<Log>, LogError> {
        let WantedLog { partition, topic_id, .. } = wanted;
        let mut log = self.open_log(at, wanted, now_ms)?;
        if let Some(other) = log.topic_id().filter(|id| id != topic_id) {
            log.abandon();
            let stray = self.set_aside(at, partition)?;
            tracing::warn!(%partition, topic_id = %other, moved_to = %stray.display(), "data of another topic of this name is set aside");
            log = self.open_log(at, wanted, now_ms)?;
        }
        log.set_topic_id(*topic_id)?;
        if let Some(checkpoints) = self.directories[at].checkpoints() {
            checkpoints.lock().forget(partition);
        }
        Ok(Arc::new(log))
    }

    fn open_log(&self, at: usize, wanted: &WantedLog, now_ms: i64) -> Result<Log, LogError> {
        let directory = &self.directories[at];
        let Some(checkpoints) = directory.checkpoints() else {
            return Err(LogError::Offline(format!("{} is offline", directory.path().display())));
        };
        let (is_gone, known) = {
            let checkpoints = checkpoints.lock();
            (checkpoints.is_gone(&wanted.partition), checkpoints.known(&wanted.partition))
        };
        if is_gone {
            self.checkpoint_all(at)?;
        }
        let params = OpenLog {
            partition: wanted.partition.clone(),
            dir: directory.path().join(wanted.partition.dir_name()),
            config: Arc::clone(&wanted.config),
            recovery_point: known.get(Kind::Recovery).max(0),
            log_start_offset: known.get(Kind::Start),
            high_watermark: known.get(Kind::HighWatermark),
            cleaned_to: known.get(Kind::Cleaned).max(0),
            clean: directory.is_clean(),
            now_ms,
        };
        Log::open(&self.pool, params)
    }
}

/// What [`LogManager::claim`] found.
enum Claim {
    Open(Arc<Log>),
    Taken { directory: usize, was_there: bool },
}

impl Slots {
    pub(super) fn remove(&mut self, partition: &TopicPartition, directory: usize) {
        self.by_partition.remove(partition);
        self.counts[directory] = self.counts[directory].saturating_sub(1);
    }
}

fn check_topic_id(log: Arc<Log>, topic_id: Uuid) -> Result<Arc<Log>, LogError> {
    log.set_topic_id(topic_id)?;
    Ok(log)
}
