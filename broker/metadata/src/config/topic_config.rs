//! A topic's configuration as plain values, for those who act on it.
//!
//! Parsed once when an image changes, never on the way of a record. It must never know where a
//! value came from.

use super::def::ConfigDef;
use super::lookup::{nearest_name, topic_def, topic_defs};
use super::resolve::{ConfigLayers, ConfigMap, effective};
use super::value::{ConfigError, ConfigValue};
use super::{Scope, table};

/// When a segment is closed and how it is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentConfig {
    /// `segment.bytes`.
    pub bytes: u32,
    /// `segment.ms`.
    pub ms: u64,
    /// `segment.jitter.ms`.
    pub jitter_ms: u64,
    /// `segment.index.bytes`.
    pub index_bytes: u32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `preallocate`.
    pub preallocate: bool,
}

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `retention.ms`; `None` is for ever.
    pub ms: Option<u64>,
    /// `retention.bytes` of each partition; `None` is no limit.
    pub bytes: Option<u64>,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: u64,
}

/// How old data goes.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanupConfig {
    /// `cleanup.policy` names `delete`.
    pub delete: bool,
    /// `cleanup.policy` names `compact`.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`, the life of tombstones.
    pub tombstone_retention_ms: u64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: u64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: u64,
}

/// When the log is flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushConfig {
    /// `flush.messages`; `u64::MAX >> 1` is never.
    pub messages: u64,
    /// `flush.ms`; `u64::MAX >> 1` is never.
    pub ms: u64,
}

/// What batches may look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageConfig {
    /// `max.message.bytes`.
    pub max_bytes: u32,
    /// `compression.type` and the level that goes with it.
    pub compression: CompressionType,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: u64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: u64,
}

/// `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// Keep what the producer sent.
    Producer,
    /// Store uncompressed.
    Uncompressed,
    /// Store with gzip at a level of 1 to 9, or -1 for its default.
    Gzip(i32),
    /// Store with snappy.
    Snappy,
    /// Store with lz4 at a level of 1 to 17.
    Lz4(i32),
    /// Store with zstd at a level of -131072 to 22.
    Zstd(i32),
}

/// `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's time.
    CreateTime,
    /// The broker's time at the append.
    LogAppendTime,
}

/// All of a topic's configuration that the broker acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// When segments are closed.
    pub segment: SegmentConfig,
    /// How much is kept.
    pub retention: RetentionConfig,
    /// How old data goes.
    pub cleanup: CleanupConfig,
    /// When the log is flushed.
    pub flush: FlushConfig,
    /// What batches may look like.
    pub message: MessageConfig,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
}

impl Default for TopicConfig {
    /// The built-in defaults.
    fn default() -> Self {
        let empty = ConfigMap::new();
        Self::resolve(&ConfigLayers {
            topic: None,
            broker: &empty,
            default_broker: &empty,
            static_broker: &empty,
        })
    }
}

impl TopicConfig {
    /// The values that count for a topic, over all layers.
    #[must_use]
    pub fn resolve(layers: &ConfigLayers<'_>) -> Self {
        let values = Values { layers };
        let policies = values.text("cleanup.policy");
        let names_policy = |policy: &str| policies.split(',').any(|named| named == policy);
        Self {
            segment: SegmentConfig {
                bytes: values.u32("segment.bytes"),
                ms: values.u64("segment.ms"),
                jitter_ms: values.u64("segment.jitter.ms"),
                index_bytes: values.u32("segment.index.bytes"),
                index_interval_bytes: values.u32("index.interval.bytes"),
                preallocate: values.bool("preallocate"),
            },
            retention: RetentionConfig {
                ms: u64::try_from(values.i64("retention.ms")).ok(),
                bytes: u64::try_from(values.i64("retention.bytes")).ok(),
                file_delete_delay_ms: values.u64("file.delete.delay.ms"),
            },
            cleanup: CleanupConfig {
                delete: names_policy("delete"),
                compact: names_policy("compact"),
                min_cleanable_dirty_ratio: values.f64("min.cleanable.dirty.ratio"),
                tombstone_retention_ms: values.u64("delete.retention.ms"),
                min_compaction_lag_ms: values.u64("min.compaction.lag.ms"),
                max_compaction_lag_ms: values.u64("max.compaction.lag.ms"),
            },
            flush: FlushConfig { messages: values.u64("flush.messages"), ms: values.u64("flush.ms") },
            message: MessageConfig {
                max_bytes: values.u32("max.message.bytes"),
                compression: values.compression(),
                timestamp_type: match values.text("message.timestamp.type").as_str() {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                },
                timestamp_before_max_ms: values.u64("message.timestamp.before.max.ms"),
                timestamp_after_max_ms: values.u64("message.timestamp.after.max.ms"),
            },
            min_insync_replicas: values.u32("min.insync.replicas"),
            unclean_leader_election: values.bool("unclean.leader.election.enable"),
        }
    }
}

/// Reads resolved values by name. A name outside the table would read as zero; the test
/// `every_key_that_is_read_is_in_the_table` holds that there is none.
struct Values<'a> {
    layers: &'a ConfigLayers<'a>,
}

impl Values<'_> {
    fn value(&self, name: &str) -> Option<ConfigValue> {
        effective(topic_def(name)?, self.layers)
    }

    fn i64(&self, name: &str) -> i64 {
        self.value(name).and_then(|value| value.as_i64()).unwrap_or_default()
    }

    fn u64(&self, name: &str) -> u64 {
        u64::try_from(self.i64(name)).unwrap_or_default()
    }

    fn u32(&self, name: &str) -> u32 {
        u32::try_from(self.i64(name)).unwrap_or_default()
    }

    fn f64(&self, name: &str) -> f64 {
        self.value(name).and_then(|value| value.as_f64()).unwrap_or_default()
    }

    fn bool(&self, name: &str) -> bool {
        self.value(name).and_then(|value| value.as_bool()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.value(name).map(|value| value.to_string()).unwrap_or_default()
    }

    fn compression(&self) -> CompressionType {
        let level = |name: &str| i32::try_from(self.i64(name)).unwrap_or_default();
        match self.text("compression.type").as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip(level("compression.gzip.level")),
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4(level("compression.lz4.level")),
            "zstd" => CompressionType::Zstd(level("compression.zstd.level")),
            _ => CompressionType::Producer,
        }
    }
}

/// Check a topic's whole configuration as it would be after a change (Kafka's `LogConfig.validate`).
///
/// # Errors
/// The first unknown key, bad value, or contradiction, in Kafka's words.
pub fn validate_topic_configs(configs: &ConfigMap) -> Result<(), ConfigError> {
    for name in configs.keys() {
        if topic_def(name).is_none() {
            let nearest = nearest_name(name, Scope::Topic);
            return Err(ConfigError::Unknown { name: name.clone(), scope: Scope::Topic, nearest });
        }
    }
    // In the order of the table, so that the same mistake always gives the same answer.
    for def in topic_defs() {
        if let Some(text) = configs.get(def.name) {
            def.parse(text)?;
        }
    }
    let lag = |name: &str| {
        let def = topic_def(name)?;
        let set = configs.get(name).and_then(|text| def.parse(text).ok());
        set.or_else(|| def.default_value()).and_then(|value| value.as_i64())
    };
    if let (Some(min), Some(max)) = (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms"))
        && min > max
    {
        return Err(ConfigError::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    refuse_tiered_storage(configs)
}

/// Kafka's words when `remote.storage.enable` meets a broker without tiered storage.
fn refuse_tiered_storage(configs: &ConfigMap) -> Result<(), ConfigError> {
    let asks = |def: &ConfigDef| configs.get(def.name).is_some_and(|text| !table::RefusedKeys::is_off(text));
    if topic_def("remote.storage.enable").is_some_and(asks) {
        return Err(ConfigError::Conflict(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    Ok(())
}
