//! Broker-level keys of replication that already decide something on a broker alone.

use super::super::def::ConfigType::{Boolean, Int, Long};
use super::super::def::UpdateMode::ClusterWide;
use super::super::def::Validator::{Any, AtLeast, Custom};
use super::super::def::{ConfigDef, broker};

pub(super) static REPLICATION: &[ConfigDef] = &[
    broker(
        "default.replication.factor",
        Int,
        Some("1"),
        Custom {
            rule: "Value must be between 1 and 32767",
            check: |value| value.as_i64().is_some_and(|count| (1..=32_767).contains(&count)),
        },
        "Replicas of topics created on first use or without a number.",
    ),
    broker("min.insync.replicas", Int, Some("1"), AtLeast(1), "Default of the topic's min.insync.replicas.")
        .dynamic(ClusterWide),
    broker(
        "unclean.leader.election.enable",
        Boolean,
        Some("false"),
        Any,
        "Default of the topic's unclean.leader.election.enable.",
    )
    .dynamic(ClusterWide),
    broker(
        "replica.high.watermark.checkpoint.interval.ms",
        Long,
        Some("5000"),
        AtLeast(1),
        "How often high watermarks are written down for the next start.",
    ),
];
