//! What a shard is told about limits and times.

/// Configuration of all groups of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max_ms: i32,
    /// `group.max.size`.
    pub size_max: usize,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// What the records of one request may add up to: `max.message.bytes` of `__consumer_offsets`, less
    /// what a batch adds to them.
    pub record_bytes_max: usize,
}

impl Default for Settings {
    /// Kafka's defaults, and no wait before a group's first generation.
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 0,
            session_timeout_min_ms: 6000,
            session_timeout_max_ms: 1_800_000,
            size_max: i32::MAX as usize,
            offset_metadata_max: 4096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            offsets_retention_check_interval_ms: 600_000,
            record_bytes_max: 1_000_000,
        }
    }
}
