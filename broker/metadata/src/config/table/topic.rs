//! Topic-level keys, all of Kafka 4.1's, with the broker-level keys that stand in for them.

use super::super::def::ConfigType::{Boolean, Double, Int, List, Long, String};
use super::super::def::Validator::{Any, AtLeast, Between, Custom, Fraction, OneOf};
use super::super::def::{ConfigDef, Synonym, Unit, Validator, same, topic};
use super::super::value::ConfigValue;

/// `compression.type`, as Kafka orders them in its error message.
pub(in crate::config) const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

/// The clean-up policies, as Kafka orders them in its error message.
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];

/// gzip knows levels 1 to 9, and -1 for its own default.
pub(super) const GZIP_LEVEL: Validator = Custom {
    rule: "Value must be between 1 and 9 or equal to -1",
    check: |value| value.as_i64().is_some_and(|level| level == -1 || (1..=9).contains(&level)),
};

/// `*`, or `partition:broker` pairs; Kafka's `ThrottledReplicaListValidator`.
const THROTTLED_REPLICAS: Validator = Custom {
    rule: "{name} must be the literal '*' or a list of replicas in the following format: \
           [partitionId]:[brokerId],[partitionId]:[brokerId],...",
    check: |value| match value {
        ConfigValue::List(list) if list.len() == 1 && list[0] == "*" => true,
        ConfigValue::List(list) => list.iter().all(|pair| is_replica(pair)),
        _ => false,
    },
};

fn is_replica(pair: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    pair.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
}

/// The broker's defaults of `retention.ms`, in any unit: for ever, or some time
/// (`KafkaConfig.validateValues`). A topic of its own may have 0.
pub(super) const RETENTION_TIME: Validator = Custom {
    rule: "{name} must be unlimited (-1) or, greater than or equal to 1",
    check: |value| value.as_i64().is_some_and(|time| time != 0),
};

/// The siblings of `log.retention.ms`, in order of precedence.
pub(super) const RETENTION_SYNONYMS: &[Synonym] = &[
    Synonym { name: "log.retention.ms", unit: Unit::MsOrForEver },
    Synonym { name: "log.retention.minutes", unit: Unit::MinutesToMs },
    Synonym { name: "log.retention.hours", unit: Unit::HoursToMs },
];

/// The siblings of `log.roll.ms`, in order of precedence.
pub(super) const ROLL_SYNONYMS: &[Synonym] =
    &[same("log.roll.ms"), Synonym { name: "log.roll.hours", unit: Unit::HoursToMs }];

/// The siblings of `log.roll.jitter.ms`, in order of precedence.
pub(super) const ROLL_JITTER_SYNONYMS: &[Synonym] =
    &[same("log.roll.jitter.ms"), Synonym { name: "log.roll.jitter.hours", unit: Unit::HoursToMs }];

/// The siblings of `log.flush.interval.ms`, in order of precedence.
pub(super) const FLUSH_SYNONYMS: &[Synonym] =
    &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")];

const TIERED: &str = "Tiered storage is not served, so only the default may be set.";

pub(in crate::config) static TOPIC: &[ConfigDef] = &[
    topic(
        "cleanup.policy",
        List,
        "delete",
        OneOf(CLEANUP_POLICIES),
        &[same("log.cleanup.policy")],
        "What happens to old segments: delete removes them by age and size, compact keeps the last \
         record of every key, both together do both.",
    ),
    topic(
        "compression.gzip.level",
        Int,
        "-1",
        GZIP_LEVEL,
        &[same("compression.gzip.level")],
        "Level used when the broker itself compresses with gzip; -1 is the codec's own default.",
    ),
    topic(
        "compression.lz4.level",
        Int,
        "9",
        Between(1, 17),
        &[same("compression.lz4.level")],
        "Level asked of lz4 when the broker itself compresses. The codec here has one level and \
         uses it for all of them.",
    ),
    topic(
        "compression.type",
        String,
        "producer",
        OneOf(COMPRESSION_TYPES),
        &[same("compression.type")],
        "How batches are stored. producer keeps what the producer sent and costs nothing; any other \
         value makes the broker recompress what differs.",
    ),
    topic(
        "compression.zstd.level",
        Int,
        "3",
        Between(-131_072, 22),
        &[same("compression.zstd.level")],
        "Level used when the broker itself compresses with zstd.",
    ),
    topic(
        "delete.retention.ms",
        Long,
        "86400000",
        AtLeast(0),
        &[same("log.cleaner.delete.retention.ms")],
        "How long a compacted log keeps tombstones, so that a consumer reading from the start still \
         sees the deletion if it gets through in this time.",
    ),
    topic(
        "file.delete.delay.ms",
        Long,
        "60000",
        AtLeast(0),
        &[same("log.segment.delete.delay.ms")],
        "How long a deleted segment's files stay on disk, so that reads under way can finish.",
    ),
    topic(
        "flush.messages",
        Long,
        "9223372036854775807",
        AtLeast(1),
        &[same("log.flush.interval.messages")],
        "Flush to disk after this many records. The default leaves it to the operating system; 1 \
         acknowledges nothing that is not on disk.",
    ),
    topic(
        "flush.ms",
        Long,
        "9223372036854775807",
        AtLeast(0),
        FLUSH_SYNONYMS,
        "Flush to disk when the oldest unflushed record is this old.",
    ),
    topic(
        "follower.replication.throttled.replicas",
        List,
        "",
        THROTTLED_REPLICAS,
        &[],
        "Replicas whose fetching is throttled on the follower's side: *, or partition:broker pairs.",
    ),
    topic(
        "index.interval.bytes",
        Int,
        "4096",
        AtLeast(0),
        &[same("log.index.interval.bytes")],
        "An index entry is written once for about this many bytes of log.",
    ),
    topic(
        "leader.replication.throttled.replicas",
        List,
        "",
        THROTTLED_REPLICAS,
        &[],
        "Replicas whose fetching is throttled on the leader's side: *, or partition:broker pairs.",
    ),
    topic(
        "local.retention.bytes",
        Long,
        "-2",
        AtLeast(-2),
        &[same("log.local.retention.bytes")],
        "Bytes kept locally once segments are in remote storage; -2 follows retention.bytes. \
         Tiered storage is not served, so it has no effect.",
    ),
    topic(
        "local.retention.ms",
        Long,
        "-2",
        AtLeast(-2),
        &[same("log.local.retention.ms")],
        "Time segments are kept locally once they are in remote storage; -2 follows retention.ms. \
         Tiered storage is not served, so it has no effect.",
    ),
    topic(
        "max.compaction.lag.ms",
        Long,
        "9223372036854775807",
        AtLeast(1),
        &[same("log.cleaner.max.compaction.lag.ms")],
        "The longest a record may wait before its log is compacted, however clean the log is.",
    ),
    topic(
        "max.message.bytes",
        Int,
        "1048588",
        AtLeast(0),
        &[same("message.max.bytes")],
        "The largest record batch accepted, after compression and with its header.",
    ),
    topic(
        "message.timestamp.after.max.ms",
        Long,
        "3600000",
        AtLeast(0),
        &[same("log.message.timestamp.after.max.ms")],
        "How far a record's timestamp may lie in the future. Applies to CreateTime.",
    ),
    topic(
        "message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        AtLeast(0),
        &[same("log.message.timestamp.before.max.ms")],
        "How far a record's timestamp may lie in the past. Applies to CreateTime.",
    ),
    topic(
        "message.timestamp.type",
        String,
        "CreateTime",
        OneOf(&["CreateTime", "LogAppendTime"]),
        &[same("log.message.timestamp.type")],
        "Whether records carry the time the producer gave them or the time they were appended.",
    ),
    topic(
        "min.cleanable.dirty.ratio",
        Double,
        "0.5",
        Fraction(0.0, 1.0),
        &[same("log.cleaner.min.cleanable.ratio")],
        "A log is compacted once this part of it has not been compacted yet.",
    ),
    topic(
        "min.compaction.lag.ms",
        Long,
        "0",
        AtLeast(0),
        &[same("log.cleaner.min.compaction.lag.ms")],
        "How long a record stays out of reach of compaction.",
    ),
    topic(
        "min.insync.replicas",
        Int,
        "1",
        AtLeast(1),
        &[same("min.insync.replicas")],
        "With acks=all, a write is accepted only while at least this many replicas are in sync.",
    ),
    topic(
        "preallocate",
        Boolean,
        "false",
        Any,
        &[same("log.preallocate")],
        "Reserve a segment's whole size on disk when it is created.",
    ),
    topic("remote.log.copy.disable", Boolean, "false", Any, &[], TIERED),
    topic("remote.log.delete.on.disable", Boolean, "false", Any, &[], TIERED),
    topic("remote.storage.enable", Boolean, "false", Any, &[], TIERED),
    topic(
        "retention.bytes",
        Long,
        "-1",
        Any,
        &[same("log.retention.bytes")],
        "With cleanup.policy=delete, the size a partition may reach before its oldest segments are \
         deleted; -1 is no limit. It counts for each partition.",
    ),
    topic(
        "retention.ms",
        Long,
        "604800000",
        AtLeast(-1),
        RETENTION_SYNONYMS,
        "With cleanup.policy=delete, how long records are kept; -1 is for ever.",
    ),
    topic(
        "segment.bytes",
        Int,
        "1073741824",
        AtLeast(1_048_576),
        &[same("log.segment.bytes")],
        "A new segment is begun when the next batch would take the current one past this size. \
         Retention and compaction work on whole closed segments.",
    ),
    topic(
        "segment.index.bytes",
        Int,
        "10485760",
        AtLeast(4),
        &[same("log.index.size.max.bytes")],
        "The largest size of a segment's offset index; when it is reached a new segment is begun.",
    ),
    topic(
        "segment.jitter.ms",
        Long,
        "0",
        AtLeast(0),
        ROLL_JITTER_SYNONYMS,
        "At most this much, at random, is taken off segment.ms, so that many logs do not roll at once.",
    ),
    topic(
        "segment.ms",
        Long,
        "604800000",
        AtLeast(1),
        ROLL_SYNONYMS,
        "A new segment is begun when the current one is this old, however small it is.",
    ),
    topic(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        Any,
        &[same("unclean.leader.election.enable")],
        "Allow a replica that is not in sync to become leader when no other is left, at the price of \
         the records that it lacks.",
    ),
];
