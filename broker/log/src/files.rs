//! Files that are opened when used and closed when others are used more: a bounded pool of descriptors.
//!
//! A [`LogFile`] is a path and, sometimes, an open handle. The pool closes handles by the clock algorithm
//! (second chance). A handle that a reader still holds stays valid after the pool let go of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::LogError;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::SYNC;

/// Keeps at most a given number of files open.
#[derive(Debug)]
pub struct FilePool {
    disk: Arc<dyn Disk>,
    open_max: usize,
    ring: Mutex<Ring>,
    opened: AtomicUsize,
    /// Logs that are being opened are to be left as they are.
    stopped_opening: AtomicBool,
}

#[derive(Debug, Default)]
struct Ring {
    files: Vec<Weak<LogFile>>,
    hand: usize,
}

impl FilePool {
    /// A pool over `disk` with at most `open_max` files open (at least 8).
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, open_max: usize) -> Arc<Self> {
        Arc::new(Self {
            disk,
            open_max: open_max.max(8),
            ring: Mutex::default(),
            opened: AtomicUsize::new(0),
            stopped_opening: AtomicBool::new(false),
        })
    }

    /// The disk under the pool.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Files that the pool keeps open now.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Gives up opening logs, those too that are being recovered: the broker is to end.
    pub(crate) fn stop_opening(&self) {
        self.stopped_opening.store(true, Ordering::Relaxed);
    }

    /// Whether logs are no longer to be opened.
    pub(crate) fn has_stopped_opening(&self) -> bool {
        self.stopped_opening.load(Ordering::Relaxed)
    }

    /// [`LogError::Interrupted`] once logs are no longer to be opened.
    pub(crate) fn check_opening(&self) -> Result<(), LogError> {
        if self.has_stopped_opening() { Err(LogError::Interrupted) } else { Ok(()) }
    }

    /// A file of this pool; nothing is opened yet.
    pub(crate) fn file(self: &Arc<Self>, path: PathBuf) -> Arc<LogFile> {
        Arc::new(LogFile {
            pool: Arc::clone(self),
            slot: Mutex::new(Slot { path: path.into(), handle: None }),
            touched: AtomicBool::new(false),
        })
    }

    /// Enters a file that was just opened and closes others beyond the bound.
    fn admit(&self, file: &Arc<LogFile>) {
        let mut ring = self.ring.lock();
        ring.files.push(Arc::downgrade(file));
        // Each turn removes an entry or spends a second chance, so two rounds are always enough.
        let mut turns = ring.files.len() * 2;
        while ring.files.len() > self.open_max && turns > 0 {
            turns -= 1;
            self.advance(&mut ring);
        }
        self.opened.store(ring.files.len(), Ordering::Relaxed);
    }

    fn advance(&self, ring: &mut Ring) {
        if ring.hand >= ring.files.len() {
            ring.hand = 0;
        }
        let hand = ring.hand;
        let Some(file) = ring.files[hand].upgrade() else {
            ring.files.swap_remove(hand);
            return;
        };
        if file.touched.swap(false, Ordering::Relaxed) {
            ring.hand += 1;
            return;
        }
        // A file being opened or closed right now is skipped: waiting for it here could deadlock.
        match file.slot.try_lock() {
            Some(mut slot) => {
                slot.handle = None;
                ring.files.swap_remove(hand);
            }
            None => ring.hand += 1,
        }
    }
}

/// An open handle, and why it cannot be written when it cannot.
#[derive(Debug, Clone)]
struct Handle {
    file: Arc<dyn DiskFile>,
    read_only: Option<io::ErrorKind>,
}

/// A file that is opened on use.
#[derive(Debug)]
pub(crate) struct LogFile {
    pool: Arc<FilePool>,
    slot: Mutex<Slot>,
    touched: AtomicBool,
}

/// Name and handle, under one lock: who opens the file sees its name before or after a renaming, never a
/// name that is gone.
#[derive(Debug)]
struct Slot {
    path: Arc<Path>,
    handle: Option<Handle>,
}

impl LogFile {
    /// The file's name now.
    pub(crate) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.slot.lock().path)
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.pool.disk()
    }

    /// The open file, to read. It must exist.
    pub(crate) fn reader(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>, LogError> {
        Ok(self.open(OpenMode::ReadWrite)?.file)
    }

    /// The open file, to write. It is made when absent.
    pub(crate) fn writer(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>, LogError> {
        let handle = self.open(OpenMode::Create)?;
        match handle.read_only {
            None => Ok(handle.file),
            Some(kind) => Err(LogError::storage("write", &self.path())(kind.into())),
        }
    }

    fn open(self: &Arc<Self>, mode: OpenMode) -> Result<Handle, LogError> {
        let mut slot = self.slot.lock();
        self.touched.store(true, Ordering::Relaxed);
        if let Some(handle) = &slot.handle
            // A disk that was read-only may have become writable again.
            && (handle.read_only.is_none() || mode != OpenMode::Create)
        {
            return Ok(handle.clone());
        }
        let in_pool = slot.handle.is_some();
        let opened = match self.disk().open(&slot.path, mode) {
            Ok(file) => Ok(Handle { file: file.into(), read_only: None }),
            // What cannot be written may still be served.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                ) =>
            {
                let read_only = Some(error.kind());
                let opened = self.disk().open(&slot.path, OpenMode::Read);
                opened.map(|file| Handle { file: file.into(), read_only })
            }
            Err(error) => Err(error),
        };
        let handle = opened.map_err(LogError::storage("open", &slot.path))?;
        slot.handle = Some(handle.clone());
        drop(slot);
        if !in_pool {
            self.pool.admit(self);
        }
        Ok(handle)
    }

    /// Lets go of the handle, if there is one.
    pub(crate) fn close(&self) {
        self.slot.lock().handle = None;
        self.touched.store(false, Ordering::Relaxed);
    }

    /// Gives the file another name; one that does not exist only changes the name it will be made with.
    pub(crate) fn rename(&self, to: &Path) -> Result<(), LogError> {
        let mut slot = self.slot.lock();
        rename_if_there(self.disk(), &slot.path, to)?;
        slot.path = to.into();
        Ok(())
    }

    /// Says that the file is in another directory now, under the same name.
    pub(crate) fn relocate(&self, dir: &Path) {
        let mut slot = self.slot.lock();
        if let Some(name) = slot.path.file_name() {
            slot.path = dir.join(name).into();
        }
    }

    /// Length of the file; 0 when it does not exist.
    pub(crate) fn len(&self) -> Result<u64, LogError> {
        let path = self.path();
        match self.disk().stat(&path) {
            Ok(stat) => Ok(stat.len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(LogError::storage("stat", &path)(error)),
        }
    }

    /// Reads exactly `buf.len()` bytes at `offset`, or fewer at the end of the file.
    pub(crate) fn read_at(self: &Arc<Self>, buf: &mut [u8], offset: u64) -> Result<usize, LogError> {
        self.reader()?.read_at(buf, offset).map_err(|error| LogError::storage("read", &self.path())(error))
    }

    /// Makes the contents durable. The file must exist: one that was removed meanwhile is not made again.
    pub(crate) fn sync(self: &Arc<Self>) -> Result<(), LogError> {
        self.reader()?.sync_data().map_err(|error| LogError::storage(SYNC, &self.path())(error))
    }

    /// Cuts the file.
    pub(crate) fn set_len(self: &Arc<Self>, len: u64) -> Result<(), LogError> {
        self.writer()?.set_len(len).map_err(|error| LogError::storage("truncate", &self.path())(error))
    }
}

/// Removes a file; one that does not exist is removed already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::storage("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Renames a file; one that does not exist needs no new name.
pub(crate) fn rename_if_there(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), LogError> {
    match disk.rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::storage("rename", from)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn few_descriptors_serve_many_files() {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let pool = FilePool::new(Arc::new(disk), 8);
        let files: Vec<_> = (0..100).map(|n| pool.file(PathBuf::from(format!("/d/{n}")))).collect();
        for round in 0u8..3 {
            for file in &files {
                file.writer().unwrap().write_all_at(&mut [IoSlice::new(&[round])], u64::from(round)).unwrap();
            }
            assert!(pool.open_count() <= 8);
        }
        for file in &files {
            let mut contents = [9; 4];
            assert_eq!(file.read_at(&mut contents, 0).unwrap(), 3);
            assert_eq!(contents, [0, 1, 2, 9]);
        }
    }

    #[test]
    fn a_busy_file_stays_open() {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let pool = FilePool::new(Arc::new(disk), 8);
        let busy = pool.file("/d/busy".into());
        let first = busy.writer().unwrap();
        for n in 0..50 {
            pool.file(PathBuf::from(format!("/d/{n}"))).writer().unwrap();
            assert!(Arc::ptr_eq(&first, &busy.writer().unwrap()), "closed after {n} others");
        }
    }
}
