//! The offset checkpoints of a data directory: read once at the start, written when they changed. What is
//! known of partitions that nobody asked for is kept.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::LogManager;
use super::directory::Directory;
use crate::checkpoint::{
    CLEANER_FILE, HIGH_WATERMARK_FILE, LOG_START_FILE, RECOVERY_POINT_FILE, read_offsets, write_offsets,
};
use crate::disk::Disk;
use crate::{Log, LogError, TopicPartition};

/// Which checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Recovery,
    Start,
    HighWatermark,
    Cleaned,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Recovery, Self::Start, Self::HighWatermark, Self::Cleaned];

    fn file(self) -> &'static str {
        match self {
            Self::Recovery => RECOVERY_POINT_FILE,
            Self::Start => LOG_START_FILE,
            Self::HighWatermark => HIGH_WATERMARK_FILE,
            Self::Cleaned => CLEANER_FILE,
        }
    }

    /// What the log says now; `None` where it needs no entry.
    fn of(self, log: &Log) -> Option<i64> {
        match self {
            Self::Recovery => Some(log.recovery_point()),
            // The first segment's name says it otherwise.
            Self::Start => Some(log.start_offset()).filter(|&start| start > log.first_segment_offset()),
            Self::HighWatermark => Some(log.high_watermark()),
            Self::Cleaned => Some(log.cleaned_to()).filter(|&offset| offset > 0),
        }
    }
}

/// What the checkpoints say of one partition, by [`Kind`]; -1 for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known([i64; 4]);

impl Known {
    pub(super) const NOTHING: Self = Self([-1; 4]);

    pub(super) fn get(self, kind: Kind) -> i64 {
        self.0[kind as usize]
    }
}

/// A directory's checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// What was read of partitions that are not in use.
    known: HashMap<TopicPartition, Known>,
    /// What each file holds, as a hash of its entries; `None` until it was written.
    written: [Option<u64>; 4],
    /// Deleted since their entries were last written: a new partition of the same name must not meet them.
    gone: HashSet<TopicPartition>,
}

impl Checkpoints {
    pub(super) fn new(known: HashMap<TopicPartition, Known>) -> Self {
        Self { known, written: [None; 4], gone: HashSet::new() }
    }

    pub(super) fn known(&self, partition: &TopicPartition) -> Known {
        self.known.get(partition).copied().unwrap_or(Known::NOTHING)
    }

    /// The partition is in use: its log knows better from now on.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        self.known.remove(partition);
    }

    pub(super) fn note_gone(&mut self, partition: &TopicPartition) {
        self.known.remove(partition);
        self.gone.insert(partition.clone());
    }

    pub(super) fn is_gone(&self, partition: &TopicPartition) -> bool {
        self.gone.contains(partition)
    }
}

/// Reads all checkpoints of a directory. A damaged one counts as empty: recovery takes longer then.
pub(super) fn read_all(disk: &dyn Disk, dir: &Path) -> Result<HashMap<TopicPartition, Known>, LogError> {
    let mut known = HashMap::new();
    for kind in Kind::ALL {
        let entries = match read_offsets(disk, &dir.join(kind.file())) {
            Err(LogError::BadFile { path, reason }) => {
                tracing::warn!(path = %path.display(), reason, "damaged checkpoint, going on without it");
                Vec::new()
            }
            entries => entries?,
        };
        for (partition, offset) in entries {
            known.entry(partition).or_insert(Known::NOTHING).0[kind as usize] = offset;
        }
    }
    Ok(known)
}

impl LogManager {
    /// Writes a checkpoint of every directory where it changed.
    pub(super) fn checkpoint(&self, kind: Kind) {
        for (at, directory) in self.directories.iter().enumerate() {
            let result = self.checkpoint_dir(at, kind);
            directory.note_checkpoint(&result);
        }
    }

    /// Writes a checkpoint of one directory if it changed.
    pub(super) fn checkpoint_dir(&self, at: usize, kind: Kind) -> Result<(), LogError> {
        let directory = &self.directories[at];
        let Some(checkpoints) = directory.checkpoints() else { return Ok(()) };
        let mut checkpoints = checkpoints.lock();
        let mut entries: Vec<(TopicPartition, i64)> = self
            .logs_in(at)
            .iter()
            .filter_map(|log| Some((log.partition().clone(), kind.of(log)?)))
            .collect();
        let unused = checkpoints.known.iter().map(|(partition, known)| (partition.clone(), known.get(kind)));
        entries.extend(unused.filter(|(_, offset)| *offset >= 0));
        entries.sort_unstable();
        entries.dedup_by(|next, first| next.0 == first.0);
        let hash = hash_of(&entries);
        if checkpoints.written[kind as usize] == Some(hash) {
            return Ok(());
        }
        write_offsets(self.pool.disk(), &directory.path().join(kind.file()), &entries)?;
        checkpoints.written[kind as usize] = Some(hash);
        Ok(())
    }

    /// Writes all checkpoints of a directory, so that none speaks of partitions that are gone.
    pub(super) fn checkpoint_all(&self, at: usize) -> Result<(), LogError> {
        Kind::ALL.into_iter().try_for_each(|kind| self.checkpoint_dir(at, kind))?;
        if let Some(checkpoints) = self.directories[at].checkpoints() {
            checkpoints.lock().gone.clear();
        }
        Ok(())
    }
}

impl Directory {
    fn note_checkpoint(&self, result: &Result<(), LogError>) {
        if self.is_open() {
            self.note(result);
        }
    }
}

fn hash_of(entries: &[(TopicPartition, i64)]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    entries.hash(&mut hasher);
    hasher.finish()
}
