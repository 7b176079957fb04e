//! What admin calls take and give. Plain data.

use std::collections::BTreeMap;

use millrace_protocol::{ErrorCode, Uuid};

use crate::cluster::BrokerNode;
use crate::error::ClientError;
use crate::topic_partition::{CommittedOffset, TopicPartition};

/// Results of a call about many things, each on its own, in the order asked.
pub type Each<N, T> = Vec<(N, Result<T, ClientError>)>;

/// A topic to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` leaves it to the broker (KIP-464).
    pub num_partitions: Option<i32>,
    /// How many replicas; `None` leaves it to the broker.
    pub replication_factor: Option<i16>,
    /// Brokers of each partition's replicas, instead of the two counts.
    pub assignments: Vec<Vec<i32>>,
    /// Settings that differ from the broker's defaults.
    pub configs: Vec<(String, String)>,
}

/// A topic that was created, or would have been.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedTopic {
    /// Its id; zero from brokers that have none.
    pub id: Uuid,
    /// Its partitions; -1 when the broker does not tell.
    pub num_partitions: i32,
    /// Its replicas; -1 when the broker does not tell.
    pub replication_factor: i16,
    /// Its settings, defaults included.
    pub configs: Vec<ConfigEntry>,
}

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers that have none.
    pub id: Uuid,
    /// Whether it belongs to the broker itself.
    pub is_internal: bool,
}

/// A topic to grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many partitions it is to have in all.
    pub total_count: i32,
    /// Brokers of each new partition's replicas; `None` leaves it to the broker.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// What a configuration belongs to (`org.apache.kafka.common.config.ConfigResource.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A topic.
    Topic,
    /// A broker; the empty name stands for the defaults of all.
    Broker,
    /// The loggers of a broker.
    BrokerLogger,
    /// A metrics subscription.
    ClientMetrics,
    /// A group.
    Group,
}

impl ResourceKind {
    pub(crate) fn on_the_wire(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }
}

/// One configurable thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name; a broker's is its id.
    pub name: String,
}

/// Where a setting's value comes from (`ConfigEntry.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigSource {
    /// The broker did not tell.
    Unknown,
    /// Set for the topic.
    DynamicTopic,
    /// Set for the broker.
    DynamicBroker,
    /// Set for all brokers.
    DynamicDefaultBroker,
    /// The broker's property file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// Set for the broker's logger.
    DynamicBrokerLogger,
    /// Set for the metrics subscription.
    ClientMetrics,
    /// Set for the group.
    DynamicGroup,
}

impl ConfigSource {
    pub(crate) fn from_wire(number: i8) -> Self {
        match number {
            1 => Self::DynamicTopic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::DynamicBrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::DynamicGroup,
            _ => Self::Unknown,
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key.
    pub name: String,
    /// Its value; `None` when there is none, or it is secret.
    pub value: Option<String>,
    /// It cannot be changed.
    pub read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Its value is not shown.
    pub sensitive: bool,
    /// All places that name the setting, the deciding one first, when asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// Its type by Kafka's number (`DescribeConfigsResponse.ConfigType`); 0 when unknown.
    pub kind: i8,
    /// What it does, when asked for.
    pub documentation: Option<String>,
}

/// A place that names a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key in that place.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// What to tell beside values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeConfigsOptions {
    /// All places that name a setting.
    pub synonyms: bool,
    /// What settings do.
    pub documentation: bool,
}

/// How to change a setting (KIP-339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterOp {
    /// Give it this value.
    Set,
    /// Back to the default.
    Delete,
    /// Add entries to a list.
    Append,
    /// Take entries from a list.
    Subtract,
}

impl AlterOp {
    pub(crate) fn on_the_wire(self) -> i8 {
        match self {
            Self::Set => 0,
            Self::Delete => 1,
            Self::Append => 2,
            Self::Subtract => 3,
        }
    }
}

/// A change to one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfigOp {
    /// The key.
    pub name: String,
    /// What to do.
    pub op: AlterOp,
    /// The value, where one is needed.
    pub value: Option<String>,
}

/// Which groups to list; empty lists mean all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListGroupsOptions {
    /// States by Kafka's name (`Stable`, `Empty` ...).
    pub states: Vec<String>,
    /// Types by Kafka's name (`classic`, `consumer` ...).
    pub types: Vec<String>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group: String,
    /// `consumer` for consumers, empty for standalone commits.
    pub protocol_type: String,
    /// Its state; empty from brokers that do not tell.
    pub state: String,
    /// Its type; empty from brokers that do not tell.
    pub kind: String,
}

/// Groups, and the brokers that could not be asked.
#[derive(Debug, Clone, Default)]
pub struct GroupListings {
    /// By id, without repetition.
    pub groups: Vec<GroupListing>,
    /// One for each broker that did not answer well.
    pub errors: Vec<ClientError>,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub group: String,
    /// Its state by Kafka's name; `Dead` when there is no such group.
    pub state: String,
    /// `consumer`, `connect` ...
    pub protocol_type: String,
    /// The assignor that the members agreed on.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: BrokerNode,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// Its fixed name, for static members.
    pub group_instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from, as the broker prints it.
    pub host: String,
    /// What it reads; empty for protocols other than `consumer`.
    pub assignment: Vec<TopicPartition>,
    /// What it subscribed to; empty when the broker does not tell.
    pub subscription: Vec<String>,
}

/// Who is to leave a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberToRemove {
    /// A member by its id.
    Id(String),
    /// A static member by its fixed name.
    Instance(String),
}

/// Committed offsets of a group by partition; `None` where nothing is committed.
pub type GroupOffsets = BTreeMap<TopicPartition, Result<Option<CommittedOffset>, ClientError>>;

/// Which offset to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one after the last.
    Latest,
    /// Of the record with the greatest timestamp (KIP-734).
    MaxTimestamp,
    /// Of the first record at or after this time, in milliseconds since 1970.
    Timestamp(i64),
    /// The first on the broker's own disk (KIP-405).
    EarliestLocal,
    /// The last in tiered storage (KIP-1005).
    LatestTiered,
}

impl OffsetSpec {
    pub(crate) fn on_the_wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::Timestamp(ms) => ms,
        }
    }

    /// The first version of ListOffsets that knows it.
    pub(crate) fn since_version(self) -> i16 {
        match self {
            Self::Latest | Self::Earliest | Self::Timestamp(_) => 1,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
        }
    }
}

/// An offset that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; -1 when no record matches.
    pub offset: i64,
    /// The record's time in milliseconds since 1970; -1 when the question was not about time.
    pub timestamp_ms: i64,
    /// Leader epoch of the record, when known.
    pub leader_epoch: Option<i32>,
}

/// The cluster itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: String,
    /// The controller's id, when there is one.
    pub controller: Option<i32>,
    /// Its brokers by id.
    pub brokers: Vec<BrokerNode>,
}

/// The quorum that orders the cluster's metadata (KIP-595).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The leader's id, when there is one.
    pub leader: Option<i32>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Offset up to which records are committed.
    pub high_watermark: i64,
    /// Nodes whose votes count.
    pub voters: Vec<QuorumReplica>,
    /// Nodes that only read.
    pub observers: Vec<QuorumReplica>,
}

/// A node with a copy of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node's id.
    pub id: i32,
    /// Id of its data directory, drawn when the directory was first used; `None` from nodes that do not tell
    /// (KIP-853). With the node's id it says whether a node still has what it had.
    pub directory_id: Option<Uuid>,
    /// Offset that its next record will get; -1 when unknown.
    pub log_end_offset: i64,
}

/// A directory with logs on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path.
    pub path: String,
    /// Why it cannot be used, if so.
    pub error: ErrorCode,
    /// Size of its file system in bytes, when told.
    pub total_bytes: Option<i64>,
    /// Free bytes of its file system, when told.
    pub usable_bytes: Option<i64>,
    /// The logs in it.
    pub replicas: Vec<LogDirReplica>,
}

/// A partition's log in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// Whose log.
    pub partition: TopicPartition,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// How far it is behind, in records.
    pub offset_lag: i64,
    /// It is being moved here.
    pub is_future: bool,
}

/// A producer that a partition remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerDescription {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// Sequence number of its last record; -1 when unknown.
    pub last_sequence: i32,
    /// Time of its last batch in milliseconds since 1970; -1 when unknown.
    pub last_timestamp_ms: i64,
    /// Epoch of its transaction coordinator; -1 when unknown.
    pub coordinator_epoch: i32,
    /// Where its open transaction starts.
    pub transaction_start_offset: Option<i64>,
}
