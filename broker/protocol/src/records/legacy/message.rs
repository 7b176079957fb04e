//! One message of format v0 or v1, read and written. Knows no batches.

use bytes::Buf;

use crate::records::crc::crc32;
use crate::records::{Compression, LOG_OVERHEAD_BYTES, MAGIC_AT, NO_TIMESTAMP, RecordsError, TimestampType};

/// Where the checksummed part of a message begins (its magic byte).
const CRC_FROM: usize = MAGIC_AT;
/// Checksum, magic, attributes, and the lengths of key and value.
const V0_FIXED_BYTES: usize = 4 + 1 + 1 + 4 + 4;
const V1_FIXED_BYTES: usize = V0_FIXED_BYTES + 8;

/// A message as it stands in a set.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) magic: i8,
    pub(super) attributes: u8,
    /// -1 in format v0.
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    crc: u32,
    checked: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes the message at the front of `rest` and moves `rest` past it.
    pub(super) fn take(rest: &mut &'a [u8]) -> Result<Self, RecordsError> {
        let short = |needed: usize| RecordsError::Short { needed, available: rest.len() };
        if rest.len() <= MAGIC_AT {
            return Err(short(MAGIC_AT + 1));
        }
        let mut head = &rest[..];
        // Offsets of produced messages mean nothing, the log assigns its own.
        head.advance(8);
        let size = head.get_i32();
        let magic = rest[MAGIC_AT] as i8;
        let fixed = match magic {
            0 => V0_FIXED_BYTES,
            1 => V1_FIXED_BYTES,
            other => return Err(RecordsError::Magic(other)),
        };
        let size =
            usize::try_from(size).ok().filter(|&size| size >= fixed).ok_or(RecordsError::Length(size))?;
        let end = LOG_OVERHEAD_BYTES + size;
        let whole: &'a [u8] = rest.get(..end).ok_or_else(|| short(end))?;
        *rest = &rest[end..];
        Self::parse(magic, whole)
    }

    fn parse(magic: i8, whole: &'a [u8]) -> Result<Self, RecordsError> {
        let mut fields = &whole[LOG_OVERHEAD_BYTES..];
        let crc = fields.get_u32();
        fields.advance(1);
        let attributes = fields.get_u8();
        let timestamp_ms = if magic == 0 { NO_TIMESTAMP } else { fields.get_i64() };
        let key = take_nullable(&mut fields)?;
        let value = take_nullable(&mut fields)?;
        if !fields.is_empty() {
            return Err(RecordsError::InvalidRecord("bytes after the message's value"));
        }
        Ok(Self { magic, attributes, timestamp_ms, key, value, crc, checked: &whole[CRC_FROM..] })
    }

    pub(super) fn check_crc(&self) -> Result<(), RecordsError> {
        let computed = crc32(self.checked);
        if computed == self.crc { Ok(()) } else { Err(RecordsError::Crc { stored: self.crc, computed }) }
    }

    pub(super) fn compression(&self) -> Result<Compression, RecordsError> {
        Compression::from_bits(self.attributes & 0x07)
    }

    pub(super) fn timestamp_type(&self) -> TimestampType {
        if self.magic > 0 && self.attributes & 0x08 != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }
}

fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordsError> {
    let Some((length, after)) = rest.split_first_chunk::<4>() else {
        return Err(RecordsError::InvalidRecord("bad field length"));
    };
    let length = i32::from_be_bytes(*length);
    *rest = after;
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 {
            Ok(None)
        } else {
            Err(RecordsError::InvalidRecord("negative field length"))
        };
    };
    let field = after.get(..length).ok_or(RecordsError::InvalidRecord("field longer than the message"))?;
    *rest = &after[length..];
    Ok(Some(field))
}

/// Walks the messages of a set. Yields an error once, then ends.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(super) fn new(set: &'a [u8]) -> Self {
        Self { rest: set }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = Message::take(&mut self.rest);
        if message.is_err() {
            self.rest = &[];
        }
        Some(message)
    }
}

/// What [`write`] puts into a message.
pub(super) struct Fields<'a> {
    pub(super) offset: i64,
    pub(super) magic: i8,
    pub(super) attributes: u8,
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// Appends a message of format v0 or v1 to `out`.
pub(super) fn write(out: &mut Vec<u8>, fields: &Fields<'_>) {
    let start = out.len();
    out.extend_from_slice(&fields.offset.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.push(fields.magic as u8);
    out.push(fields.attributes);
    if fields.magic > 0 {
        out.extend_from_slice(&fields.timestamp_ms.to_be_bytes());
    }
    for field in [fields.key, fields.value] {
        let length = field.map_or(-1, |field| field.len() as i32);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(field.unwrap_or_default());
    }
    let size = (out.len() - start - LOG_OVERHEAD_BYTES) as i32;
    let crc = crc32(&out[start + CRC_FROM..]);
    out[start + 8..start + 12].copy_from_slice(&size.to_be_bytes());
    out[start + 12..start + 16].copy_from_slice(&crc.to_be_bytes());
}
