//! One batch on its way: filled by senders, built when it first leaves, numbered again where an
//! idempotent producer has to start over, cut in two when it is too large. Knows bytes, no brokers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use millrace_protocol::records::{
    BATCH_HEADER_BYTES, Batch as RecordBatch, BatchBuilder, BatchHeader, BatchOptions, Compression, Header,
    ProducerStamp, RecordsError, add_sequence,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::delivery::{Fate, Written};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Decompressed records of a batch that this client built itself, at most.
const OWN_BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of a record beside key, value and headers, at most
/// (`org.apache.kafka.common.record.DefaultRecord.MAX_RECORD_OVERHEAD`).
const RECORD_OVERHEAD_MAX: usize = 21;

/// Where a batch stands among those of its partition: its turn, and the first of its records when it is
/// part of one that was cut.
pub(super) type Place = (u64, u32);

#[derive(Debug)]
enum Content {
    Filling(BatchBuilder),
    Built(Bytes),
    /// Building failed, or the bytes were taken.
    Gone,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) place: Place,
    pub(super) created: Instant,
    /// No more records are added.
    pub(super) is_closed: bool,
    /// How often it was sent.
    pub(super) attempts: u32,
    pub(super) retry_at: Instant,
    /// Its number, once it has one.
    pub(super) stamp: Option<ProducerStamp>,
    pub(super) fate: Arc<Fate>,
    content: Content,
    count: usize,
    append_times: Vec<std::time::Instant>,
    /// Its share of `buffer.memory`, given back when it goes.
    memory: Option<OwnedSemaphorePermit>,
}

/// What is appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [Header],
    /// See [`item_bytes_max`].
    pub(super) bytes_max: usize,
    /// When it was appended, where that is kept.
    pub(super) appended_at: Option<std::time::Instant>,
}

/// Most bytes that a record can take in a batch.
pub(super) fn item_bytes_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let field = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varint_bytes(bytes.len()) + bytes.len());
    let headers_bytes: usize =
        headers.iter().map(|header| field(Some(&header.key)) + field(header.value.as_deref())).sum();
    RECORD_OVERHEAD_MAX + field(key) + field(value) + varint_bytes(headers.len()) + headers_bytes
}

/// Bytes of a zigzag varint of a length.
fn varint_bytes(length: usize) -> usize {
    let bits = usize::BITS - (length << 1 | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

impl Batch {
    pub(super) fn new(
        place: Place,
        partition: &TopicPartition,
        compression: Compression,
        capacity_bytes: usize,
        now: Instant,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let options = BatchOptions { compression, ..BatchOptions::default() };
        let capacity_bytes = capacity_bytes.saturating_sub(BATCH_HEADER_BYTES);
        Self {
            place,
            created: now,
            is_closed: false,
            attempts: 0,
            retry_at: now,
            stamp: None,
            fate: Fate::new(partition.clone()),
            content: Content::Filling(BatchBuilder::with_capacity(options, capacity_bytes)),
            count: 0,
            append_times: Vec::new(),
            memory,
        }
    }

    /// Adds a record and returns its place in the batch; `None` when it is closed, or would grow beyond
    /// `bytes_max`. The first record always fits.
    pub(super) fn append(&mut self, item: &Item<'_>, bytes_max: usize) -> Option<i32> {
        let Content::Filling(builder) = &mut self.content else { return None };
        if self.is_closed || !builder.is_empty() && builder.size_bytes() + item.bytes_max > bytes_max {
            return None;
        }
        let index = builder.append(item.timestamp_ms, item.key, item.value, item.headers);
        self.count = builder.count();
        self.is_closed = builder.size_bytes() >= bytes_max;
        self.append_times.extend(item.appended_at);
        Some(index)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn append_times(&self) -> &[std::time::Instant] {
        &self.append_times
    }

    /// Bytes in a request; before it is built, an estimate that compression only betters.
    pub(super) fn size_bytes(&self) -> usize {
        match &self.content {
            Content::Filling(builder) => builder.size_bytes(),
            Content::Built(bytes) => bytes.len(),
            Content::Gone => 0,
        }
    }

    /// The sequence number that follows, if the batch is numbered.
    pub(super) fn next_sequence(&self) -> Option<i32> {
        self.stamp.map(|stamp| add_sequence(stamp.base_sequence, self.count as i32))
    }

    /// The batch's bytes with its number, built at the first call.
    ///
    /// # Errors
    /// What the codec refuses.
    pub(super) fn bytes(&mut self) -> Result<Bytes, RecordsError> {
        self.is_closed = true;
        let bytes = match std::mem::replace(&mut self.content, Content::Gone) {
            Content::Gone => return Err(RecordsError::InvalidBatch("the batch was built before and failed")),
            Content::Built(bytes) => self.restamped(bytes)?,
            Content::Filling(mut builder) => {
                if let Some(stamp) = self.stamp {
                    builder.set_producer(stamp);
                }
                builder.build()?
            }
        };
        self.content = Content::Built(bytes.clone());
        Ok(bytes)
    }

    /// The same bytes, with the number that the batch has now.
    fn restamped(&self, bytes: Bytes) -> Result<Bytes, RecordsError> {
        let Some(stamp) = self.stamp else { return Ok(bytes) };
        let mut header = BatchHeader::parse(&bytes)?;
        let now = (header.producer_id, header.producer_epoch, header.base_sequence);
        if now == (stamp.id, stamp.epoch, stamp.base_sequence) {
            return Ok(bytes);
        }
        (header.producer_id, header.producer_epoch, header.base_sequence) =
            (stamp.id, stamp.epoch, stamp.base_sequence);
        let body = bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        let mut again = BytesMut::with_capacity(bytes.len());
        again.extend_from_slice(&header.to_bytes_with_crc(body));
        again.extend_from_slice(body);
        Ok(again.freeze())
    }

    /// Cuts a batch that the broker finds too large. `None` when it cannot be cut.
    pub(super) fn cut(mut self) -> Result<[Batch; 2], Box<Batch>> {
        match self.halves() {
            Some((at, [first, second])) => {
                let place = (self.place.0, self.place.1 + at as u32);
                let after = self.half(place, second, at..self.count);
                let mut before = self.half(self.place, first, 0..at);
                before.memory = self.memory.take();
                self.fate.cut(at as i32, Arc::clone(&before.fate), Arc::clone(&after.fate));
                Ok([before, after])
            }
            None => Err(Box::new(self)),
        }
    }

    fn half(&self, place: Place, content: Bytes, records: std::ops::Range<usize>) -> Batch {
        Batch {
            place,
            created: self.created,
            is_closed: true,
            attempts: self.attempts,
            retry_at: self.retry_at,
            stamp: self.stamp.map(|stamp| ProducerStamp {
                base_sequence: add_sequence(stamp.base_sequence, records.start as i32),
                ..stamp
            }),
            fate: Fate::new(self.fate.partition().clone()),
            content: Content::Built(content),
            count: records.len(),
            append_times: self.append_times.get(records).unwrap_or_default().to_vec(),
            memory: None,
        }
    }

    /// Two batches with half of the records each, and where they part.
    fn halves(&self) -> Option<(usize, [Bytes; 2])> {
        let Content::Built(bytes) = &self.content else { return None };
        if self.count < 2 {
            return None;
        }
        let batch = RecordBatch::parse(bytes).ok()?;
        let compression = batch.header.attributes.compression().ok()?;
        let options = || BatchOptions { compression, ..BatchOptions::default() };
        let mut builders = [BatchBuilder::new(options()), BatchBuilder::new(options())];
        let at = self.count / 2;
        for (index, record) in batch.records(OWN_BATCH_BYTES_MAX).ok()?.enumerate() {
            let record = record.ok()?;
            let builder = &mut builders[usize::from(index >= at)];
            builder.append(
                record.timestamp_ms,
                record.key.as_deref(),
                record.value.as_deref(),
                &record.headers,
            );
        }
        let [first, second] = builders;
        Some((at, [first.build().ok()?, second.build().ok()?]))
    }

    /// Whether its time is up at `now`.
    pub(super) fn is_expired(&self, now: Instant, delivery_timeout: Duration) -> bool {
        now.duration_since(self.created) >= delivery_timeout
    }

    /// The error of a batch whose time is up.
    pub(super) fn expired(&self, after: Duration, last: Option<ClientError>) -> ClientError {
        expired(self.fate.partition(), self.count, after, last)
    }

    /// Decides what became of it; the first decision stands. Returns whether this was it.
    pub(super) fn finish(&mut self, result: Result<Written, ClientError>) -> bool {
        self.memory = None;
        self.fate.seal(result)
    }
}

/// The error of `count` records of a partition whose time is up.
pub(super) fn expired(
    partition: &TopicPartition,
    count: usize,
    after: Duration,
    last: Option<ClientError>,
) -> ClientError {
    ClientError::TimedOut {
        what: format!("the delivery of {count} record(s) for {partition}"),
        after_ms: after.as_millis() as u64,
        last: last.map(Box::new),
    }
}

/// Whatever happens to a batch, those who wait for it are told.
impl Drop for Batch {
    fn drop(&mut self) {
        self.fate.seal(Err(ClientError::Closed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(key: &'static [u8], value: &'static [u8]) -> Item<'static> {
        let bytes_max = item_bytes_max(Some(key), Some(value), &[]);
        Item {
            timestamp_ms: 5,
            key: Some(key),
            value: Some(value),
            headers: &[],
            bytes_max,
            appended_at: None,
        }
    }

    fn batch(compression: Compression) -> Batch {
        Batch::new((3, 0), &TopicPartition::new("t", 0), compression, 1024, Instant::now(), None)
    }

    fn values(bytes: &Bytes) -> Vec<Bytes> {
        let batch = RecordBatch::parse(bytes).unwrap();
        batch.validate().unwrap();
        batch.records(1 << 20).unwrap().map(|record| record.unwrap().value.unwrap()).collect()
    }

    #[tokio::test]
    async fn a_new_number_makes_new_bytes_with_the_same_records() {
        let mut batch = batch(Compression::Lz4);
        batch.append(&item(b"k", b"v1"), 1000).unwrap();
        batch.append(&item(b"k", b"v2"), 1000).unwrap();
        batch.stamp = Some(ProducerStamp { id: 7, epoch: 0, base_sequence: 10 });
        let first = batch.bytes().unwrap();
        assert_eq!(batch.bytes().unwrap(), first);
        batch.stamp = Some(ProducerStamp { id: 7, epoch: 1, base_sequence: 0 });
        let second = batch.bytes().unwrap();
        assert_eq!(values(&second), values(&first));
        let header = BatchHeader::parse(&second).unwrap();
        assert_eq!((header.producer_epoch, header.base_sequence), (1, 0));
    }

    #[tokio::test]
    async fn halves_keep_order_and_numbers() {
        let mut whole = batch(Compression::None);
        for value in [b"a", b"b", b"c", b"d", b"e"] {
            whole.append(&item(b"", value), 1000).unwrap();
        }
        whole.stamp = Some(ProducerStamp { id: 7, epoch: 0, base_sequence: i32::MAX });
        whole.bytes().unwrap();
        let [mut first, mut second] = whole.cut().unwrap();
        assert_eq!(values(&first.bytes().unwrap()), ["a", "b"]);
        assert_eq!(values(&second.bytes().unwrap()), ["c", "d", "e"]);
        assert_eq!(first.next_sequence(), second.stamp.map(|stamp| stamp.base_sequence));
        assert_eq!((first.place, second.place), ((3, 0), (3, 2)));
        let [mut first, second] = first.cut().unwrap();
        assert!(first.place < second.place);
        first.bytes().unwrap();
        assert!(first.cut().is_err(), "one record cannot be cut");
    }

    #[tokio::test]
    async fn a_batch_takes_its_first_record_however_large() {
        let mut batch = batch(Compression::None);
        assert_eq!(batch.append(&item(b"", &[0; 500]), 100), Some(0));
        assert!(batch.is_closed);
        assert_eq!(batch.append(&item(b"", b""), 100), None);
    }

    proptest! {
        #[test]
        fn no_record_takes_more_than_is_reckoned(
            key: Option<Vec<u8>>, value: Option<Vec<u8>>, header_key: Vec<u8>, header_value: Option<Vec<u8>>,
        ) {
            let header = Header { key: header_key.into(), value: header_value.map(Bytes::from) };
            let headers = [header];
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.append(0, Some(b""), None, &[]);
            let before = builder.size_bytes();
            builder.append(i64::MAX / 2, key.as_deref(), value.as_deref(), &headers);
            let most = item_bytes_max(key.as_deref(), value.as_deref(), &headers);
            let real = builder.size_bytes() - before;
            prop_assert!(real <= most && most - real <= RECORD_OVERHEAD_MAX, "{real} of {most}");
        }
    }
}
