//! What goes into a producer and what comes out. Plain data.

use std::time::Instant;

use millrace_protocol::records::Header;

use crate::topic_partition::TopicPartition;

/// A record to send. Its bytes are copied into the batch, so they may be borrowed.
///
/// ```
/// use millrace_client::Record;
/// let record = Record { key: Some(b"k"), value: Some(b"v"), ..Record::to("orders") };
/// assert_eq!(record.partition, None);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None` lets the partitioner choose.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; `None` takes the time of `send`.
    pub timestamp_ms: Option<i64>,
    /// The key; `None` is Kafka's null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order; keys may repeat.
    pub headers: &'a [Header],
    /// When it was due, for [`crate::config::BatchReport::append_times`]; `None` takes the time of
    /// `send`. A load generator that is held up counts from when it meant to send.
    pub due_at: Option<Instant>,
}

impl<'a> Record<'a> {
    /// A record without key, value and headers, to be completed.
    #[must_use]
    pub fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: &[],
            due_at: None,
        }
    }
}

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The partition.
    pub partition: TopicPartition,
    /// Its offset; -1 when the broker did not tell (`acks=0`, or a retry of what it already had).
    pub offset: i64,
    /// Its time in milliseconds since 1970: the record's, or the log's if the topic keeps append times.
    pub timestamp_ms: i64,
}
