//! Makes this broker's partitions follow the metadata: logs appear, take new settings and disappear
//! as the image says. Decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_log::config::{
    CleanupPolicy, CompactionConfig, CompressionPolicy, FlushConfig, MessageConfig, ProducerConfig,
    RetentionConfig, SegmentConfig,
};
use millrace_log::{LogConfig, LogError, TopicPartition};
use millrace_metadata::config::{CompressionType, TimestampType, TopicConfig};
use millrace_metadata::image::{ClusterImage, ImageDelta, TopicImage};
use millrace_protocol::records::{Compression, TimestampType as BatchTimestamps};
use tracing::{error, info};

use crate::config::LiveConfig;
use crate::partitions::{Partitions, Placement};

/// What follows the image on this broker.
#[derive(Debug)]
pub(crate) struct Follower {
    node_id: i32,
    partitions: Arc<Partitions>,
    config: Arc<LiveConfig>,
}

impl Follower {
    pub(crate) fn new(node_id: i32, partitions: Arc<Partitions>, config: Arc<LiveConfig>) -> Self {
        Self { node_id, partitions, config }
    }

    /// Brings up everything that the image places here. Blocks on the disk.
    pub(super) fn start(&self, image: &ClusterImage) {
        self.config.follow(image);
        let placements: Vec<_> =
            image.topics.iter().flat_map(|topic| self.placements(image, topic, None)).collect();
        report(self.partitions.place(&placements));
    }

    /// Tries again what could not be opened: a disk that was full may have room by now. Blocks on the
    /// disk.
    pub(super) fn retry(&self, image: &ClusterImage) {
        for (topic, index) in self.partitions.offline() {
            let Some(topic) = image.topics.by_name(&topic) else { continue };
            let again: Vec<_> = self.placements(image, topic, Some(&BTreeSet::from([index]))).collect();
            let failed = self.partitions.place(&again);
            if failed.is_empty() {
                info!(partition = %TopicPartition::new(&*topic.name, index), "partition is online again");
            }
            report(failed);
        }
    }

    /// Follows from one image to the next. Blocks on the disk.
    pub(super) fn follow(&self, image: &ClusterImage, delta: &ImageDelta) {
        if delta.broker_configs {
            self.config.follow(image);
        }
        for topic in &delta.deleted_topics {
            report(self.partitions.remove(&topic.id));
        }
        let mut placements = Vec::new();
        for (id, changed) in &delta.topics {
            if let Some(topic) = image.topics.by_id(*id) {
                placements.extend(self.placements(image, topic, Some(&changed.partitions)));
            }
        }
        report(self.partitions.place(&placements));
        for topic in image
            .topics
            .iter()
            .filter(|topic| delta.broker_configs || delta.topic_configs.contains(&*topic.name))
        {
            self.partitions.configure(&topic.name, &self.log_config(image, &topic.name));
        }
    }

    /// The topic's partitions that have a replica here; only those in `changed`, if given.
    fn placements<'a>(
        &'a self,
        image: &'a ClusterImage,
        topic: &'a TopicImage,
        changed: Option<&'a BTreeSet<i32>>,
    ) -> impl Iterator<Item = Placement> + 'a {
        let config = self.log_config(image, &topic.name);
        let here = topic.partitions.iter().filter(move |(index, partition)| {
            partition.replicas.contains(&self.node_id)
                && changed.is_none_or(|changed| changed.contains(index))
        });
        here.map(move |(index, partition)| Placement {
            topic: Arc::clone(&topic.name),
            topic_id: topic.id,
            index: *index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            config: Arc::clone(&config),
        })
    }

    fn log_config(&self, image: &ClusterImage, topic: &str) -> Arc<LogConfig> {
        let settings = self.config.load();
        let node = self.node_id.to_string();
        let layers = image.configs.topic_layers(topic, &node, &settings.properties);
        let producers = ProducerConfig {
            expiration_ms: settings.log.producer_id_expiration_ms,
            ..ProducerConfig::default()
        };
        Arc::new(to_log_config(&TopicConfig::resolve(&layers), producers))
    }
}

fn report(failed: Vec<(TopicPartition, LogError)>) {
    // When the broker is told to end, that is told once, by whoever ends it.
    let told = failed.into_iter().filter(|(_, reason)| !matches!(reason, LogError::Interrupted));
    for (partition, reason) in told {
        error!(%partition, "partition is offline: {reason}");
    }
}

/// A topic's settings in the log's own words.
fn to_log_config(topic: &TopicConfig, producers: ProducerConfig) -> LogConfig {
    let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let limit = |limit: Option<u64>| limit.map_or(-1, ms);
    let (segment, retention, cleanup, message) =
        (&topic.segment, &topic.retention, &topic.cleanup, &topic.message);
    LogConfig {
        segment: SegmentConfig {
            bytes: segment.bytes,
            ms: ms(segment.ms),
            jitter_ms: ms(segment.jitter_ms),
            index_bytes: segment.index_bytes,
            index_interval_bytes: segment.index_interval_bytes,
        },
        flush: FlushConfig { messages: ms(topic.flush.messages), ms: ms(topic.flush.ms) },
        retention: RetentionConfig {
            policy: CleanupPolicy { delete: cleanup.delete, compact: cleanup.compact },
            ms: limit(retention.ms),
            bytes: limit(retention.bytes),
            file_delete_delay_ms: ms(retention.file_delete_delay_ms),
        },
        compaction: CompactionConfig {
            min_cleanable_dirty_ratio_ppm: (cleanup.min_cleanable_dirty_ratio * 1e6) as u32,
            delete_retention_ms: ms(cleanup.tombstone_retention_ms),
            min_lag_ms: ms(cleanup.min_compaction_lag_ms),
            max_lag_ms: ms(cleanup.max_compaction_lag_ms),
        },
        message: MessageConfig {
            max_bytes: message.max_bytes,
            compression: compression(message.compression),
            timestamp_type: match message.timestamp_type {
                TimestampType::CreateTime => BatchTimestamps::CreateTime,
                TimestampType::LogAppendTime => BatchTimestamps::LogAppendTime,
            },
            timestamp_before_max_ms: ms(message.timestamp_before_max_ms),
            timestamp_after_max_ms: ms(message.timestamp_after_max_ms),
            ..MessageConfig::default()
        },
        producers,
    }
}

/// Levels of codecs are the codecs' own defaults: a broker recompresses rarely.
fn compression(kind: CompressionType) -> CompressionPolicy {
    match kind {
        CompressionType::Producer => CompressionPolicy::Producer,
        CompressionType::Uncompressed => CompressionPolicy::Codec(Compression::None),
        CompressionType::Gzip(_) => CompressionPolicy::Codec(Compression::Gzip),
        CompressionType::Snappy => CompressionPolicy::Codec(Compression::Snappy),
        CompressionType::Lz4(_) => CompressionPolicy::Codec(Compression::Lz4),
        CompressionType::Zstd(_) => CompressionPolicy::Codec(Compression::Zstd),
    }
}
