//! Walks the batches of a log file by their headers, through a small window of bytes. Knows no index.

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::records::{BATCH_HEADER_BYTES, Batch, BatchHeader, RecordsError};

use crate::LogError;
use crate::disk::DiskFile;
use crate::files::LogFile;

/// Window of a scan that looks at headers near one place.
pub(crate) const LOOKUP_WINDOW_BYTES: usize = 4096;
/// Window of a scan over whole files.
pub(crate) const FULL_WINDOW_BYTES: usize = 1 << 20;

/// Why a scan stopped before the end it was given.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The bytes at `position` are not a batch.
    Broken { position: u64, error: RecordsError },
    /// The disk failed.
    Disk(LogError),
}

impl ScanError {
    /// The error for a place where every batch was whole before.
    pub(crate) fn into_log_error(self, file: &LogFile) -> LogError {
        match self {
            Self::Disk(error) => error,
            Self::Broken { position, error } => LogError::BadFile {
                path: file.path().to_path_buf(),
                reason: format!("no batch at position {position}: {error}"),
            },
        }
    }
}

/// Walks batches from one position to another.
pub(crate) struct Scan<'a> {
    log: &'a LogFile,
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    window_bytes: usize,
}

impl<'a> Scan<'a> {
    /// Walks `[position, end)` of `log`, reading `window_bytes` at a time.
    pub(crate) fn new(
        log: &'a Arc<LogFile>,
        position: u64,
        end: u64,
        window_bytes: usize,
    ) -> Result<Self, LogError> {
        let file = log.reader()?;
        Ok(Self { log, file, position, end, window: Vec::new(), window_at: 0, window_bytes })
    }

    /// The next batch's position and header. The batch is known to end before the scan's end; its
    /// contents are not looked at.
    pub(crate) fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let header = BatchHeader::parse(self.bytes(position, BATCH_HEADER_BYTES)?);
        let header = header.map_err(|error| ScanError::Broken { position, error })?;
        let available = (self.end - position) as usize;
        if header.size_bytes() > available {
            let error = RecordsError::Short { needed: header.size_bytes(), available };
            return Err(ScanError::Broken { position, error });
        }
        self.position += header.size_bytes() as u64;
        Ok(Some((position, header)))
    }

    /// The next batch, whole, copied out of the window.
    pub(crate) fn next_batch(&mut self) -> Result<Option<(u64, Batch)>, ScanError> {
        let Some((position, header)) = self.next_header()? else { return Ok(None) };
        let size = header.size_bytes();
        let bytes = self.bytes(position, size)?;
        if bytes.len() < size {
            let error = RecordsError::Short { needed: size, available: bytes.len() };
            return Err(ScanError::Broken { position, error });
        }
        Ok(Some((position, Batch { header, bytes: Bytes::copy_from_slice(bytes) })))
    }

    /// Up to `len` bytes at `position`, fewer at the end.
    fn bytes(&mut self, position: u64, len: usize) -> Result<&[u8], ScanError> {
        let len = len.min((self.end - position) as usize);
        let from = position.wrapping_sub(self.window_at);
        if position < self.window_at || from + len as u64 > self.window.len() as u64 {
            let wanted = len.max(self.window_bytes).min((self.end - position) as usize);
            self.window.resize(wanted, 0);
            let read = self.file.read_at(&mut self.window, position);
            let read =
                read.map_err(|error| ScanError::Disk(LogError::storage("read", &self.log.path())(error)))?;
            self.window.truncate(read);
            self.window_at = position;
        }
        let from = (position - self.window_at) as usize;
        Ok(&self.window[from..self.window.len().min(from + len)])
    }
}
