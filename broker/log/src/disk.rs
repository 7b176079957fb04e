//! The narrow seam to the disk: everything that this crate asks of a file system, and nothing else.
//!
//! Two implementations: [`OsDisk`] (positioned reads and writes, no mmap) and [`sim::SimDisk`] (in memory,
//! loses or tears what was not synced, fails on demand). Paths are absolute or relative to the process; the
//! seam gives them no meaning and must never know segments or offsets.

mod os;
pub mod sim;

pub use os::OsDisk;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// How a file is opened. None of them moves a shared position: all access is positioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// To read and write; made when absent, kept when there.
    Create,
    /// To read and write; made when absent, emptied when there.
    Truncate,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// File name without its directory. Names that are not UTF-8 are left out of listings.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A file system, as much of it as a log needs. All errors are the system's own.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;
    /// Length of a file in bytes and the time of its last change in milliseconds since 1970.
    fn stat(&self, path: &Path) -> io::Result<FileStat>;
    /// Entries of a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes a directory and those above it; one that is there is no error.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory over whatever file has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory that is empty.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the directory's entries (creations, renames, removals) durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file, made when absent, without waiting. It ends with the returned
    /// handle or the process. `WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;
}

/// What [`Disk::stat`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Length in bytes.
    pub len: u64,
    /// Last change, milliseconds since 1970.
    pub modified_ms: i64,
}

/// An open file. Calls on one file may run side by side.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bufs`, one after the other, at `offset`. After an error any prefix may be written.
    fn write_all_at(&self, bufs: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the file's data and length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// The descriptor, where there is one: the only door through which one leaves, for `sendfile`. Callers
    /// must have a plain-read fallback.
    fn raw_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Reads a whole small file.
///
/// # Errors
/// The disk's own.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let mut contents = Vec::new();
    let mut chunk = 4096;
    loop {
        let from = contents.len();
        contents.resize(from + chunk, 0);
        let read = file.read_at(&mut contents[from..], from as u64)?;
        contents.truncate(from + read);
        if read < chunk {
            return Ok(contents);
        }
        chunk = (chunk * 2).min(1 << 20);
    }
}

/// Writes a small file so that after a crash either the old or the new contents are there: a temporary
/// file beside it, synced, renamed over it, the directory synced.
///
/// # Errors
/// The disk's own.
pub fn write_file_atomically(disk: &dyn Disk, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let file = disk.open(temporary, OpenMode::Truncate)?;
    file.write_all_at(&mut [IoSlice::new(contents)], 0)?;
    file.sync_data()?;
    drop(file);
    disk.rename(temporary, path)?;
    match path.parent() {
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}
