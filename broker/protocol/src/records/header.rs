//! The fixed 61 bytes in front of a v2 batch (Kafka's `DefaultRecordBatch`): read, patched, written.
//! Must never look at what follows them.

use bytes::{Buf, BufMut};

use super::codec::Compression;
use super::{BATCH_HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC_AT, MAGIC_V2, NO_PRODUCER_ID, RecordsError};

/// Where the checksummed part begins: everything from the attributes on. Base offset, length, leader
/// epoch and magic stand before it, which is why a log may patch them without a new checksum.
pub(super) const CRC_FROM: usize = 21;
const CRC_AT: usize = 17;

/// Who wrote a batch's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer (`message.timestamp.type=CreateTime`).
    #[default]
    CreateTime,
    /// The log, on append; one timestamp for the whole batch.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const TIMESTAMP_TYPE: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec that compressed the records.
    pub fn compression(self) -> Result<Compression, RecordsError> {
        Compression::from_bits((self.0 & 0x07) as u8)
    }

    /// Who wrote the timestamps.
    #[must_use]
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::TIMESTAMP_TYPE == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record (a transaction marker) that clients never see.
    #[must_use]
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp holds the time after which compaction may drop the batch's tombstones
    /// (KIP-534).
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    fn with(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// The same bits with another codec.
    #[must_use]
    pub fn with_compression(self, codec: Compression) -> Self {
        Self((self.0 & !0x07) | i16::from(codec.bits()))
    }

    /// The same bits with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, kind: TimestampType) -> Self {
        self.with(Self::TIMESTAMP_TYPE, kind == TimestampType::LogAppendTime)
    }

    /// The same bits with the transactional bit set or cleared.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same bits with the control bit set or cleared.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    /// The same bits with the delete-horizon bit set or cleared.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with(Self::DELETE_HORIZON, on)
    }
}

/// The fixed header of a v2 batch. The magic byte is not a field: it is always 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes that follow the length field itself.
    pub length: i32,
    /// Epoch of the leader that appended the batch; -1 when unknown.
    pub leader_epoch: i32,
    /// CRC-32C of everything after this field.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: Attributes,
    /// Last offset minus base offset; survives compaction, so it may exceed the count.
    pub last_offset_delta: i32,
    /// Timestamp that record deltas count from, or the delete horizon.
    pub base_timestamp: i64,
    /// Largest timestamp, or the log-append time.
    pub max_timestamp: i64,
    /// Producer id of an idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `buf`. Checks what is needed to walk on: enough bytes for the
    /// header, magic 2, a length that covers the header. The batch itself may reach past `buf`.
    ///
    /// # Errors
    /// [`RecordsError::Short`], [`RecordsError::Magic`], [`RecordsError::Length`].
    #[inline]
    pub fn parse(buf: &[u8]) -> Result<Self, RecordsError> {
        if let Some(&magic) = buf.get(MAGIC_AT)
            && magic as i8 != MAGIC_V2
        {
            return Err(RecordsError::Magic(magic as i8));
        }
        let Some(mut fixed) = buf.get(..BATCH_HEADER_BYTES) else {
            return Err(RecordsError::Short { needed: BATCH_HEADER_BYTES, available: buf.len() });
        };
        let header = Self {
            base_offset: fixed.get_i64(),
            length: fixed.get_i32(),
            leader_epoch: fixed.get_i32(),
            crc: {
                fixed.advance(1);
                fixed.get_u32()
            },
            attributes: Attributes(fixed.get_i16()),
            last_offset_delta: fixed.get_i32(),
            base_timestamp: fixed.get_i64(),
            max_timestamp: fixed.get_i64(),
            producer_id: fixed.get_i64(),
            producer_epoch: fixed.get_i16(),
            base_sequence: fixed.get_i32(),
            record_count: fixed.get_i32(),
        };
        if header.length < (BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32 {
            return Err(RecordsError::Length(header.length));
        }
        Ok(header)
    }

    /// Bytes of the whole batch, header included.
    #[inline]
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.length as usize + LOG_OVERHEAD_BYTES
    }

    /// Offset of the last record (or of the last one before compaction removed it).
    #[inline]
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset that follows the batch.
    #[inline]
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether an idempotent producer wrote the batch.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence number of the last record: sequences wrap from `i32::MAX` to 0. -1 when there is none.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        add_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// The time after which compaction may drop the batch's tombstones, if one was set (KIP-534).
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Checks that fields agree with one another: no negative count or delta, a known codec, producer
    /// fields all there or all absent. Counts may be smaller than the offset range only after compaction,
    /// which is the log's to judge.
    ///
    /// # Errors
    /// [`RecordsError::InvalidBatch`], [`RecordsError::UnknownCodec`].
    pub fn check_fields(&self) -> Result<(), RecordsError> {
        let invalid = |why| Err(RecordsError::InvalidBatch(why));
        self.attributes.compression()?;
        if self.record_count < 0 {
            return invalid("negative record count");
        }
        if self.last_offset_delta < 0 {
            return invalid("negative last offset delta");
        }
        if i64::from(self.record_count) > i64::from(self.last_offset_delta) + 1 {
            return invalid("more records than offsets");
        }
        if self.producer_id < NO_PRODUCER_ID {
            return invalid("negative producer id");
        }
        if self.has_producer_id() && self.producer_epoch < 0 {
            return invalid("producer id without producer epoch");
        }
        Ok(())
    }

    /// The header's 61 bytes, checksum as it stands in `self.crc`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut out = [0u8; BATCH_HEADER_BYTES];
        let mut cursor = &mut out[..];
        cursor.put_i64(self.base_offset);
        cursor.put_i32(self.length);
        cursor.put_i32(self.leader_epoch);
        cursor.put_i8(MAGIC_V2);
        cursor.put_u32(self.crc);
        cursor.put_i16(self.attributes.0);
        cursor.put_i32(self.last_offset_delta);
        cursor.put_i64(self.base_timestamp);
        cursor.put_i64(self.max_timestamp);
        cursor.put_i64(self.producer_id);
        cursor.put_i16(self.producer_epoch);
        cursor.put_i32(self.base_sequence);
        cursor.put_i32(self.record_count);
        out
    }

    /// The header's 61 bytes with the checksum computed over them and `body`, the bytes that follow. For
    /// rules that change checksummed fields (log-append time).
    #[must_use]
    pub fn to_bytes_with_crc(&self, body: &[u8]) -> [u8; BATCH_HEADER_BYTES] {
        let mut out = self.to_bytes();
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&out[CRC_FROM..]);
        digest.update(body);
        out[CRC_AT..CRC_FROM].copy_from_slice(&(digest.finalize() as u32).to_be_bytes());
        out
    }
}

/// Adds `delta` (not negative) to a sequence number, which wraps from `i32::MAX` to 0.
#[must_use]
pub fn add_sequence(sequence: i32, delta: i32) -> i32 {
    ((i64::from(sequence) + i64::from(delta)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(add_sequence(i32::MAX, 1), 0);
        assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(add_sequence(5, 2), 7);
    }

    proptest! {
        #[test]
        fn any_61_bytes_with_magic_2_round_trip(mut bytes in proptest::collection::vec(any::<u8>(), 61)) {
            bytes[MAGIC_AT] = 2;
            match BatchHeader::parse(&bytes) {
                Ok(header) => prop_assert_eq!(&header.to_bytes()[..], &bytes[..]),
                Err(error) => prop_assert!(matches!(error, RecordsError::Length(_))),
            }
        }
    }
}
