//! Message sets of formats v0 and v1, which Produce 0-2 and Fetch 0-3 carry (KIP-31, KIP-32): read and
//! turned into batches ([`to_batch`]), and batches turned back into them ([`from_batches`]).
//!
//! Only conversion is offered: a log never holds these formats. Must never know which request asked.

mod down;
mod message;

pub use down::{Room, from_batches};

use std::borrow::Cow;

use bytes::Bytes;

use self::message::{Message, Messages};
use super::{
    BatchBuilder, BatchOptions, Compression, MAGIC_AT, RecordRef, RecordsError, TimestampType, decompress,
    mend_header_checksum,
};

/// The format of the first message or batch in `records`; `None` when it is too short to say.
#[must_use]
pub fn magic(records: &[u8]) -> Option<i8> {
    records.get(MAGIC_AT).map(|&magic| magic as i8)
}

/// Converts a message set of format v0 or v1 into one batch with offsets from 0 and the codec of the set's
/// last compressed message. An empty set gives empty bytes. Every message's checksum is checked.
///
/// Messages of v0 have no timestamp: the records carry -1 (Kafka's
/// `LogValidator.convertAndAssignOffsetsNonCompressed`).
///
/// # Errors
/// What is wrong with the set, or [`RecordsError::TooLarge`] when compressed messages hold more than
/// `budget_bytes` together. What they hold is taken from the budget, all that is left where they hold more.
pub fn to_batch(set: &[u8], budget_bytes: &mut usize) -> Result<Bytes, RecordsError> {
    let mut converter = Converter { budget_bytes, codec: Compression::None, records: Vec::new() };
    for message in Messages::new(set) {
        converter.take(&message?)?;
    }
    converter.finish()
}

/// One message's fields. They are copied, once: this path serves clients that are ten years old, and the
/// alternative keeps every decompressed buffer alive beside the batch.
struct Held {
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// Collects messages until the codec of the batch is known, which the last wrapper decides.
struct Converter<'a> {
    budget_bytes: &'a mut usize,
    codec: Compression,
    records: Vec<Held>,
}

impl Converter<'_> {
    fn take(&mut self, message: &Message<'_>) -> Result<(), RecordsError> {
        message.check_crc()?;
        let codec = message.compression()?;
        if codec == Compression::None {
            return self.push(message, message.timestamp_ms);
        }
        self.codec = codec;
        let opened = open_wrapper(message, codec, *self.budget_bytes);
        if matches!(opened, Err(RecordsError::TooLarge { .. })) {
            *self.budget_bytes = 0;
        }
        let inner = opened?;
        *self.budget_bytes = self.budget_bytes.saturating_sub(inner.len());
        for nested in Messages::new(&inner) {
            let nested = nested?;
            nested.check_crc()?;
            if nested.compression()? != Compression::None {
                return Err(RecordsError::InvalidRecord("compressed message inside a compressed message"));
            }
            if nested.magic != message.magic {
                return Err(RecordsError::InvalidRecord("inner message of another format than its wrapper"));
            }
            // A wrapper stamped by a log speaks for all messages inside.
            let stamped = message.timestamp_type() == TimestampType::LogAppendTime;
            self.push(&nested, if stamped { message.timestamp_ms } else { nested.timestamp_ms })?;
        }
        Ok(())
    }

    fn push(&mut self, message: &Message<'_>, timestamp_ms: i64) -> Result<(), RecordsError> {
        if i32::try_from(self.records.len()).is_err() {
            return Err(RecordsError::InvalidBatch("too many messages"));
        }
        self.records.push(Held {
            timestamp_ms,
            key: message.key.map(<[u8]>::to_vec),
            value: message.value.map(<[u8]>::to_vec),
        });
        Ok(())
    }

    fn finish(self) -> Result<Bytes, RecordsError> {
        if self.records.is_empty() {
            return Ok(Bytes::new());
        }
        let options = BatchOptions { compression: self.codec, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        for (offset, held) in self.records.iter().enumerate() {
            builder.append_ref(&RecordRef {
                offset: offset as i64,
                timestamp_ms: held.timestamp_ms,
                key: held.key.as_deref(),
                value: held.value.as_deref(),
                raw_headers: &[0],
            })?;
        }
        builder.build()
    }
}

fn open_wrapper(
    message: &Message<'_>,
    codec: Compression,
    limit_bytes: usize,
) -> Result<Bytes, RecordsError> {
    if codec == Compression::Zstd {
        return Err(RecordsError::UnsupportedCodec(codec));
    }
    let mut packed =
        Cow::Borrowed(message.value.ok_or(RecordsError::InvalidRecord("compressed message without value"))?);
    if codec == Compression::Lz4 && message.magic == 0 {
        mend_header_checksum(packed.to_mut());
    }
    decompress(codec, &packed, limit_bytes)
}

#[cfg(test)]
mod tests;
