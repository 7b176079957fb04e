//! One segment: a log file and its two indexes. Knows positions and timestamps, not what is committed.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use millrace_protocol::records::BatchHeader;
use parking_lot::Mutex;

use crate::LogError;
use crate::files::{FilePool, LogFile, remove_if_there};
use crate::index::{EntryFile, OffsetEntry, TimeEntry};
use crate::names::{FileKind, Stage, segment_file};
use crate::scan::{LOOKUP_WINDOW_BYTES, Scan, ScanError};

/// A timestamp and the last offset of the batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    pub(crate) timestamp_ms: i64,
    pub(crate) offset: i64,
}

/// What a segment knows about its records' times.
#[derive(Debug, Default)]
struct Times {
    /// Largest timestamp; `None` until the time index was looked at.
    max: Option<TimestampOffset>,
    /// Largest timestamp of the first batch; `None` until it was looked at or written.
    first_ms: Option<i64>,
    bytes_since_index_entry: u64,
}

/// A batch found in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

/// One segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: i64,
    log: Arc<LogFile>,
    index: EntryFile<OffsetEntry>,
    time_index: EntryFile<TimeEntry>,
    size_bytes: AtomicU64,
    /// When it was made, for rolling by time while no batch is in it.
    created_ms: i64,
    times: Mutex<Times>,
}

impl Segment {
    /// A segment whose files are there in a stage, `size_bytes` long.
    pub(crate) fn existing(
        pool: &Arc<FilePool>,
        dir: &Path,
        base_offset: i64,
        stage: Stage,
        size_bytes: u64,
        now_ms: i64,
    ) -> Self {
        let file = |kind| pool.file(segment_file(dir, base_offset, kind, stage));
        Self {
            base_offset,
            log: file(FileKind::Log),
            index: EntryFile::existing(file(FileKind::Index)),
            time_index: EntryFile::existing(file(FileKind::TimeIndex)),
            size_bytes: AtomicU64::new(size_bytes),
            created_ms: now_ms,
            times: Mutex::default(),
        }
    }

    /// A new segment; its log file is made, indexes come with their first entries. `stage` is `Cleaned`
    /// for one that compaction writes.
    pub(crate) fn create(
        pool: &Arc<FilePool>,
        dir: &Path,
        base_offset: i64,
        stage: Stage,
        now_ms: i64,
    ) -> Result<Self, LogError> {
        let path = |kind| segment_file(dir, base_offset, kind, stage);
        for kind in [FileKind::Index, FileKind::TimeIndex] {
            remove_if_there(pool.disk(), &path(kind))?;
        }
        let log = pool.file(path(FileKind::Log));
        log.writer()?.set_len(0).map_err(LogError::storage("truncate", &log.path()))?;
        let max = Some(TimestampOffset { timestamp_ms: -1, offset: base_offset });
        Ok(Self {
            base_offset,
            log,
            index: EntryFile::empty(pool.file(path(FileKind::Index))),
            time_index: EntryFile::empty(pool.file(path(FileKind::TimeIndex))),
            size_bytes: AtomicU64::new(0),
            created_ms: now_ms,
            times: Mutex::new(Times { max, ..Times::default() }),
        })
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn log_file(&self) -> &Arc<LogFile> {
        &self.log
    }

    /// Bytes of the log file that hold batches.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Acquire)
    }

    pub(crate) fn set_size_bytes(&self, size_bytes: u64) {
        self.size_bytes.store(size_bytes, Ordering::Release);
    }

    /// Bytes that the index file has or will have.
    pub(crate) fn index_bytes(&self) -> Result<u64, LogError> {
        Ok(u64::from(self.index.count()?) * 8)
    }

    /// Writes at the segment's end, without making it visible: [`Segment::set_size_bytes`] does.
    pub(crate) fn write(&self, bufs: &mut [IoSlice<'_>]) -> Result<(), LogError> {
        let written = self.log.writer()?.write_all_at(bufs, self.size_bytes());
        written.map_err(LogError::storage("write", &self.log.path()))
    }

    /// Takes a batch written at `position` into the indexes (Kafka's `LogSegment.append`).
    pub(crate) fn note(
        &self,
        header: &BatchHeader,
        position: u64,
        index_interval_bytes: u64,
    ) -> Result<(), LogError> {
        let last_offset = header.last_offset();
        let mut max = self.max_timestamp()?;
        let mut times = self.times.lock();
        // A batch that compaction emptied has a time, but no record that could be found by it.
        if header.record_count > 0 && header.max_timestamp > max.timestamp_ms {
            max = TimestampOffset { timestamp_ms: header.max_timestamp, offset: last_offset };
            times.max = Some(max);
        }
        if position == 0 {
            times.first_ms = Some(header.max_timestamp);
        }
        if times.bytes_since_index_entry > index_interval_bytes {
            times.bytes_since_index_entry = 0;
            let relative_offset = self.relative(last_offset)?;
            self.index.push(OffsetEntry { relative_offset, position: position as u32 })?;
            self.push_time(max)?;
        }
        times.bytes_since_index_entry += header.size_bytes() as u64;
        Ok(())
    }

    fn relative(&self, offset: i64) -> Result<u32, LogError> {
        u32::try_from(offset - self.base_offset).map_err(|_| LogError::BadFile {
            path: self.log.path().to_path_buf(),
            reason: format!("offset {offset} does not belong here"),
        })
    }

    fn push_time(&self, max: TimestampOffset) -> Result<(), LogError> {
        let last_ms = self.time_index.last()?.map_or(-1, |entry| entry.timestamp_ms);
        if max.timestamp_ms > last_ms {
            let relative_offset = self.relative(max.offset)?;
            self.time_index.push(TimeEntry { timestamp_ms: max.timestamp_ms, relative_offset })?;
        }
        Ok(())
    }

    /// Whether `last_offset` can be told relative to the base offset.
    pub(crate) fn can_hold(&self, last_offset: i64) -> bool {
        (0..=i64::from(i32::MAX)).contains(&(last_offset - self.base_offset))
    }

    /// Largest timestamp and the offset that has it; -1 and the base offset when no record has one.
    pub(crate) fn max_timestamp(&self) -> Result<TimestampOffset, LogError> {
        if let Some(max) = self.times.lock().max {
            return Ok(max);
        }
        let max = match self.time_index.last()? {
            Some(entry) => TimestampOffset {
                timestamp_ms: entry.timestamp_ms,
                offset: self.base_offset + i64::from(entry.relative_offset),
            },
            None => TimestampOffset { timestamp_ms: -1, offset: self.base_offset },
        };
        // A batch may have been noted meanwhile; what it left is newer.
        Ok(*self.times.lock().max.get_or_insert(max))
    }

    /// How long the segment has been growing at `now_ms`, by the first batch's timestamp if it has one
    /// (Kafka's `LogSegment.timeWaitedForRoll`).
    pub(crate) fn age_ms(&self, now_ms: i64, message_timestamp_ms: i64) -> Result<i64, LogError> {
        let first_ms = self.first_timestamp_ms()?;
        Ok(if first_ms >= 0 { message_timestamp_ms - first_ms } else { now_ms - self.created_ms })
    }

    /// Largest timestamp of the first batch; -1 when there is none.
    pub(crate) fn first_timestamp_ms(&self) -> Result<i64, LogError> {
        let known = self.times.lock().first_ms;
        match known {
            Some(first_ms) => Ok(first_ms),
            None if self.size_bytes() == 0 => Ok(-1),
            None => {
                let mut scan = Scan::new(&self.log, 0, self.size_bytes(), LOOKUP_WINDOW_BYTES)?;
                let first = scan.next_header().map_err(|error| error.into_log_error(&self.log))?;
                let first_ms = first.map_or(-1, |(_, header)| header.max_timestamp);
                self.times.lock().first_ms = Some(first_ms);
                Ok(first_ms)
            }
        }
    }

    /// The time that retention goes by: the largest timestamp, or the file's last change.
    pub(crate) fn retention_time_ms(&self) -> Result<i64, LogError> {
        let max = self.max_timestamp()?;
        if max.timestamp_ms >= 0 {
            return Ok(max.timestamp_ms);
        }
        let stat =
            self.log.disk().stat(&self.log.path()).map_err(LogError::storage("stat", &self.log.path()))?;
        Ok(stat.modified_ms)
    }

    /// The first batch, before `limit`, whose last offset is `target` or above.
    pub(crate) fn locate(&self, target: i64, limit: u64) -> Result<Option<Located>, LogError> {
        let holds = |entry: &OffsetEntry| self.base_offset + i64::from(entry.relative_offset) <= target;
        let from = self.index.last_where(holds)?.map_or(0, |entry| u64::from(entry.position));
        match self.scan_for(from, limit, |header| header.last_offset() >= target) {
            // The index is only a hint: where it misleads, the log itself is the truth.
            Err(ScanError::Broken { .. }) if from > 0 => self.scan_misled(target, limit),
            Ok(_) if from >= limit && limit > 0 => self.scan_misled(target, limit),
            found => found,
        }
        .map_err(|error| error.into_log_error(&self.log))
    }

    fn scan_misled(&self, target: i64, limit: u64) -> Result<Option<Located>, ScanError> {
        tracing::warn!(path = %self.index.file().path().display(), "index misleads, scanning the segment");
        self.scan_for(0, limit, |header| header.last_offset() >= target)
    }

    fn scan_for(
        &self,
        from: u64,
        limit: u64,
        wanted: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Located>, ScanError> {
        let mut scan = Scan::new(&self.log, from, limit, LOOKUP_WINDOW_BYTES).map_err(ScanError::Disk)?;
        while let Some((position, header)) = scan.next_header()? {
            if wanted(&header) {
                return Ok(Some(Located { position, header }));
            }
        }
        Ok(None)
    }

    /// Reads exactly `len` bytes at `position`.
    pub(crate) fn read_exact(&self, position: u64, len: usize) -> Result<Bytes, LogError> {
        let mut bytes = BytesMut::zeroed(len);
        if self.log.read_at(&mut bytes, position)? < len {
            let path = self.log.path().to_path_buf();
            return Err(LogError::BadFile { path, reason: format!("{len} bytes expected at {position}") });
        }
        Ok(bytes.freeze())
    }

    /// The header of the batch at `position`.
    pub(crate) fn header_at(&self, position: u64, limit: u64) -> Result<BatchHeader, LogError> {
        let found =
            self.scan_for(position, limit, |_| true).map_err(|error| error.into_log_error(&self.log))?;
        found.map(|located| located.header).ok_or_else(|| LogError::BadFile {
            path: self.log.path().to_path_buf(),
            reason: format!("no batch at position {position}"),
        })
    }

    /// The last position at or below `limit` where a batch is known to begin, without looking at the log.
    pub(crate) fn boundary_below(&self, limit: u64) -> Result<u64, LogError> {
        let entry = self.index.last_where(|entry| u64::from(entry.position) <= limit)?;
        Ok(entry.map_or(0, |entry| u64::from(entry.position)))
    }

    /// The last indexed position and its offset: where to start looking for the segment's end.
    pub(crate) fn last_index_entry(&self) -> Result<Option<OffsetEntry>, LogError> {
        self.index.last()
    }

    /// The offset below which no record has `timestamp_ms` or a later one, by the time index.
    pub(crate) fn offset_before_timestamp(&self, timestamp_ms: i64) -> Result<i64, LogError> {
        let entry = self.time_index.last_where(|entry| entry.timestamp_ms < timestamp_ms)?;
        Ok(self.base_offset + entry.map_or(0, |entry| i64::from(entry.relative_offset)))
    }

    /// Cuts the segment at `position`; records from `offset` on are gone.
    pub(crate) fn truncate(&self, position: u64, offset: i64) -> Result<(), LogError> {
        self.log.set_len(position)?;
        self.set_size_bytes(position);
        let relative = offset - self.base_offset;
        self.index.truncate_where(|entry| u64::from(entry.position) < position)?;
        self.time_index.truncate_where(|entry| i64::from(entry.relative_offset) < relative)?;
        let mut times = Times::default();
        if position == 0 {
            times.max = Some(TimestampOffset { timestamp_ms: -1, offset: self.base_offset });
        }
        *self.times.lock() = times;
        Ok(())
    }

    /// Empties both indexes before they are rebuilt by [`Segment::note`].
    pub(crate) fn reset_indexes(&self) -> Result<(), LogError> {
        self.index.clear()?;
        self.time_index.clear()?;
        let max = Some(TimestampOffset { timestamp_ms: -1, offset: self.base_offset });
        *self.times.lock() = Times { max, ..Times::default() };
        Ok(())
    }

    /// Completes the time index and writes both indexes, as the segment takes no more batches.
    pub(crate) fn seal(&self) -> Result<(), LogError> {
        self.push_time(self.max_timestamp()?)?;
        self.index.complete()?;
        self.time_index.complete()
    }

    /// Makes the log file durable.
    pub(crate) fn sync_log(&self) -> Result<(), LogError> {
        self.log.sync()
    }

    /// Makes both indexes durable.
    pub(crate) fn sync_indexes(&self) -> Result<(), LogError> {
        self.index.sync()?;
        self.time_index.sync()
    }

    /// Moves the segment's files to another stage. The log file goes last on the way in and first on the
    /// way out, so that it is never in use without its indexes being settled. Readers that hold the segment
    /// go on reading it.
    pub(crate) fn rename(&self, dir: &Path, to: Stage) -> Result<(), LogError> {
        let mut files = [
            (FileKind::Index, self.index.file()),
            (FileKind::TimeIndex, self.time_index.file()),
            (FileKind::Log, &self.log),
        ];
        if to == Stage::Deleted {
            files.reverse();
        }
        files
            .into_iter()
            .try_for_each(|(kind, file)| file.rename(&segment_file(dir, self.base_offset, kind, to)))
    }

    /// Says that the files are in another directory now.
    pub(crate) fn relocate(&self, dir: &Path) {
        for file in [&self.log, self.index.file(), self.time_index.file()] {
            file.relocate(dir);
        }
    }

    /// Gives back memory that only speeds up lookups.
    pub(crate) fn forget_lookups(&self) {
        self.index.release();
        self.time_index.release();
    }

    /// Writes what the indexes have in memory, so that it need not be kept there.
    pub(crate) fn persist_indexes(&self) -> Result<(), LogError> {
        self.index.persist()?;
        self.time_index.persist()
    }

    /// Gives back descriptors and memory that only speed things up.
    pub(crate) fn release(&self) {
        for file in [&self.log, self.index.file(), self.time_index.file()] {
            file.close();
        }
        self.forget_lookups();
    }
}

/// Removes the files of a segment in a stage.
pub(crate) fn remove_segment(
    pool: &FilePool,
    dir: &Path,
    base_offset: i64,
    stage: Stage,
) -> Result<(), LogError> {
    for kind in [FileKind::Log, FileKind::Index, FileKind::TimeIndex, FileKind::TxnIndex] {
        remove_if_there(pool.disk(), &segment_file(dir, base_offset, kind, stage))?;
    }
    Ok(())
}
