//! Records inside a decompressed body: borrowed views for rules that only look, owned slices for clients.
//! Allocates nothing but a record's own list of headers, which is bounded by the bytes that are there.

use bytes::Bytes;

use super::batch::Body;
use super::varint::{read_i32, read_i64};
use super::{BatchHeader, RecordsError, TimestampType};

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The key, UTF-8 by convention.
    pub key: Bytes,
    /// The value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// One record, as slices of its batch's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, by the producer or the log.
    pub timestamp_ms: i64,
    /// The key; `None` is Kafka's null.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order; keys may repeat.
    pub headers: Vec<Header>,
}

/// One record, borrowed from its batch's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, by the producer or the log.
    pub timestamp_ms: i64,
    /// The key; `None` is Kafka's null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers as they stand: a count, then key and value each.
    pub raw_headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Walks the headers.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.raw_headers)
    }
}

/// Walks a record's headers as `(key, value)`.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> Headers<'a> {
    fn new(raw: &'a [u8]) -> Self {
        let mut rest = raw;
        let left = read_i32(&mut rest).unwrap_or(0).max(0);
        Self { rest, left }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let key = take_nullable(&mut self.rest).ok()??;
        let value = take_nullable(&mut self.rest).ok()?;
        Some((key, value))
    }
}

/// Walks the records of a body as borrowed views. Yields an error once, then ends; also says when bytes
/// are left over after the last record.
#[derive(Debug, Clone)]
pub struct RecordRefs<'a> {
    rest: &'a [u8],
    left: i32,
    base_offset: i64,
    last_offset_delta: i32,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> RecordRefs<'a> {
    pub(super) fn new(header: &BatchHeader, data: &'a [u8]) -> Self {
        let append_time = (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
            .then_some(header.max_timestamp);
        Self {
            rest: data,
            left: header.record_count.max(0),
            base_offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp,
            append_time,
        }
    }

    /// Records not walked yet, by the header's count.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left as usize
    }

    fn parse_next(&mut self) -> Result<RecordRef<'a>, RecordsError> {
        let length = read_i32(&mut self.rest).ok_or(RecordsError::InvalidRecord("bad length"))?;
        let length = usize::try_from(length).map_err(|_| RecordsError::InvalidRecord("negative length"))?;
        let Some(record) = self.rest.get(..length) else {
            return Err(RecordsError::Short { needed: length, available: self.rest.len() });
        };
        self.rest = &self.rest[length..];
        self.parse_fields(record)
    }

    fn parse_fields(&self, record: &'a [u8]) -> Result<RecordRef<'a>, RecordsError> {
        // The first byte holds attributes, none of which is in use.
        let mut rest = record.get(1..).ok_or(RecordsError::InvalidRecord("empty record"))?;
        let timestamp_delta =
            read_i64(&mut rest).ok_or(RecordsError::InvalidRecord("bad timestamp delta"))?;
        let offset_delta = read_i32(&mut rest).ok_or(RecordsError::InvalidRecord("bad offset delta"))?;
        if offset_delta < 0 || offset_delta > self.last_offset_delta {
            return Err(RecordsError::InvalidRecord("offset delta outside the batch"));
        }
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        check_headers(rest)?;
        Ok(RecordRef {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp_ms: self.append_time.unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            raw_headers: rest,
        })
    }
}

impl<'a> Iterator for RecordRefs<'a> {
    type Item = Result<RecordRef<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(RecordsError::InvalidBatch("bytes after the last record")));
        }
        self.left -= 1;
        let record = self.parse_next();
        if record.is_err() {
            self.left = 0;
            self.rest = &[];
        }
        Some(record)
    }
}

/// Takes a varint length and as many bytes; -1 is null.
#[inline]
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordsError> {
    let length = read_i32(rest).ok_or(RecordsError::InvalidRecord("bad field length"))?;
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 {
            Ok(None)
        } else {
            Err(RecordsError::InvalidRecord("negative field length"))
        };
    };
    let Some(field) = rest.get(..length) else {
        return Err(RecordsError::InvalidRecord("field longer than the record"));
    };
    *rest = &rest[length..];
    Ok(Some(field))
}

/// Checks that `raw` is a header count and exactly as many headers, so that later walks need no errors.
#[inline]
fn check_headers(raw: &[u8]) -> Result<(), RecordsError> {
    if raw == [0] {
        return Ok(());
    }
    let mut rest = raw;
    let count = read_i32(&mut rest).ok_or(RecordsError::InvalidRecord("bad header count"))?;
    // A header takes two bytes at least: a count beyond that lies, and is refused before any loop.
    if count < 0 || count as usize > rest.len() / 2 {
        return Err(RecordsError::InvalidRecord("impossible header count"));
    }
    for _ in 0..count {
        take_nullable(&mut rest)?.ok_or(RecordsError::InvalidRecord("header without key"))?;
        take_nullable(&mut rest)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(RecordsError::InvalidRecord("bytes after the last header")) }
}

/// Walks the records of a body as owned slices. Yields an error once, then ends.
#[derive(Debug, Clone)]
pub struct Records {
    body: Body,
    position: usize,
    left: i32,
}

impl Records {
    pub(super) fn new(body: Body) -> Self {
        let left = body.header.record_count.max(0);
        Self { body, position: 0, left }
    }

    /// The whole body, records that were walked already included.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    fn own(&self, record: &RecordRef<'_>) -> Record {
        let own = |slice: &[u8]| self.body.data.slice_ref(slice);
        Record {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(own),
            value: record.value.map(own),
            headers: record
                .headers()
                .map(|(key, value)| Header { key: own(key), value: value.map(own) })
                .collect(),
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut refs = RecordRefs::new(&self.body.header, &self.body.data[self.position..]);
        refs.left = self.left;
        let item = refs.next()?;
        let position = self.body.data.len() - refs.rest.len();
        let item = item.map(|record| self.own(&record));
        (self.position, self.left) = (position, refs.left);
        if item.is_err() {
            (self.position, self.left) = (self.body.data.len(), 0);
        }
        Some(item)
    }
}
