//! [`LogManager`]: the logs of one broker in its data directories (Kafka's `LogManager`). This file holds
//! its state and the two ends of a log's life; what is done now and then lies in `manager/`.
//!
//! Knows directories and logs; must never know topics' owners, leaders, or who asks.

mod checkpoints;
mod clean;
mod close;
mod directory;
mod maintain;
mod parallel;
mod place;
mod stray;
#[cfg(test)]
mod tests;
mod trash;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_protocol::Uuid;
use parking_lot::{Condvar, Mutex};

use self::clean::Cleaner;
use self::directory::Directory;
use self::maintain::Timers;
use self::trash::Trash;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::{FilePool, Log, LogError, TopicPartition};

/// Partitions of the metadata's own log, which its owner opens by itself.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// What a manager is opened with.
#[derive(Debug, Clone)]
pub struct ManagerConfig {
    /// `log.dirs`.
    pub dirs: Vec<PathBuf>,
    /// `node.id`; a directory of another node is refused.
    pub node_id: i32,
    /// The cluster; a directory of another one is refused. `None` takes what the directories say, or a new
    /// random id where they are new.
    pub cluster_id: Option<String>,
    /// Most files that are open at once.
    pub open_files_max: usize,
    /// `num.recovery.threads.per.data.dir`: threads that open and close logs, and nothing else.
    pub threads_per_dir: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory for the keys of one compaction.
    pub dedupe_bytes_max: usize,
    /// How often what is done.
    pub intervals: Intervals,
}

/// How often [`LogManager::maintenance`] does what is not due each time; milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// `log.retention.check.interval.ms`.
    pub retention_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_ms: i64,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub start_checkpoint_ms: i64,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_expiry_ms: i64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            retention_ms: 300_000,
            recovery_checkpoint_ms: 60_000,
            start_checkpoint_ms: 60_000,
            high_watermark_checkpoint_ms: 5_000,
            producer_expiry_ms: 600_000,
        }
    }
}

/// A partition whose log is wanted.
#[derive(Debug, Clone)]
pub struct WantedLog {
    /// The partition.
    pub partition: TopicPartition,
    /// Its topic's id; a log on disk of another id is another topic's and is set aside.
    pub topic_id: Uuid,
    /// Its topic's settings.
    pub config: Arc<LogConfig>,
}

/// Where a partition stands.
#[derive(Debug, Clone)]
enum Slot {
    /// Its directory is there; nobody asked for it yet.
    OnDisk(usize),
    /// It was asked for, and opening it failed; its directory is there.
    Failed(usize),
    /// Being opened or deleted.
    Busy,
    /// In use.
    Open(usize, Arc<Log>),
}

#[derive(Debug, Default)]
struct Slots {
    by_partition: HashMap<TopicPartition, Slot>,
    /// Partitions of each directory.
    counts: Vec<usize>,
    /// [`LogManager::settle`] was called: whatever is not found from now on is new.
    settled: bool,
}

/// The logs of one broker. Shared behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct LogManager {
    pool: Arc<FilePool>,
    cluster_id: String,
    directories: Vec<Directory>,
    threads: usize,
    slots: Mutex<Slots>,
    slot_freed: Condvar,
    timers: Mutex<Timers>,
    trash: Mutex<Trash>,
    cleaner: Mutex<Cleaner>,
}

impl LogManager {
    /// Opens the data directories, making those that are new, and lists what is in them. No log is opened.
    /// A directory that fails is offline, and the others are served.
    ///
    /// # Errors
    /// [`LogError::Locked`] when another process uses a directory, [`LogError::BadFile`] when one belongs to
    /// another node or cluster or a partition lies in two of them, [`LogError::Offline`] when none works.
    pub fn open(disk: Arc<dyn Disk>, config: ManagerConfig, now_ms: i64) -> Result<Self, LogError> {
        let pool = FilePool::new(disk, config.open_files_max);
        let (cluster_id, directories) = directory::open_all(pool.disk(), &config)?;
        let mut slots = Slots { counts: vec![0; directories.len()], ..Slots::default() };
        let mut trash = Trash::default();
        for (at, directory) in directories.iter().enumerate() {
            let contents = directory.contents();
            for partition in contents.partitions {
                slots.counts[at] += 1;
                if let Some(Slot::OnDisk(other)) =
                    slots.by_partition.insert(partition.clone(), Slot::OnDisk(at))
                {
                    return Err(LogError::BadFile {
                        path: directory.path().join(partition.dir_name()),
                        reason: format!("the partition is also in {}", directories[other].path().display()),
                    });
                }
            }
            contents.deleted.into_iter().for_each(|name| trash.put(directory.path().join(name), now_ms));
        }
        Ok(Self {
            cluster_id,
            threads: config.threads_per_dir.max(1) * directories.len(),
            directories,
            slots: Mutex::new(slots),
            slot_freed: Condvar::new(),
            timers: Mutex::new(Timers::new(config.intervals, now_ms)),
            trash: Mutex::new(trash),
            cleaner: Mutex::new(Cleaner::new(config.dedupe_bytes_max)),
            pool,
        })
    }

    /// Makes all openings that are under way or yet to come end with [`LogError::Interrupted`], also in the
    /// middle of a recovery. The directories are not marked clean then.
    pub fn stop_opening(&self) {
        self.pool.stop_opening();
    }

    /// Whether [`LogManager::stop_opening`] was called.
    #[must_use]
    pub fn has_stopped_opening(&self) -> bool {
        self.pool.has_stopped_opening()
    }

    /// The cluster that the directories belong to.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The data directories, those offline included.
    #[must_use]
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.path().to_owned()).collect()
    }

    /// Ids of the data directories that work (KIP-858).
    #[must_use]
    pub fn dir_ids(&self) -> Vec<Uuid> {
        self.directories.iter().filter_map(Directory::id).collect()
    }

    /// Why a data directory does not work; `None` when it does or is not one of this broker's.
    #[must_use]
    pub fn dir_failure(&self, path: &Path) -> Option<LogError> {
        self.directories.iter().find(|directory| directory.path() == path)?.failure()
    }

    /// The files that the logs share.
    #[must_use]
    pub fn pool(&self) -> &Arc<FilePool> {
        &self.pool
    }

    /// A partition's log, if it is in use.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        match self.slots.lock().by_partition.get(partition)? {
            Slot::Open(_, log) => Some(Arc::clone(log)),
            _ => None,
        }
    }

    /// All logs in use, in no order.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<Log>> {
        let slots = self.slots.lock();
        slots
            .by_partition
            .values()
            .filter_map(|slot| if let Slot::Open(_, log) = slot { Some(Arc::clone(log)) } else { None })
            .collect()
    }

    /// The logs in use in one directory.
    fn logs_in(&self, directory: usize) -> Vec<Arc<Log>> {
        let slots = self.slots.lock();
        let logs = slots.by_partition.values().filter_map(|slot| match slot {
            Slot::Open(at, log) if *at == directory => Some(Arc::clone(log)),
            _ => None,
        });
        logs.collect()
    }
}
