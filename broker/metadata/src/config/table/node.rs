//! Broker-level keys of the node and of the cluster's metadata: who it is, what it may create,
//! and how its metadata log is kept.

use super::super::def::ConfigType::{Boolean, Int, List, Long, String};
use super::super::def::Validator::{Any, AtLeast, OneOf};
use super::super::def::{ConfigDef, Synonym, broker, same};

const NODE_ID_SYNONYMS: &[Synonym] = &[same("node.id"), same("broker.id")];

pub(super) static NODE: &[ConfigDef] = &[
    broker(
        "node.id",
        Int,
        Some("1"),
        AtLeast(0),
        "The node's number, unique in the cluster and written into its data directory at first start. \
         Kafka has no default; a node alone is 1.",
    )
    .siblings(NODE_ID_SYNONYMS),
    broker(
        "broker.id",
        Int,
        None,
        AtLeast(-1),
        "The older name of node.id; -1 is unset. If both are set they must agree.",
    )
    .siblings(NODE_ID_SYNONYMS),
    broker(
        "process.roles",
        List,
        Some("broker,controller"),
        OneOf(&["broker", "controller"]),
        "What the process is. A node alone is both.",
    ),
    broker(
        "broker.rack",
        String,
        None,
        Any,
        "Rack or zone of this broker: replicas are spread over racks, and clients are told it.",
    ),
    broker(
        "auto.create.topics.enable",
        Boolean,
        Some("true"),
        Any,
        "Create a topic when a client first asks for its metadata.",
    ),
    broker(
        "delete.topic.enable",
        Boolean,
        Some("true"),
        Any,
        "Allow topics to be deleted; otherwise DeleteTopics is answered with TOPIC_DELETION_DISABLED.",
    ),
    broker(
        "num.partitions",
        Int,
        Some("1"),
        AtLeast(1),
        "Partitions of topics created on first use or without a number.",
    ),
    broker(
        "request.timeout.ms",
        Int,
        Some("30000"),
        AtLeast(1),
        "How long the broker waits for its own requests to other nodes.",
    ),
    broker(
        "controller.listener.names",
        List,
        None,
        Any,
        "Names of listeners meant for the metadata quorum only; clients are not told of them.",
    ),
    broker(
        "controller.quorum.voters",
        List,
        Some(""),
        Any,
        "Voters of the metadata quorum, as ID@HOST:PORT separated by commas. Empty: this node alone.",
    ),
    broker(
        "controller.quorum.bootstrap.servers",
        List,
        Some(""),
        Any,
        "Nodes to ask for the metadata quorum, as HOST:PORT separated by commas. Empty: this node alone.",
    ),
    broker(
        "metadata.log.dir",
        String,
        None,
        Any,
        "Directory of the metadata log. Unset, the first of log.dirs.",
    ),
    broker(
        "metadata.log.segment.bytes",
        Int,
        Some("1073741824"),
        AtLeast(8_388_608),
        "Size at which a new segment of the metadata log is begun.",
    ),
    broker(
        "metadata.log.segment.ms",
        Long,
        Some("604800000"),
        Any,
        "Age at which a new segment of the metadata log is begun.",
    ),
    broker(
        "metadata.log.max.record.bytes.between.snapshots",
        Long,
        Some("20971520"),
        AtLeast(1),
        "Bytes of metadata records after which a snapshot is written and older records may go.",
    ),
];
