//! Reads: from an offset to a range of a file. Batches are never decoded; most reads by consumers that
//! follow the log cost no look into it at all.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Log;
use super::view::Cursor;
use crate::LogError;
use crate::disk::DiskFile;
use crate::segment::Segment;

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    /// The batch that holds this offset, or the next one after it, comes first, whole.
    pub offset: i64,
    /// No more bytes than this.
    pub max_bytes: usize,
    /// Nothing at or above this offset: the high watermark for consumers, `i64::MAX` for replicas.
    pub upper_bound: i64,
    /// The first batch comes even when it is larger than `max_bytes`.
    pub min_one_batch: bool,
}

/// What a read found: whole batches of one segment, or nothing.
#[derive(Debug, Clone)]
pub struct FetchSlice {
    /// The bytes; `None` when there is nothing to read below the upper bound, or it does not fit.
    pub range: Option<FileRange>,
    /// First offset of the log, as of the read.
    pub log_start_offset: i64,
    /// End of the log, as of the read.
    pub log_end_offset: i64,
}

impl FetchSlice {
    /// Bytes that the slice spans.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.range.as_ref().map_or(0, |range| range.len)
    }

    /// Reads the slice into memory, for callers that cannot send file ranges.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn read_to_bytes(&self) -> Result<Bytes, LogError> {
        self.range.as_ref().map_or(Ok(Bytes::new()), FileRange::read_to_bytes)
    }
}

/// A range of an open file. It stays readable when the segment is deleted meanwhile.
#[derive(Clone)]
pub struct FileRange {
    file: Arc<dyn DiskFile>,
    segment: Arc<Segment>,
    /// Where the range begins in the file.
    pub position: u64,
    /// Bytes in the range.
    pub len: usize,
}

impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.segment.log_file().path();
        f.debug_struct("FileRange")
            .field("path", &path)
            .field("position", &self.position)
            .field("len", &self.len)
            .finish()
    }
}

impl FileRange {
    /// The descriptor for `sendfile`; `None` where the disk has none and [`FileRange::read_at`] must do.
    #[must_use]
    pub fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.raw_fd()
    }

    /// Reads into `buf` from `skip` bytes into the range. Returns how much was read: less than asked only
    /// at the range's end.
    ///
    /// # Errors
    /// The disk's own; `UnexpectedEof` when the file is shorter than the range (it was truncated).
    pub fn read_at(&self, buf: &mut [u8], skip: usize) -> io::Result<usize> {
        let wanted = buf.len().min(self.len.saturating_sub(skip));
        let read = self.file.read_at(&mut buf[..wanted], self.position + skip as u64)?;
        if read < wanted { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }

    /// Reads the whole range.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn read_to_bytes(&self) -> Result<Bytes, LogError> {
        let mut buf = BytesMut::zeroed(self.len);
        self.read_at(&mut buf, 0).map_err(LogError::storage("read", &self.segment.log_file().path()))?;
        Ok(buf.freeze())
    }
}

/// A segment, and how far it may be read, as of one look at the view.
struct Place {
    segment: Arc<Segment>,
    limit: u64,
    /// The offset that begins at `limit`, where it is known.
    offset_at_limit: Option<i64>,
    generation: u64,
    start_offset: i64,
    end_offset: i64,
}

impl Place {
    fn slice(&self, range: Option<FileRange>) -> FetchSlice {
        FetchSlice { range, log_start_offset: self.start_offset, log_end_offset: self.end_offset }
    }
}

impl Log {
    /// Finds the batches from an offset on. At the log's end or the upper bound the slice is empty. Data is
    /// never skipped: what follows in the next segment comes with the next read.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] below the start or above the end, [`LogError::Storage`].
    pub fn read(&self, request: &ReadRequest) -> Result<FetchSlice, LogError> {
        match self.try_read(request) {
            // The segment was deleted or replaced between the look at the view and its opening.
            Err(LogError::Storage { kind: io::ErrorKind::NotFound, .. }) => self.try_read(request),
            result => result,
        }
    }

    fn try_read(&self, request: &ReadRequest) -> Result<FetchSlice, LogError> {
        let mut place = self.place_of(request.offset, request.upper_bound)?;
        let mut offset = request.offset;
        while offset < request.upper_bound.min(place.end_offset) {
            if let Some(position) = self.find(&place, offset)? {
                return self.cut(&place, position, request);
            }
            // Compaction left nothing from here to the segment's end: the next segment goes on.
            let next = self.next_base_after(place.segment.base_offset());
            let Some(next) = next.filter(|&next| next > offset) else { break };
            offset = next;
            place = self.place_of(offset, request.upper_bound)?;
        }
        Ok(place.slice(None))
    }

    /// The segment of `offset` and how far it may be read.
    fn place_of(&self, offset: i64, upper_bound: i64) -> Result<Place, LogError> {
        let (mut place, upper) = {
            let view = self.view.read();
            let (log_start, log_end) = (view.start_offset, view.end_offset);
            if offset < log_start || offset > log_end {
                return Err(LogError::OffsetOutOfRange { requested: offset, log_start, log_end });
            }
            let at = view.floor(offset);
            let segment = Arc::clone(&view.segments[at]);
            let is_last = at + 1 == view.segments.len();
            let place = Place {
                limit: segment.size_bytes(),
                segment,
                offset_at_limit: is_last.then_some(log_end),
                generation: view.generation,
                start_offset: log_start,
                end_offset: log_end,
            };
            // Only a bound inside this segment needs a position.
            let inside = offset < upper_bound && upper_bound < view.next_base(at);
            (place, inside.then(|| view.recent.find(upper_bound, 0)))
        };
        if let Some(known) = upper {
            let known = known.or_else(|| self.cursors.lock().find(upper_bound, place.generation));
            let base_offset = place.segment.base_offset();
            let position = match known.filter(|cursor| cursor.segment_base == base_offset) {
                Some(cursor) => Some(cursor.position),
                None => place.segment.locate(upper_bound, place.limit)?.map(|located| located.position),
            };
            if let Some(position) = position {
                place.limit = position;
                place.offset_at_limit = Some(upper_bound);
            }
        }
        Ok(place)
    }

    fn next_base_after(&self, base_offset: i64) -> Option<i64> {
        let view = self.view.read();
        let at = view.segments.partition_point(|segment| segment.base_offset() <= base_offset);
        view.segments.get(at).map(|segment| segment.base_offset())
    }

    /// Where the batch with `offset`, or the next one, begins in the place's segment.
    fn find(&self, place: &Place, offset: i64) -> Result<Option<u64>, LogError> {
        let known = self.cursors.lock().find(offset, place.generation);
        if let Some(cursor) = known.filter(|cursor| cursor.segment_base == place.segment.base_offset()) {
            return Ok((cursor.position < place.limit).then_some(cursor.position));
        }
        Ok(place.segment.locate(offset, place.limit)?.map(|located| located.position))
    }

    /// Takes whole batches from `position` on, as many as fit.
    fn cut(&self, place: &Place, position: u64, request: &ReadRequest) -> Result<FetchSlice, LogError> {
        let segment = &place.segment;
        let mut end = place.limit;
        if place.limit - position > request.max_bytes as u64 {
            // The index knows where batches begin; what it cannot tell is left for the next read.
            end = segment.boundary_below(position + request.max_bytes as u64)?;
            if end <= position {
                let first = segment.header_at(position, place.limit)?;
                if first.size_bytes() > request.max_bytes && !request.min_one_batch {
                    return Ok(place.slice(None));
                }
                end = position + first.size_bytes() as u64;
            }
        }
        let file = segment.log_file().reader()?;
        self.remember_end(place, end, &*file)?;
        let len = (end - position) as usize;
        let range = FileRange { file, segment: Arc::clone(segment), position, len };
        Ok(place.slice(Some(range)))
    }

    /// Remembers where the read ended, since the same reader goes on there.
    fn remember_end(&self, place: &Place, end: u64, file: &dyn DiskFile) -> Result<(), LogError> {
        let offset = if end < place.limit {
            let mut base_offset = [0; 8];
            let read = file.read_at(&mut base_offset, end);
            let read = read.map_err(LogError::storage("read", &place.segment.log_file().path()))?;
            (read == 8).then(|| i64::from_be_bytes(base_offset))
        } else {
            place.offset_at_limit
        };
        if let Some(offset) = offset {
            let segment_base = place.segment.base_offset();
            self.cursors.lock().put(Cursor { offset, segment_base, position: end }, place.generation);
        }
        Ok(())
    }
}
