//! Which leader epoch began at which offset (Kafka's `LeaderEpochFileCache`). Pure but for [`LeaderEpochs::save`].

use std::path::{Path, PathBuf};

use crate::LogError;
use crate::checkpoint::{read_epochs, write_epochs};
use crate::disk::Disk;

const FILE: &str = "leader-epoch-checkpoint";

/// "No epoch".
pub const NO_EPOCH: i32 = -1;
/// "No offset".
pub const NO_OFFSET: i64 = -1;

/// A leader epoch and the offset that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest known epoch not above the one asked for, or -1.
    pub epoch: i32,
    /// First offset of the next epoch, or the log's end for the newest; -1 when unknown.
    pub end_offset: i64,
}

/// A partition's epochs, oldest first, each with its first offset; both grow.
#[derive(Debug, Default)]
pub(crate) struct LeaderEpochs {
    path: PathBuf,
    entries: Vec<(i32, i64)>,
    /// What the checkpoint holds; `None` where there is none yet.
    saved: Option<Vec<(i32, i64)>>,
}

impl LeaderEpochs {
    /// Reads a partition's epochs. A damaged file counts as empty: the caller rebuilds from the batches.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        let saved = match read_epochs(disk, &path) {
            Ok(entries) => (!entries.is_empty()).then_some(entries),
            Err(LogError::BadFile { path, reason }) => {
                tracing::warn!(path = %path.display(), reason, "leader epochs are damaged, rebuilding them from the log");
                None
            }
            Err(error) => return Err(error),
        };
        let mut epochs = Self { path, entries: Vec::new(), saved: None };
        for &(epoch, start_offset) in saved.iter().flatten() {
            epochs.assign(epoch, start_offset);
        }
        epochs.saved = saved;
        Ok(epochs)
    }

    /// Writes the epochs to the partition's checkpoint, not durably.
    pub(crate) fn save(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        self.write(disk, false)
    }

    fn write(&mut self, disk: &dyn Disk, durably: bool) -> Result<(), LogError> {
        write_epochs(disk, &self.path, &self.entries, durably)?;
        self.saved = Some(self.entries.clone());
        Ok(())
    }

    /// Writes the epochs durably, unless the checkpoint says the same about all records below `log_end`.
    ///
    /// To replace a file costs a file system a flush, and ten thousand partitions get a new epoch with
    /// every start: one without records need not be remembered, since the next start brings another.
    /// Above the recovery point recovery reads epochs from the batches, so they have to be saved when
    /// that point moves, and not before.
    pub(crate) fn save_below(&mut self, disk: &dyn Disk, log_end: i64) -> Result<(), LogError> {
        if self.is_saved_below(log_end) { Ok(()) } else { self.write(disk, true) }
    }

    /// Whether the checkpoint says all there is to know about records below `log_end`.
    pub(crate) fn is_saved_below(&self, log_end: i64) -> bool {
        let below = |&&(_, start): &&(i32, i64)| start < log_end;
        let saved = self.saved.as_deref().unwrap_or_default();
        saved.iter().filter(below).eq(self.entries.iter().filter(below))
    }

    /// Whether there is a checkpoint.
    pub(crate) fn has_file(&self) -> bool {
        self.saved.is_some()
    }

    /// Whether no epoch is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The newest epoch, or -1.
    pub(crate) fn latest(&self) -> i32 {
        self.entries.last().map_or(NO_EPOCH, |&(epoch, _)| epoch)
    }

    /// Notes that `epoch` began at `start_offset`. Older entries that contradict it go. Says whether
    /// anything changed.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 || epoch == self.latest() {
            return false;
        }
        self.entries.retain(|&(known, start)| known < epoch && start < start_offset);
        self.entries.push((epoch, start_offset));
        true
    }

    /// Forgets epochs that begin at or after `end_offset`. Says whether anything changed.
    pub(crate) fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|&(_, start)| start < end_offset);
        self.entries.len() != before
    }

    /// Forgets epochs that end before `start_offset`; the one it lies in begins there from now on.
    pub(crate) fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let passed = self.entries.partition_point(|&(_, start)| start <= start_offset);
        let Some(at) = passed.checked_sub(1) else { return false };
        if at == 0 && self.entries[0].1 == start_offset {
            return false;
        }
        self.entries.drain(..at);
        self.entries[0].1 = start_offset;
        true
    }

    /// Where `epoch`, or the largest known one below it, ends.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end: i64) -> EpochEnd {
        const UNKNOWN: EpochEnd = EpochEnd { epoch: NO_EPOCH, end_offset: NO_OFFSET };
        if epoch < 0 {
            return UNKNOWN;
        }
        if epoch == self.latest() {
            return EpochEnd { epoch, end_offset: log_end };
        }
        let above = self.entries.partition_point(|&(known, _)| known <= epoch);
        let Some(&(_, end_offset)) = self.entries.get(above) else { return UNKNOWN };
        let floor = above.checked_sub(1).map_or(epoch, |at| self.entries[at].0);
        EpochEnd { epoch: floor, end_offset }
    }

    /// The epoch that the record at `offset` was written in, or -1.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        let above = self.entries.partition_point(|&(_, start)| start <= offset);
        above.checked_sub(1).map_or(NO_EPOCH, |at| self.entries[at].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        entries.iter().for_each(|&(epoch, start)| {
            epochs.assign(epoch, start);
        });
        epochs
    }

    fn end(epoch: i32, end_offset: i64) -> EpochEnd {
        EpochEnd { epoch, end_offset }
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let cases = [(-1, end(-1, -1)), (1, end(1, 10)), (2, end(2, 20)), (3, end(2, 20)), (5, end(4, 30))];
        for (epoch, expected) in cases.into_iter().chain([(7, end(7, 44)), (8, end(-1, -1))]) {
            assert_eq!(epochs.end_offset_for(epoch, 44), expected, "{epoch}");
        }
        assert_eq!((epochs.epoch_at(9), epochs.epoch_at(10), epochs.epoch_at(29)), (-1, 2, 4));
    }

    #[test]
    fn contradictions_give_way_to_what_is_new() {
        let mut epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert!(!epochs.assign(7, 99));
        assert!(epochs.assign(8, 15));
        assert_eq!(epochs.entries, [(2, 10), (8, 15)]);
        assert!(epochs.assign(3, 12));
        assert_eq!(epochs.entries, [(2, 10), (3, 12)]);
    }

    #[test]
    fn an_epoch_without_records_is_not_worth_a_write() {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let mut saved = LeaderEpochs::open(&disk, Path::new("/d")).unwrap();
        assert!(!saved.has_file() && saved.is_saved_below(0));
        saved.assign(2, 0);
        saved.save_below(&disk, 10).unwrap();
        let mut epochs = LeaderEpochs::open(&disk, Path::new("/d")).unwrap();
        assert!(epochs.has_file());
        epochs.assign(3, 10);
        assert!(epochs.is_saved_below(10) && !epochs.is_saved_below(11));
        epochs.save_below(&disk, 10).unwrap();
        assert_eq!(LeaderEpochs::open(&disk, Path::new("/d")).unwrap().entries, [(2, 0)]);
        epochs.save_below(&disk, 11).unwrap();
        assert_eq!(LeaderEpochs::open(&disk, Path::new("/d")).unwrap().entries, [(2, 0), (3, 10)]);
    }

    #[test]
    fn truncation_follows_the_log() {
        let mut both = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert!(both.truncate_from_end(30));
        assert!(!both.truncate_from_end(30));
        assert!(both.truncate_from_start(25));
        assert_eq!(both.entries, [(4, 25)]);
        assert!(!both.truncate_from_start(25));
        assert!(!both.truncate_from_start(5));
    }
}
