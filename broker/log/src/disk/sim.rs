//! A disk in memory that forgets. What was not synced is lost or torn at [`SimDisk::crash`], as a seed
//! decides; calls fail on demand; space runs out; it turns read-only.
//!
//! The model: a file's writes since its last sync are a list. At a crash each is kept, lost, or kept up to
//! a torn byte. Directory changes (creation, rename, removal) since the last `sync_dir` are kept up to some
//! point in the order in which they were made, as journaling file systems do. A file's data survives only
//! as far as its own syncs, even where its name does.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{DirEntry, Disk, DiskFile, FileStat, OpenMode};

/// Calls that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Disk::open`] in any mode.
    Open,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_all_at`].
    Write,
    /// [`DiskFile::sync_data`] and [`Disk::sync_dir`].
    Sync,
    /// [`DiskFile::set_len`].
    SetLen,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove_file`] and [`Disk::remove_dir`].
    Remove,
}

#[derive(Debug)]
struct Fault {
    call: Call,
    path_part: String,
    skip: usize,
    times: usize,
    errno: i32,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => contents.resize(*len, 0),
            Self::Write { bytes, .. } if bytes.is_empty() => {}
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inode {
    contents: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    modified_ms: i64,
}

/// What a name stands for: a file by its number, or a directory.
type Names = BTreeMap<PathBuf, Option<u64>>;

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, Option<u64>),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => rename(names, from, to),
        }
    }

    fn parent(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(_, path) => path.parent(),
        }
    }
}

fn rename(names: &mut Names, from: &Path, to: &Path) {
    let moved: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
    for path in moved {
        if let (Some(inode), Ok(rest)) = (names.remove(&path), path.strip_prefix(from)) {
            let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            names.insert(target, inode);
        }
    }
}

#[derive(Debug, Default)]
struct State {
    names: Names,
    durable_names: Names,
    pending_names: Vec<NameChange>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    faults: Vec<Fault>,
    capacity_bytes: Option<usize>,
    read_only: bool,
    locks: BTreeMap<PathBuf, u64>,
    lives: u64,
    now_ms: i64,
    ahead: Ahead,
}

/// What is going to happen.
#[derive(Debug, Default)]
struct Ahead {
    /// Changes left until everything fails.
    changes_left: Option<usize>,
    meanwhile: Option<Meanwhile>,
}

/// What happens while a file is looked at.
struct Meanwhile {
    path_part: String,
    happens: Box<dyn FnOnce() + Send>,
}

impl Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meanwhile").field("path_part", &self.path_part).finish_non_exhaustive()
    }
}

/// The disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Power fails: what was not synced is lost or torn, as `seed` decides. Open handles go stale.
    pub fn crash(&self, seed: u64) {
        let mut dice = Dice(seed);
        let mut state = self.0.lock();
        let state = &mut *state;
        let kept = dice.below(state.pending_names.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut state.durable_names);
        for change in state.pending_names.drain(..).take(kept) {
            change.apply(&mut names);
        }
        state.durable_names = names.clone();
        state.names = names;
        for inode in state.inodes.values_mut() {
            for change in inode.pending.drain(..) {
                match (dice.below(4), change) {
                    (0, _) => {}
                    (1, Change::Write { offset, mut bytes }) => {
                        bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
                        Change::Write { offset, bytes }.apply(&mut inode.durable);
                    }
                    (_, change) => change.apply(&mut inode.durable),
                }
            }
            inode.contents = inode.durable.clone();
        }
        state.end_process();
    }

    /// The process is killed: the system keeps everything that was written. Open handles go stale.
    pub fn kill(&self) {
        self.0.lock().end_process();
    }

    /// Makes `call` on paths containing `path_part` fail with `errno` for `times` calls, after `skip` calls
    /// that succeed.
    pub fn fail(&self, call: Call, path_part: &str, errno: i32, skip: usize, times: usize) {
        self.0.lock().faults.push(Fault { call, path_part: path_part.to_owned(), skip, times, errno });
    }

    /// The machine stops after this many more changes: from then on every call fails and changes nothing,
    /// until [`SimDisk::crash`] or [`SimDisk::kill`].
    pub fn halt_after(&self, changes: usize) {
        self.0.lock().ahead.changes_left = Some(changes);
    }

    /// Lets something happen, once, while somebody asks for the length or time ([`Disk::stat`]) of a file whose
    /// path contains `path_part`: another thread was quicker.
    pub fn meanwhile(&self, path_part: &str, happens: impl FnOnce() + Send + 'static) {
        let meanwhile = Meanwhile { path_part: path_part.to_owned(), happens: Box::new(happens) };
        self.0.lock().ahead.meanwhile = Some(meanwhile);
    }

    /// Whether the machine stopped.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.0.lock().ahead.changes_left == Some(0)
    }

    /// Forgets all faults, limits and the read-only state.
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.faults.clear();
        state.capacity_bytes = None;
        state.read_only = false;
    }

    /// Lets all files together hold at most `bytes`; writes beyond that are cut and fail with `ENOSPC`.
    pub fn set_capacity(&self, bytes: usize) {
        self.0.lock().capacity_bytes = Some(bytes);
    }

    /// Makes every change fail with `EROFS`.
    pub fn set_read_only(&self) {
        self.0.lock().read_only = true;
    }

    /// Sets the time that changes are stamped with.
    pub fn set_now(&self, now_ms: i64) {
        self.0.lock().now_ms = now_ms;
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.lock().used_bytes()
    }
}

/// A small generator (splitmix64), so that a seed alone decides a crash.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

impl State {
    fn end_process(&mut self) {
        self.lives += 1;
        self.ahead.changes_left = None;
        self.locks.clear();
        let named: std::collections::BTreeSet<u64> =
            self.names.values().chain(self.durable_names.values()).filter_map(|inode| *inode).collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    fn used_bytes(&self) -> usize {
        self.inodes.values().map(|inode| inode.contents.len()).sum()
    }

    fn check(&mut self, call: Call, path: &Path, changes: bool) -> io::Result<()> {
        match &mut self.ahead.changes_left {
            Some(0) => return Err(io::Error::other("the machine has stopped")),
            Some(left) if changes => *left -= 1,
            _ => {}
        }
        if changes && self.read_only {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::ROFS.raw_os_error()));
        }
        let text = path.to_string_lossy();
        for fault in
            self.faults.iter_mut().filter(|fault| fault.call == call && text.contains(&fault.path_part))
        {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return Err(io::Error::from_raw_os_error(fault.errno));
            }
        }
        Ok(())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn lookup(&self, path: &Path) -> io::Result<Option<u64>> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.check(Call::Open, path, mode != OpenMode::Read)?;
        let number = match (state.lookup(path), mode) {
            (Ok(Some(number)), OpenMode::Truncate) => {
                let inode = state.file(number)?;
                inode.contents.clear();
                inode.pending.push(Change::SetLen(0));
                number
            }
            (Ok(Some(number)), _) => number,
            (Ok(None), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Err(_), OpenMode::Create | OpenMode::Truncate) => {
                let parent = path.parent().unwrap_or(Path::new(""));
                if state.lookup(parent)?.is_some() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                let number = state.next_inode;
                state.next_inode += 1;
                let modified_ms = state.now_ms;
                state.inodes.insert(number, Inode { modified_ms, ..Inode::default() });
                state.change_names(NameChange::Add(path.to_owned(), Some(number)));
                number
            }
            (Err(error), _) => return Err(error),
        };
        let (life, path) = (state.lives, path.to_owned());
        Ok(Box::new(SimFile { disk: self.clone(), number, path, life }))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let text = path.to_string_lossy();
        let meanwhile =
            self.0.lock().ahead.meanwhile.take_if(|meanwhile| text.contains(&meanwhile.path_part));
        if let Some(meanwhile) = meanwhile {
            (meanwhile.happens)();
        }
        let mut state = self.0.lock();
        let number = state.lookup(path)?.ok_or(io::ErrorKind::IsADirectory)?;
        let inode = state.file(number)?;
        Ok(FileStat { len: inode.contents.len() as u64, modified_ms: inode.modified_ms })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.0.lock();
        if state.lookup(path)?.is_some() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let children = state.names.iter().filter(|(child, _)| child.parent() == Some(path));
        Ok(children
            .filter_map(|(child, inode)| {
                let name = child.file_name()?.to_str()?.to_owned();
                Some(DirEntry { name, is_dir: inode.is_none() })
            })
            .collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let ancestors: Vec<&Path> = path.ancestors().collect();
        for &ancestor in ancestors.iter().rev() {
            match state.names.get(ancestor) {
                Some(None) => {}
                Some(Some(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    state.check(Call::Open, ancestor, true)?;
                    state.change_names(NameChange::Add(ancestor.to_owned(), None));
                }
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Rename, from, true)?;
        state.lookup(from)?;
        state.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Remove, path, true)?;
        state.lookup(path)?.ok_or(io::ErrorKind::IsADirectory)?;
        state.change_names(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Remove, path, true)?;
        if state.lookup(path)?.is_some() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if state.names.keys().any(|child| child.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.change_names(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Sync, path, false)?;
        let state = &mut *state;
        // A journal commits in order: everything up to the last change of this directory becomes durable.
        let last = state.pending_names.iter().rposition(|change| change.parent() == Some(path));
        if let Some(last) = last {
            for change in state.pending_names.drain(..=last) {
                change.apply(&mut state.durable_names);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.open(path, OpenMode::Create)?;
        let mut state = self.0.lock();
        let life = state.lives;
        if state.locks.insert(path.to_owned(), life).is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), life }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.locks.get(&self.path) == Some(&self.life) {
            state.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    number: u64,
    path: PathBuf,
    life: u64,
}

impl SimFile {
    fn living(&self) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.disk.0.lock();
        if state.lives != self.life {
            return Err(io::Error::other("the process that opened this file has ended"));
        }
        Ok(state)
    }

    fn enter(&self, call: Call, changes: bool) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let mut state = self.living()?;
        state.check(call, &self.path, changes)?;
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.enter(Call::Read, false)?;
        let contents = &state.file(self.number)?.contents;
        let from = (offset as usize).min(contents.len());
        let read = buf.len().min(contents.len() - from);
        buf[..read].copy_from_slice(&contents[from..from + read]);
        Ok(read)
    }

    fn write_all_at(&self, bufs: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        let mut state = self.living()?;
        let cannot_begin = state.read_only || state.ahead.changes_left == Some(0);
        let mut result = state.check(Call::Write, &self.path, true);
        if result.is_err() {
            // A write that fails may have begun.
            bytes.truncate(if cannot_begin { 0 } else { bytes.len() / 2 });
        }
        let offset = offset as usize;
        let (used, capacity, now_ms) = (state.used_bytes(), state.capacity_bytes, state.now_ms);
        let inode = state.file(self.number)?;
        let grows = (offset + bytes.len()).saturating_sub(inode.contents.len());
        let room = capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(used));
        let missing = grows.saturating_sub(room).min(bytes.len());
        if missing > 0 {
            bytes.truncate(bytes.len() - missing);
            result = Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
        }
        let change = Change::Write { offset, bytes };
        change.apply(&mut inode.contents);
        inode.pending.push(change);
        inode.modified_ms = now_ms;
        result
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.enter(Call::SetLen, true)?;
        let inode = state.file(self.number)?;
        let change = Change::SetLen(len as usize);
        change.apply(&mut inode.contents);
        inode.pending.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.enter(Call::Sync, false)?;
        let inode = state.file(self.number)?;
        inode.durable = inode.contents.clone();
        inode.pending.clear();
        Ok(())
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
