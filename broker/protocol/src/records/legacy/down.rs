//! Batches down to message sets, for Fetch 0-3 (Kafka's `RecordsUtil.downConvert`). Headers, producer ids
//! and control records have no place there and are left out.

use bytes::Bytes;

use super::message::{Fields, write};
use crate::records::{
    Batch, BatchHeader, Batches, Compression, RecordRef, RecordsError, TimestampType, break_header_checksum,
    compress,
};

/// How large records may become on the way down, over all sets of one answer. A client goes on only when it
/// gets a first batch, so that one may be larger than all that follow.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// For the first batch; 0 once one was converted or refused.
    pub first_bytes: usize,
    /// For all that come after it.
    pub rest_bytes: usize,
}

impl Room {
    fn bytes(&self) -> usize {
        self.first_bytes.max(self.rest_bytes)
    }

    fn take(&mut self, bytes: usize) {
        self.first_bytes = 0;
        self.rest_bytes = self.rest_bytes.saturating_sub(bytes);
    }
}

/// Converts the whole batches in `batches` into a message set of format `magic` (0 or 1), beginning with
/// the record at `from_offset`. A batch cut at the end is left out, as fetch responses may carry one; so is
/// what does not fit into `room`, and what stands behind good batches and cannot be converted: the next
/// fetch begins there.
///
/// # Errors
/// Of the first batch: [`RecordsError::UnsupportedCodec`] for zstd, [`RecordsError::TooLarge`] when it does
/// not even fit into a whole `room`, and what is wrong with it. [`RecordsError::Magic`] for another format.
pub fn from_batches(
    batches: Bytes,
    magic: i8,
    from_offset: i64,
    room: &mut Room,
) -> Result<Bytes, RecordsError> {
    if !(0..=1).contains(&magic) {
        return Err(RecordsError::Magic(magic));
    }
    let mut out = Vec::new();
    for batch in Batches::new(batches).whole() {
        let is_first = room.first_bytes > 0;
        if room.bytes() == 0 {
            break;
        }
        let before = out.len();
        match batch.and_then(|batch| convert(&mut out, &batch, magic, from_offset, room.bytes())) {
            Ok(0) => {}
            Ok(bytes) => room.take(bytes),
            Err(error) => {
                let too_large = matches!(error, RecordsError::TooLarge { .. });
                room.take(if too_large { room.rest_bytes } else { 0 });
                out.truncate(before);
                if before > 0 || (too_large && !is_first) {
                    break;
                }
                return Err(error);
            }
        }
    }
    Ok(Bytes::from(out))
}

/// Returns how large the records were on their way; nothing for a batch that has none for the client.
fn convert(
    out: &mut Vec<u8>,
    batch: &Batch,
    magic: i8,
    from_offset: i64,
    limit_bytes: usize,
) -> Result<usize, RecordsError> {
    if batch.header.attributes.is_control() {
        return Ok(0);
    }
    let codec = batch.header.attributes.compression()?;
    if codec == Compression::Zstd {
        return Err(RecordsError::UnsupportedCodec(codec));
    }
    let body = batch.body(limit_bytes)?;
    if codec == Compression::None {
        let before = out.len();
        for record in body.refs() {
            let record = record?;
            if record.offset >= from_offset {
                write(out, &fields(&batch.header, magic, record.offset, &record));
            }
        }
        return Ok(out.len() - before);
    }
    let mut inner = Vec::with_capacity(body.data.len());
    let mut last_offset = None;
    for record in body.refs() {
        let record = record?;
        // Format v1 counts inner offsets from the wrapper's first (KIP-31), v0 has them absolute.
        let offset = if magic == 0 { record.offset } else { record.offset - batch.header.base_offset };
        write(&mut inner, &fields(&batch.header, magic, offset, &record));
        if inner.len() > limit_bytes {
            return Err(RecordsError::TooLarge { limit_bytes });
        }
        last_offset = Some(record.offset);
    }
    if let Some(last_offset) = last_offset {
        wrap(out, &batch.header, magic, last_offset, codec, &inner)?;
    }
    Ok(inner.len())
}

fn fields<'a>(header: &BatchHeader, magic: i8, offset: i64, record: &RecordRef<'a>) -> Fields<'a> {
    Fields {
        offset,
        magic,
        attributes: timestamp_bit(header, magic),
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
    }
}

fn timestamp_bit(header: &BatchHeader, magic: i8) -> u8 {
    let stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    if magic > 0 && stamped { 0x08 } else { 0 }
}

fn wrap(
    out: &mut Vec<u8>,
    header: &BatchHeader,
    magic: i8,
    last_offset: i64,
    codec: Compression,
    inner: &[u8],
) -> Result<(), RecordsError> {
    let mut packed = compress(codec, inner)?;
    if codec == Compression::Lz4 && magic == 0 {
        break_header_checksum(&mut packed);
    }
    write(
        out,
        &Fields {
            offset: last_offset,
            magic,
            attributes: codec.bits() | timestamp_bit(header, magic),
            timestamp_ms: header.max_timestamp,
            key: None,
            value: Some(&packed),
        },
    );
    Ok(())
}
