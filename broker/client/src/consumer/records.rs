//! What a consumer reads: records one by one, or whole batches that are walked without a copy.

use bytes::Bytes;
use millrace_protocol::records::{Body, Header, RecordRef, RecordsError, TimestampType};

use crate::topic_partition::TopicPartition;

/// A record that was read. Its bytes are slices of the answer they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it was read.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Epoch of the leader that wrote it, when known.
    pub leader_epoch: Option<i32>,
    /// The key; `None` is Kafka's null.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order; keys may repeat.
    pub headers: Vec<Header>,
}

/// One batch as it was read, decompressed.
#[derive(Debug, Clone)]
pub struct FetchedBatch {
    /// Where it was read.
    pub partition: TopicPartition,
    pub(crate) body: Body,
    /// Records before it were read already, or lie before the offset that was asked for.
    pub(crate) first_offset: i64,
}

impl FetchedBatch {
    /// Walks the records as borrowed views; ends after the first error, which means damaged records.
    pub fn records(&self) -> impl Iterator<Item = Result<RecordRef<'_>, RecordsError>> {
        let first = self.first_offset;
        self.body.refs().filter(move |record| record.as_ref().map_or(true, |record| record.offset >= first))
    }

    /// Offset that follows the batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.body.header.next_offset()
    }
}
