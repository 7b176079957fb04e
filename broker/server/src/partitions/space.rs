//! How much room a data directory's file system has.

use std::path::Path;

/// Bytes in all and bytes free for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) total_bytes: i64,
    pub(crate) usable_bytes: i64,
}

/// `None` when the file system does not answer.
pub(crate) fn space(path: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(found.f_frsize)).unwrap_or(i64::MAX);
    Some(Space { total_bytes: bytes(found.f_blocks), usable_bytes: bytes(found.f_bavail) })
}
