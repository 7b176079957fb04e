//! Batches down to message sets, for Fetch 0-3 (Kafka's `RecordsUtil.downConvert`). Headers, producer ids
//! and control records have no place there and are left out.

use bytes::Bytes;

use super::message::{Fields, write};
use crate::records::{
    Batch, BatchHeader, Batches, Compression, RecordRef, RecordsError, TimestampType, break_header_checksum,
    compress,
};

/// Converts the whole batches in `batches` into a message set of format `magic` (0 or 1), beginning with
/// the record at `from_offset`. A batch cut at the end is left out, as fetch responses may carry one.
///
/// # Errors
/// [`RecordsError::UnsupportedCodec`] for zstd, [`RecordsError::Magic`] for another format, and what is
/// wrong with the batches; `limit_bytes` bounds each batch's decompressed records.
pub fn from_batches(
    batches: Bytes,
    magic: i8,
    from_offset: i64,
    limit_bytes: usize,
) -> Result<Bytes, RecordsError> {
    if !(0..=1).contains(&magic) {
        return Err(RecordsError::Magic(magic));
    }
    let mut out = Vec::with_capacity(batches.len());
    for batch in Batches::new(batches).whole() {
        let batch = batch?;
        if !batch.header.attributes.is_control() {
            convert(&mut out, &batch, magic, from_offset, limit_bytes)?;
        }
    }
    Ok(Bytes::from(out))
}

fn convert(
    out: &mut Vec<u8>,
    batch: &Batch,
    magic: i8,
    from_offset: i64,
    limit_bytes: usize,
) -> Result<(), RecordsError> {
    let codec = batch.header.attributes.compression()?;
    if codec == Compression::Zstd {
        return Err(RecordsError::UnsupportedCodec(codec));
    }
    let body = batch.body(limit_bytes)?;
    if codec == Compression::None {
        for record in body.refs() {
            let record = record?;
            if record.offset >= from_offset {
                write(out, &fields(&batch.header, magic, record.offset, &record));
            }
        }
        return Ok(());
    }
    let mut inner = Vec::with_capacity(body.data.len());
    let mut last_offset = None;
    for record in body.refs() {
        let record = record?;
        // Format v1 counts inner offsets from the wrapper's first (KIP-31), v0 has them absolute.
        let offset = if magic == 0 { record.offset } else { record.offset - batch.header.base_offset };
        write(&mut inner, &fields(&batch.header, magic, offset, &record));
        last_offset = Some(record.offset);
    }
    if let Some(last_offset) = last_offset {
        wrap(out, &batch.header, magic, last_offset, codec, &inner)?;
    }
    Ok(())
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
