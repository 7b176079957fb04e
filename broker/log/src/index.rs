//! Sorted files of fixed-size entries: Kafka's `.index` (relative offset, position) and `.timeindex`
//! (timestamp, relative offset).
//!
//! New entries gather in memory and are written a block at a time, so that an append rarely pays for its
//! index; recovery rebuilds what a crash took. Old entries are read from the file by binary search, one
//! block of which is kept: a sequential reader costs one read each 512 entries. No mmap.

use std::io::IoSlice;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::LogError;
use crate::files::LogFile;

/// Entries in one block, the unit of reading and writing.
const BLOCK_ENTRIES: u32 = 512;

/// An entry of fixed size.
pub(crate) trait Entry: Copy {
    /// Bytes of an entry in its file.
    const BYTES: usize;
    fn encode(self, out: &mut Vec<u8>);
    /// Reads an entry from exactly [`Entry::BYTES`] bytes.
    fn decode(bytes: &[u8]) -> Self;
}

/// An entry of `.index`: the batch that starts at `position` ends with this offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Offset minus the segment's base offset.
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let (offset, position) = bytes.split_at(4);
        Self { relative_offset: be_u32(offset), position: be_u32(position) }
    }
}

/// An entry of `.timeindex`: no record up to this offset has a larger timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp_ms: i64,
    /// Offset minus the segment's base offset.
    pub(crate) relative_offset: u32,
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp_ms.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let (timestamp, offset) = bytes.split_at(8);
        let timestamp_ms = (u64::from(be_u32(&timestamp[..4])) << 32) | u64::from(be_u32(&timestamp[4..]));
        Self { timestamp_ms: timestamp_ms as i64, relative_offset: be_u32(offset) }
    }
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

/// A file of entries.
#[derive(Debug)]
pub(crate) struct EntryFile<E> {
    file: Arc<LogFile>,
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    /// Entries in the file; `None` until the file was looked at.
    on_disk: Option<u32>,
    /// Entries after those in the file.
    pending: Vec<E>,
    /// One block of the file, with its number.
    block: Option<(u32, Vec<E>)>,
    last: Option<E>,
    /// Bytes in the file that are not ours any more: entries are made anew, and these may turn out to be the
    /// same.
    stale_bytes: u64,
    /// Counts truncations, so that a block read before one is not kept after it.
    generation: u32,
}

impl<E: Entry> EntryFile<E> {
    /// The entries of a file that may exist.
    pub(crate) fn existing(file: Arc<LogFile>) -> Self {
        Self::with_count(file, None)
    }

    /// No entries; the file does not exist or its contents do not matter.
    pub(crate) fn empty(file: Arc<LogFile>) -> Self {
        Self::with_count(file, Some(0))
    }

    fn with_count(file: Arc<LogFile>, on_disk: Option<u32>) -> Self {
        let state =
            State { on_disk, pending: Vec::new(), block: None, last: None, stale_bytes: 0, generation: 0 };
        Self { file, state: Mutex::new(state) }
    }

    pub(crate) fn file(&self) -> &Arc<LogFile> {
        &self.file
    }

    /// Looks at the file if nobody has; afterwards `on_disk` and `last` are known.
    fn load(&self, state: &mut State<E>) -> Result<u32, LogError> {
        if let Some(on_disk) = state.on_disk {
            return Ok(on_disk);
        }
        let entries = (self.file.len()? / E::BYTES as u64).min(u64::from(u32::MAX)) as u32;
        if entries > 0 {
            state.last = self.read_entries(entries - 1, 1)?.first().copied();
        }
        state.on_disk = Some(entries);
        Ok(entries)
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> Result<u32, LogError> {
        let mut state = self.state.lock();
        Ok(self.load(&mut state)? + state.pending.len() as u32)
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Result<Option<E>, LogError> {
        let mut state = self.state.lock();
        self.load(&mut state)?;
        Ok(state.last)
    }

    /// Adds an entry, which must not sort before the last one. Writes a block when one is full.
    pub(crate) fn push(&self, entry: E) -> Result<(), LogError> {
        let mut state = self.state.lock();
        self.load(&mut state)?;
        state.pending.push(entry);
        state.last = Some(entry);
        if state.pending.len() >= BLOCK_ENTRIES as usize { self.write_pending(&mut state) } else { Ok(()) }
    }

    /// Writes the entries that are only in memory, without syncing them.
    pub(crate) fn persist(&self) -> Result<(), LogError> {
        self.write_pending(&mut self.state.lock())
    }

    /// As [`EntryFile::persist`], and makes the file when it has no entries: one that is missing is taken
    /// for lost.
    pub(crate) fn complete(&self) -> Result<(), LogError> {
        let mut state = self.state.lock();
        if self.is_in_file(&state)? {
            state.on_disk = Some(state.pending.len() as u32);
            state.pending = Vec::new();
            state.stale_bytes = 0;
        }
        self.write_pending(&mut state)?;
        if self.load(&mut state)? == 0 {
            self.file.writer()?;
        }
        Ok(())
    }

    /// Whether the entries in memory are the very ones that the file has had all along.
    fn is_in_file(&self, state: &State<E>) -> Result<bool, LogError> {
        let bytes = encode(&state.pending);
        if state.stale_bytes == 0 || state.stale_bytes != bytes.len() as u64 {
            return Ok(false);
        }
        let mut found = vec![0; bytes.len()];
        Ok(self.file.read_at(&mut found, 0)? == bytes.len() && found == bytes)
    }

    fn write_pending(&self, state: &mut State<E>) -> Result<(), LogError> {
        if state.stale_bytes > 0 {
            self.file.set_len(0)?;
            state.stale_bytes = 0;
        }
        if state.pending.is_empty() {
            return Ok(());
        }
        let on_disk = self.load(state)?;
        let bytes = encode(&state.pending);
        let position = u64::from(on_disk) * E::BYTES as u64;
        let written = self.file.writer()?.write_all_at(&mut [IoSlice::new(&bytes)], position);
        written.map_err(LogError::storage("write", &self.file.path()))?;
        state.on_disk = Some(on_disk + state.pending.len() as u32);
        state.pending = Vec::new();
        // The last block of the file grew: a kept copy of it would hide the new entries.
        state.block = None;
        Ok(())
    }

    /// Writes what is in memory and makes it durable; a file without entries is left unmade.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.persist()?;
        if self.count()? > 0 { self.file.sync() } else { Ok(()) }
    }

    /// The last entry for which `holds`, which must hold for a prefix of the entries and no others.
    pub(crate) fn last_where(&self, holds: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        let (on_disk, generation) = {
            let mut state = self.state.lock();
            let on_disk = self.load(&mut state)?;
            if state.pending.first().is_some_and(&holds) {
                return Ok(last_of(&state.pending, &holds));
            }
            if let Some((number, block)) = &state.block
                && block.first().is_some_and(&holds)
                && (block.last().is_some_and(|last| !holds(last)) || (number + 1) * BLOCK_ENTRIES >= on_disk)
            {
                return Ok(last_of(block, &holds));
            }
            (on_disk, state.generation)
        };
        // Not under the lock: a cold read must not hold up an append that adds an entry.
        let Some((number, block)) = self.find_block(on_disk, &holds)? else { return Ok(None) };
        let found = last_of(&block, &holds);
        let mut state = self.state.lock();
        if state.generation == generation && state.on_disk == Some(on_disk) {
            state.block = Some((number, block));
        }
        Ok(found)
    }

    /// The last block whose first entry `holds`.
    fn find_block(
        &self,
        on_disk: u32,
        holds: impl Fn(&E) -> bool,
    ) -> Result<Option<(u32, Vec<E>)>, LogError> {
        let (mut low, mut high) = (0, on_disk.div_ceil(BLOCK_ENTRIES));
        while low < high {
            let middle = low + (high - low) / 2;
            let first = self.read_entries(middle * BLOCK_ENTRIES, 1)?;
            if first.first().is_some_and(&holds) { low = middle + 1 } else { high = middle }
        }
        let Some(number) = low.checked_sub(1) else { return Ok(None) };
        let from = number * BLOCK_ENTRIES;
        Ok(Some((number, self.read_entries(from, BLOCK_ENTRIES.min(on_disk - from))?)))
    }

    fn read_entries(&self, from: u32, count: u32) -> Result<Vec<E>, LogError> {
        let mut bytes = vec![0; count as usize * E::BYTES];
        let read = self.file.read_at(&mut bytes, u64::from(from) * E::BYTES as u64)?;
        Ok(bytes[..read].chunks_exact(E::BYTES).map(E::decode).collect())
    }

    /// Keeps only the entries for which `keep`, which must hold for a prefix of them.
    pub(crate) fn truncate_where(&self, keep: impl Fn(&E) -> bool) -> Result<(), LogError> {
        let on_disk = self.load(&mut self.state.lock())?;
        let kept_on_disk = match self.find_block(on_disk, &keep)? {
            Some((number, block)) => number * BLOCK_ENTRIES + block.partition_point(&keep) as u32,
            None => 0,
        };
        let mut state = self.state.lock();
        let kept_pending = if kept_on_disk < on_disk { 0 } else { state.pending.partition_point(&keep) };
        state.pending.truncate(kept_pending);
        if kept_on_disk < on_disk {
            self.file.set_len(u64::from(kept_on_disk) * E::BYTES as u64)?;
            state.on_disk = Some(kept_on_disk);
        }
        state.generation = state.generation.wrapping_add(1);
        state.block = None;
        state.last = state.pending.last().copied();
        if state.last.is_none() && kept_on_disk > 0 {
            state.last = self.read_entries(kept_on_disk - 1, 1)?.first().copied();
        }
        Ok(())
    }

    /// Forgets all entries, which are going to be made anew. Those in the file go with the first that is
    /// written, unless [`EntryFile::complete`] finds them right: to empty a file and write it again costs
    /// file systems a flush.
    pub(crate) fn clear(&self) -> Result<(), LogError> {
        let stale_bytes = self.file.len()?;
        let mut state = self.state.lock();
        let generation = state.generation.wrapping_add(1);
        *state =
            State { on_disk: Some(0), pending: Vec::new(), block: None, last: None, stale_bytes, generation };
        Ok(())
    }

    /// Gives back memory that only speeds up lookups.
    pub(crate) fn release(&self) {
        self.state.lock().block = None;
    }
}

fn encode<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}

fn last_of<E: Copy>(entries: &[E], holds: impl Fn(&E) -> bool) -> Option<E> {
    entries.partition_point(holds).checked_sub(1).map(|at| entries[at])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::Disk;
    use crate::disk::sim::SimDisk;
    use crate::files::FilePool;

    fn index(disk: &SimDisk) -> EntryFile<OffsetEntry> {
        EntryFile::existing(FilePool::new(Arc::new(disk.clone()), 8).file("/d/i".into()))
    }

    fn filled(disk: &SimDisk, entries: u32) -> EntryFile<OffsetEntry> {
        disk.create_dir_all(Path::new("/d")).unwrap();
        let index = index(disk);
        for n in 0..entries {
            index.push(OffsetEntry { relative_offset: n * 10, position: n * 100 }).unwrap();
        }
        index
    }

    #[test]
    fn lookups_find_the_last_entry_that_holds_wherever_it_lies() {
        for entries in [0, 1, 511, 512, 513, 2000] {
            let disk = SimDisk::new();
            let fresh = filled(&disk, entries);
            fresh.persist().unwrap();
            let partly = filled(&SimDisk::new(), entries);
            let reopened = index(&disk);
            for index in [&fresh, &partly, &reopened] {
                assert_eq!(index.count().unwrap(), entries);
                for target in (0..entries * 10 + 20).step_by(7) {
                    let expected = (entries > 0).then(|| (target / 10).min(entries - 1) * 100);
                    let found = index.last_where(|entry| entry.relative_offset <= target).unwrap();
                    assert_eq!(found.map(|entry| entry.position), expected, "{target} of {entries}");
                }
                assert_eq!(index.last_where(|_| false).unwrap(), None);
            }
        }
    }

    #[test]
    fn truncation_keeps_a_prefix() {
        for keep in [0, 1, 500, 512, 700, 1000, 1200] {
            let disk = SimDisk::new();
            let index = filled(&disk, 1200);
            index.last_where(|entry| entry.relative_offset <= 9000).unwrap();
            index.truncate_where(|entry| entry.relative_offset < keep * 10).unwrap();
            assert_eq!(index.count().unwrap(), keep);
            assert_eq!(index.last().unwrap().map(|entry| entry.relative_offset), (keep * 10).checked_sub(10));
            index.push(OffsetEntry { relative_offset: 99_999, position: 1 }).unwrap();
            let found = index.last_where(|entry| entry.relative_offset <= 99_998).unwrap();
            assert_eq!(found.map(|entry| entry.relative_offset), (keep * 10).checked_sub(10));
            index.clear().unwrap();
            assert_eq!(index.last().unwrap(), None);
        }
    }

    #[test]
    fn entries_made_anew_take_the_place_of_those_in_the_file() {
        for before in [0, 1, 3, 600] {
            for after in [0, 1, 3, 600, 1200] {
                for differs in [false, true] {
                    let disk = SimDisk::new();
                    filled(&disk, before).persist().unwrap();
                    let anew = index(&disk);
                    anew.clear().unwrap();
                    assert_eq!((anew.count().unwrap(), anew.last().unwrap()), (0, None));
                    let position = |n: u32| n * 100 + u32::from(differs);
                    for n in 0..after {
                        anew.push(OffsetEntry { relative_offset: n * 10, position: position(n) }).unwrap();
                    }
                    anew.complete().unwrap();
                    for index in [&anew, &index(&disk)] {
                        assert_eq!(index.count().unwrap(), after, "{before} before");
                        let last = index.last_where(|_| true).unwrap().map(|entry| entry.position);
                        assert_eq!(last, after.checked_sub(1).map(position), "{before} before");
                    }
                }
            }
        }
    }

    #[test]
    fn entries_are_kafkas_bytes() {
        let mut out = Vec::new();
        OffsetEntry { relative_offset: 1, position: 2 }.encode(&mut out);
        let time = TimeEntry { timestamp_ms: -3, relative_offset: 4 };
        time.encode(&mut out);
        assert_eq!(out, [0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 253, 0, 0, 0, 4]);
        assert_eq!(TimeEntry::decode(&out[8..]), time);
    }
}
