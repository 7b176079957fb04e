//! The system's disk, with a list of the calls that were made to it.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millrace_log::disk::{DirEntry, Disk, DiskFile, FileStat, OpenMode, OsDisk};

/// Counts. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountingDisk {
    calls: Arc<Mutex<Vec<&'static str>>>,
    open_files: Arc<AtomicUsize>,
    /// Syncs of files wait for as long as somebody holds it.
    gate: Arc<Mutex<()>>,
}

impl CountingDisk {
    /// The calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Files that are open now.
    pub(crate) fn open_files(&self) -> usize {
        self.open_files.load(Ordering::Relaxed)
    }

    /// Syncs of files wait for as long as the guard lives.
    pub(crate) fn hold_syncs(&self) -> std::sync::MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    /// How often a call was made since the last time, without taking it.
    pub(crate) fn count_of(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|made| **made == call).count()
    }

    fn count(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.count("open");
        let file = OsDisk.open(path, mode)?;
        self.open_files.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(CountingFile { disk: self.clone(), file }))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.count("stat");
        OsDisk.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.count("list");
        OsDisk.list(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.count("create_dir");
        OsDisk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count("rename");
        OsDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.count("remove");
        OsDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.count("remove");
        OsDisk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.count("sync");
        OsDisk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.count("lock");
        OsDisk.lock(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    disk: CountingDisk,
    file: Box<dyn DiskFile>,
}

impl Drop for CountingFile {
    fn drop(&mut self) {
        self.disk.open_files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.count("read");
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.disk.count("write");
        self.file.write_all_at(bufs, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.count("set_len");
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.count("sync");
        drop(self.disk.gate.lock().unwrap());
        self.file.sync_data()
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.raw_fd()
    }
}
