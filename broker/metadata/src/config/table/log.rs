//! Broker-level keys of the log: where data lies, and the defaults of topics.

use super::super::def::ConfigType::{Boolean, Double, Int, List, Long, String};
use super::super::def::UpdateMode::ClusterWide;
use super::super::def::Validator::{Any, AtLeast, Between, Fraction, OneOf};
use super::super::def::{ConfigDef, broker};
use super::topic::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, FLUSH_SYNONYMS, GZIP_LEVEL, RETENTION_SYNONYMS, RETENTION_TIME,
    ROLL_JITTER_SYNONYMS, ROLL_SYNONYMS,
};

pub(super) static LOG: &[ConfigDef] = &[
    broker(
        "log.dir",
        String,
        Some("./millrace-data"),
        Any,
        "Directory of the data when log.dirs is not set. Kafka's default is /tmp/kafka-logs, which a \
         reboot empties; this one is below the working directory.",
    ),
    broker(
        "log.dirs",
        List,
        None,
        Any,
        "Directories of the data, separated by commas; a new partition goes to the one with the \
         fewest. Unset, log.dir is used.",
    ),
    broker(
        "log.segment.bytes",
        Int,
        Some("1073741824"),
        AtLeast(1_048_576),
        "Default of segment.bytes: the size at which a new segment is begun.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.roll.ms",
        Long,
        None,
        AtLeast(1),
        "Default of segment.ms: the age at which a new segment is begun. Unset, log.roll.hours counts.",
    )
    .dynamic(ClusterWide)
    .siblings(ROLL_SYNONYMS),
    broker("log.roll.hours", Int, Some("168"), AtLeast(1), "As log.roll.ms, in hours, and weaker than it.")
        .siblings(ROLL_SYNONYMS),
    broker(
        "log.roll.jitter.ms",
        Long,
        None,
        AtLeast(0),
        "Default of segment.jitter.ms. Unset, log.roll.jitter.hours counts.",
    )
    .dynamic(ClusterWide)
    .siblings(ROLL_JITTER_SYNONYMS),
    broker(
        "log.roll.jitter.hours",
        Int,
        Some("0"),
        AtLeast(0),
        "As log.roll.jitter.ms, in hours, and weaker than it.",
    )
    .siblings(ROLL_JITTER_SYNONYMS),
    broker(
        "log.retention.ms",
        Long,
        None,
        RETENTION_TIME,
        "Default of retention.ms: how long records are kept; -1 is for ever. Unset, \
         log.retention.minutes counts, then log.retention.hours.",
    )
    .dynamic(ClusterWide)
    .siblings(RETENTION_SYNONYMS),
    broker(
        "log.retention.minutes",
        Int,
        None,
        RETENTION_TIME,
        "As log.retention.ms, in minutes, and weaker than it.",
    )
    .siblings(RETENTION_SYNONYMS),
    broker(
        "log.retention.hours",
        Int,
        Some("168"),
        RETENTION_TIME,
        "As log.retention.ms, in hours, and the weakest of the three.",
    )
    .siblings(RETENTION_SYNONYMS),
    broker(
        "log.retention.bytes",
        Long,
        Some("-1"),
        Any,
        "Default of retention.bytes: the size of a partition above which its oldest segments are \
         deleted; -1 is no limit.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.retention.check.interval.ms",
        Long,
        Some("300000"),
        AtLeast(1),
        "How often logs are looked at for segments to delete.",
    ),
    broker(
        "log.index.size.max.bytes",
        Int,
        Some("10485760"),
        AtLeast(4),
        "Default of segment.index.bytes: the largest size of an offset index.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.index.interval.bytes",
        Int,
        Some("4096"),
        AtLeast(0),
        "Default of index.interval.bytes: bytes of log for each index entry.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleanup.policy",
        List,
        Some("delete"),
        OneOf(CLEANUP_POLICIES),
        "Default of cleanup.policy: delete, compact, or both.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.enable",
        Boolean,
        Some("true"),
        Any,
        "Compact logs whose policy says so. Switched off, __consumer_offsets grows without end.",
    ),
    broker(
        "log.cleaner.backoff.ms",
        Long,
        Some("15000"),
        AtLeast(0),
        "How long to wait before looking for logs to compact when none needed it.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.dedupe.buffer.size",
        Long,
        Some("134217728"),
        AtLeast(1_048_576),
        "Bytes of memory that compaction may use to remember keys. A log with more keys than fit is \
         compacted in several passes.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.delete.retention.ms",
        Long,
        Some("86400000"),
        AtLeast(0),
        "Default of delete.retention.ms: how long tombstones are kept.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        Fraction(0.0, 1.0),
        "Default of min.cleanable.dirty.ratio: the uncompacted part that makes a log worth compacting.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        Some("0"),
        AtLeast(0),
        "Default of min.compaction.lag.ms: the youngest age at which a record may be compacted away.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        AtLeast(1),
        "Default of max.compaction.lag.ms: the longest a record waits for compaction.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.segment.delete.delay.ms",
        Long,
        Some("60000"),
        AtLeast(0),
        "Default of file.delete.delay.ms: how long a deleted segment's files stay.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.flush.interval.messages",
        Long,
        Some("9223372036854775807"),
        AtLeast(1),
        "Default of flush.messages: flush to disk after this many records.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.flush.interval.ms",
        Long,
        None,
        Any,
        "Default of flush.ms: flush to disk when the oldest unflushed record is this old. Unset, \
         log.flush.scheduler.interval.ms counts.",
    )
    .dynamic(ClusterWide)
    .siblings(FLUSH_SYNONYMS),
    broker(
        "log.flush.scheduler.interval.ms",
        Long,
        Some("9223372036854775807"),
        Any,
        "Used as log.flush.interval.ms where that is not set.",
    ),
    broker(
        "log.flush.offset.checkpoint.interval.ms",
        Int,
        Some("60000"),
        AtLeast(0),
        "How often the offsets up to which logs are flushed are written down for recovery.",
    ),
    broker(
        "log.flush.start.offset.checkpoint.interval.ms",
        Int,
        Some("60000"),
        AtLeast(0),
        "How often the offsets at which logs start are written down.",
    ),
    broker(
        "log.message.timestamp.type",
        String,
        Some("CreateTime"),
        OneOf(&["CreateTime", "LogAppendTime"]),
        "Default of message.timestamp.type.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.message.timestamp.before.max.ms",
        Long,
        Some("9223372036854775807"),
        AtLeast(0),
        "Default of message.timestamp.before.max.ms: how old a record's timestamp may be.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.message.timestamp.after.max.ms",
        Long,
        Some("3600000"),
        AtLeast(0),
        "Default of message.timestamp.after.max.ms: how far in the future it may be.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.preallocate",
        Boolean,
        Some("false"),
        Any,
        "Default of preallocate: reserve segments on disk when they are created.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.local.retention.bytes",
        Long,
        Some("-2"),
        AtLeast(-2),
        "Default of local.retention.bytes, which has no effect without tiered storage.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.local.retention.ms",
        Long,
        Some("-2"),
        AtLeast(-2),
        "Default of local.retention.ms, which has no effect without tiered storage.",
    )
    .dynamic(ClusterWide),
    broker(
        "log.max.open.files",
        Int,
        Some("0"),
        AtLeast(0),
        "Millrace's own: segment files held open at once, over all partitions; the least recently \
         used are closed. 0 takes half of what the process may open.",
    ),
    broker(
        "message.max.bytes",
        Int,
        Some("1048588"),
        AtLeast(0),
        "Default of max.message.bytes: the largest record batch accepted.",
    )
    .dynamic(ClusterWide),
    broker(
        "compression.type",
        String,
        Some("producer"),
        OneOf(COMPRESSION_TYPES),
        "Default of the topic's compression.type.",
    )
    .dynamic(ClusterWide),
    broker(
        "compression.gzip.level",
        Int,
        Some("-1"),
        GZIP_LEVEL,
        "Default of the topic's compression.gzip.level.",
    )
    .dynamic(ClusterWide),
    broker(
        "compression.lz4.level",
        Int,
        Some("9"),
        Between(1, 17),
        "Default of the topic's compression.lz4.level.",
    )
    .dynamic(ClusterWide),
    broker(
        "compression.zstd.level",
        Int,
        Some("3"),
        Between(-131_072, 22),
        "Default of the topic's compression.zstd.level.",
    )
    .dynamic(ClusterWide),
    broker(
        "producer.id.expiration.ms",
        Int,
        Some("86400000"),
        AtLeast(1),
        "A producer that has written nothing to a partition for this long is forgotten there.",
    )
    .dynamic(ClusterWide),
    broker(
        "producer.id.expiration.check.interval.ms",
        Int,
        Some("600000"),
        AtLeast(1),
        "How often forgotten producers are looked for.",
    ),
    broker(
        "num.recovery.threads.per.data.dir",
        Int,
        Some("2"),
        AtLeast(1),
        "Logs of one data directory that are recovered at the same time after a crash.",
    )
    .dynamic(ClusterWide),
];
