//! Broker-level keys of consumer groups and of the topic that holds their offsets.

use super::super::def::ConfigType::{Int, Long, Short};
use super::super::def::Validator::{Any, AtLeast, Between};
use super::super::def::{ConfigDef, broker};

pub(super) static GROUPS: &[ConfigDef] = &[
    broker(
        "group.initial.rebalance.delay.ms",
        Int,
        Some("0"),
        AtLeast(0),
        "How long a new group waits for more members before its first rebalance. Kafka's default is \
         3000, which every start of a lone consumer pays; here members that come later cost one more \
         rebalance. Set it where dozens of consumers start at once.",
    ),
    broker(
        "group.min.session.timeout.ms",
        Int,
        Some("6000"),
        Any,
        "The shortest session timeout a member may ask for.",
    ),
    broker(
        "group.max.session.timeout.ms",
        Int,
        Some("1800000"),
        Any,
        "The longest session timeout a member may ask for.",
    ),
    broker(
        "group.max.size",
        Int,
        Some("2147483647"),
        AtLeast(1),
        "Members of one group; further ones are turned away with GROUP_MAX_SIZE_REACHED.",
    ),
    broker(
        "offset.metadata.max.bytes",
        Int,
        Some("4096"),
        AtLeast(0),
        "The longest metadata text that may be committed beside an offset.",
    ),
    broker(
        "offsets.commit.timeout.ms",
        Int,
        Some("5000"),
        AtLeast(1),
        "How long a commit may wait to be replicated before it is answered with an error.",
    ),
    broker(
        "offsets.load.buffer.size",
        Int,
        Some("5242880"),
        AtLeast(1),
        "Bytes read at a time while a partition of __consumer_offsets is loaded.",
    ),
    broker(
        "offsets.retention.minutes",
        Int,
        Some("10080"),
        AtLeast(1),
        "Offsets of a group without members are forgotten after this long; of a consumer that \
         assigns itself, this long after its last commit.",
    ),
    broker(
        "offsets.retention.check.interval.ms",
        Long,
        Some("600000"),
        AtLeast(1),
        "How often expired offsets are looked for.",
    ),
    broker(
        "offsets.topic.compression.codec",
        Int,
        Some("0"),
        Between(0, 4),
        "Codec of batches written to __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
    ),
    broker(
        "offsets.topic.num.partitions",
        Int,
        Some("50"),
        AtLeast(1),
        "Partitions of __consumer_offsets when it is created. A group belongs to one of them by the \
         hash of its name, so the number must never change afterwards: 50 is enough for a large \
         cluster, and idle partitions cost next to nothing.",
    ),
    broker(
        "offsets.topic.replication.factor",
        Short,
        Some("3"),
        AtLeast(1),
        "Replicas of __consumer_offsets when it is created. Left at its default, it is lowered to the \
         number of brokers there are, so that a broker alone works; set, it is taken at its word.",
    ),
    broker(
        "offsets.topic.segment.bytes",
        Int,
        Some("104857600"),
        AtLeast(1),
        "segment.bytes of __consumer_offsets: small, so that loading and compaction are quick.",
    ),
];
