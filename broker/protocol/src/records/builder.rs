//! Records to a v2 batch. Writes records once, into the buffer that becomes the batch; only a codec copies.

use bytes::Bytes;

use super::record::{Header, RecordRef};
use super::{
    Attributes, BATCH_HEADER_BYTES, BatchHeader, Compression, LOG_OVERHEAD_BYTES, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, RecordsError, TimestampType, codec, varint,
};

/// Who an idempotent producer is, and where its batch stands in its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence number of the batch's first record.
    pub base_sequence: i32,
}

/// What a batch says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOptions {
    /// Codec of the records.
    pub compression: Compression,
    /// Offset of the first record; producers leave it 0, the log assigns it.
    pub base_offset: i64,
    /// Epoch of the appending leader; producers leave it -1.
    pub leader_epoch: i32,
    /// `Some(ms)` makes it a log-append-time batch with that time.
    pub log_append_time_ms: Option<i64>,
    /// The idempotent producer.
    pub producer: Option<ProducerStamp>,
    /// Whether the batch is part of a transaction.
    pub transactional: bool,
    /// Whether it holds a control record.
    pub control: bool,
    /// Delete horizon of the tombstones inside, set by compaction (KIP-534).
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            base_offset: 0,
            leader_epoch: -1,
            log_append_time_ms: None,
            producer: None,
            transactional: false,
            control: false,
            delete_horizon_ms: None,
        }
    }
}

/// Builds one batch: append records, then [`BatchBuilder::build`].
///
/// ```
/// use millrace_protocol::records::{BatchBuilder, BatchOptions, Batch};
/// let mut builder = BatchBuilder::new(BatchOptions::default());
/// builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
/// let bytes = builder.build().unwrap();
/// let batch = Batch::parse(&bytes).unwrap();
/// assert_eq!(batch.records(1024).unwrap().count(), 1);
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the records, uncompressed.
    buffer: Vec<u8>,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    count: i32,
    last_offset_delta: i32,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        Self::with_capacity(options, 512)
    }

    /// An empty batch with room for `capacity_bytes` of records.
    #[must_use]
    pub fn with_capacity(options: BatchOptions, capacity_bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(BATCH_HEADER_BYTES + capacity_bytes);
        buffer.resize(BATCH_HEADER_BYTES, 0);
        let base_timestamp = options.delete_horizon_ms;
        Self { options, buffer, base_timestamp, max_timestamp: NO_TIMESTAMP, count: 0, last_offset_delta: -1 }
    }

    /// Records appended so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether nothing was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far, before compression, header included.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Says who the idempotent producer is, which may be known only after the records.
    pub fn set_producer(&mut self, producer: ProducerStamp) {
        self.options.producer = Some(producer);
    }

    /// Appends a record at the next offset and returns its distance from the base offset.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> i32 {
        let mut raw = Vec::new();
        let raw_headers: &[u8] = if headers.is_empty() {
            &[0]
        } else {
            write_headers(&mut raw, headers);
            &raw
        };
        let delta = self.last_offset_delta + 1;
        self.push(delta, timestamp_ms, key, value, raw_headers);
        delta
    }

    /// Appends a record of another batch at its own offset, which must not lie before the base offset nor
    /// before records already appended. Headers are copied as they stand.
    ///
    /// # Errors
    /// [`RecordsError::InvalidRecord`] when the offset does not fit the batch.
    pub fn append_ref(&mut self, record: &RecordRef<'_>) -> Result<(), RecordsError> {
        let delta = i32::try_from(record.offset.wrapping_sub(self.options.base_offset))
            .ok()
            .filter(|&delta| delta > self.last_offset_delta)
            .ok_or(RecordsError::InvalidRecord("offset does not fit the batch"))?;
        self.push(delta, record.timestamp_ms, record.key, record.value, record.raw_headers);
        Ok(())
    }

    fn push(
        &mut self,
        delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        raw_headers: &[u8],
    ) {
        let base = *self.base_timestamp.get_or_insert(timestamp_ms);
        let timestamp_delta = timestamp_ms.wrapping_sub(base);
        let nullable = |field: Option<&[u8]>| field.map_or(-1, |field| field.len() as i64);
        let length = 1
            + varint::size(timestamp_delta)
            + varint::size(i64::from(delta))
            + varint::size(nullable(key))
            + key.map_or(0, <[u8]>::len)
            + varint::size(nullable(value))
            + value.map_or(0, <[u8]>::len)
            + raw_headers.len();
        let out = &mut self.buffer;
        varint::write(out, length as i64);
        out.push(0);
        varint::write(out, timestamp_delta);
        varint::write(out, i64::from(delta));
        for field in [key, value] {
            varint::write(out, nullable(field));
            out.extend_from_slice(field.unwrap_or_default());
        }
        out.extend_from_slice(raw_headers);
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        self.last_offset_delta = delta;
        self.count += 1;
    }

    /// Finishes the batch, whose last offset is that of the last record.
    ///
    /// # Errors
    /// [`RecordsError::Compress`] when the codec fails, [`RecordsError::TooLarge`] past 2 GiB.
    pub fn build(self) -> Result<Bytes, RecordsError> {
        let last_offset_delta = self.last_offset_delta.max(0);
        self.build_spanning(last_offset_delta)
    }

    /// Finishes a batch that spans offsets up to `last_offset_delta`, as compaction needs it: the batch
    /// keeps its span although records inside are gone.
    ///
    /// # Errors
    /// As [`BatchBuilder::build`].
    pub fn build_spanning(mut self, last_offset_delta: i32) -> Result<Bytes, RecordsError> {
        if self.options.compression != Compression::None {
            let packed = codec::compress(self.options.compression, &self.buffer[BATCH_HEADER_BYTES..])?;
            self.buffer.truncate(BATCH_HEADER_BYTES);
            self.buffer.extend_from_slice(&packed);
        }
        let length = i32::try_from(self.buffer.len() - LOG_OVERHEAD_BYTES)
            .map_err(|_| RecordsError::TooLarge { limit_bytes: i32::MAX as usize })?;
        let header =
            self.header(length, last_offset_delta).to_bytes_with_crc(&self.buffer[BATCH_HEADER_BYTES..]);
        self.buffer[..BATCH_HEADER_BYTES].copy_from_slice(&header);
        Ok(Bytes::from(self.buffer))
    }

    fn header(&self, length: i32, last_offset_delta: i32) -> BatchHeader {
        let options = &self.options;
        let kind = if options.log_append_time_ms.is_some() {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        };
        let attributes = Attributes::default()
            .with_compression(options.compression)
            .with_timestamp_type(kind)
            .with_transactional(options.transactional)
            .with_control(options.control)
            .with_delete_horizon(options.delete_horizon_ms.is_some());
        BatchHeader {
            base_offset: options.base_offset,
            length,
            leader_epoch: options.leader_epoch,
            crc: 0,
            attributes,
            last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: options.log_append_time_ms.unwrap_or(self.max_timestamp),
            producer_id: options.producer.map_or(NO_PRODUCER_ID, |producer| producer.id),
            producer_epoch: options.producer.map_or(NO_PRODUCER_EPOCH, |producer| producer.epoch),
            base_sequence: options.producer.map_or(NO_SEQUENCE, |producer| producer.base_sequence),
            record_count: self.count,
        }
    }
}

fn write_headers(out: &mut Vec<u8>, headers: &[Header]) {
    varint::write(out, headers.len() as i64);
    for header in headers {
        varint::write(out, header.key.len() as i64);
        out.extend_from_slice(&header.key);
        match &header.value {
            None => varint::write(out, -1),
            Some(value) => {
                varint::write(out, value.len() as i64);
                out.extend_from_slice(value);
            }
        }
    }
}
