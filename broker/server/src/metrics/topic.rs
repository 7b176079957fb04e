//! What is counted for each topic: throughput in records and bytes.

use prometheus::IntCounter;

/// Counters of one topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicMetrics {
    pub(super) messages_in: IntCounter,
    pub(super) bytes_in: IntCounter,
    pub(super) bytes_out: IntCounter,
    pub(super) storage_errors: IntCounter,
}

impl TopicMetrics {
    /// Records were appended.
    pub(crate) fn observe_append(&self, records: i64, bytes: usize) {
        self.messages_in.inc_by(u64::try_from(records).unwrap_or_default());
        self.bytes_in.inc_by(bytes as u64);
    }

    /// Bytes leave for a consumer.
    pub(crate) fn observe_read(&self, bytes: usize) {
        self.bytes_out.inc_by(bytes as u64);
    }

    /// The disk refused.
    pub(crate) fn observe_storage_error(&self) {
        self.storage_errors.inc();
    }
}
