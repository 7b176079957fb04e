//! A topic's settings as a log reads them: plain numbers, Kafka's defaults. Parsing and synonyms are the
//! server's.

use millrace_protocol::records::{Compression, TimestampType};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Everything a log needs to know about its topic. Shared by the topic's partitions behind an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogConfig {
    /// When a new segment begins.
    pub segment: SegmentConfig,
    /// When data is forced to the disk.
    pub flush: FlushConfig,
    /// When data may go.
    pub retention: RetentionConfig,
    /// How compaction works where it is on.
    pub compaction: CompactionConfig,
    /// What an append must satisfy.
    pub message: MessageConfig,
    /// How long and how many idempotent producers are remembered.
    pub producers: ProducerConfig,
}

/// When a new segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentConfig {
    /// `segment.bytes`.
    pub bytes: u32,
    /// `segment.ms`.
    pub ms: i64,
    /// `segment.jitter.ms`: at most this much earlier, different for each segment.
    pub jitter_ms: i64,
    /// `segment.index.bytes`: largest size of an index file.
    pub index_bytes: u32,
    /// `index.interval.bytes`: log bytes between index entries.
    pub index_interval_bytes: u32,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            ms: 7 * DAY_MS,
            jitter_ms: 0,
            index_bytes: 10 << 20,
            index_interval_bytes: 4096,
        }
    }
}

/// When data is forced to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushConfig {
    /// `flush.messages`: records after which an append is flushed before it is acknowledged.
    pub messages: i64,
    /// `flush.ms`: the longest that a record stays unflushed.
    pub ms: i64,
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self { messages: i64::MAX, ms: i64::MAX }
    }
}

/// `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted by time and size.
    pub delete: bool,
    /// Only the last record of each key is kept.
    pub compact: bool,
}

/// When data may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `cleanup.policy`.
    pub policy: CleanupPolicy,
    /// `retention.ms`; -1 for no limit.
    pub ms: i64,
    /// `retention.bytes`; -1 for no limit.
    pub bytes: i64,
    /// `file.delete.delay.ms`: how long a deleted segment's files stay under another name.
    pub file_delete_delay_ms: i64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            policy: CleanupPolicy { delete: true, compact: false },
            ms: 7 * DAY_MS,
            bytes: -1,
            file_delete_delay_ms: 60_000,
        }
    }
}

/// How compaction works where it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionConfig {
    /// `min.cleanable.dirty.ratio`, in millionths (an integer, so that settings compare).
    pub min_cleanable_dirty_ratio_ppm: u32,
    /// `delete.retention.ms`: how long a tombstone stays after the compaction that first saw it.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: a record younger than this is not compacted.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`: a record older than this is compacted whatever the ratio.
    pub max_lag_ms: i64,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self {
            min_cleanable_dirty_ratio_ppm: 500_000,
            delete_retention_ms: DAY_MS,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
        }
    }
}

/// `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionPolicy {
    /// Batches stay as the producer compressed them.
    #[default]
    Producer,
    /// Batches of another codec are recompressed with this one.
    Codec(Compression),
}

/// What an append must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageConfig {
    /// `max.message.bytes`: largest batch, compressed.
    pub max_bytes: u32,
    /// `compression.type`.
    pub compression: CompressionPolicy,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a timestamp may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far ahead of the clock a timestamp may be.
    pub timestamp_after_max_ms: i64,
    /// Largest that a batch may become when a rule has to decompress it.
    pub decompressed_max_bytes: u32,
}

impl Default for MessageConfig {
    fn default() -> Self {
        Self {
            max_bytes: 1_048_588,
            compression: CompressionPolicy::Producer,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            decompressed_max_bytes: 256 << 20,
        }
    }
}

/// How long and how many idempotent producers are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// `producer.id.expiration.ms`.
    pub expiration_ms: i64,
    /// Most producers remembered in one partition; the one idle longest goes first.
    pub count_max: u32,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self { expiration_ms: DAY_MS, count_max: 100_000 }
    }
}
