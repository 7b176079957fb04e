//! The cluster as all readers see it: immutable, cheap to clone, and changed only by replaying
//! records into the next one.
//!
//! It must never decide anything: a record that was committed is replayed, whatever it says.

mod brokers;
mod configs;
mod delta;
mod replay;
mod snapshot;
mod topics;

use std::sync::Arc;

pub use self::brokers::{BrokerImage, EndpointImage, SupportedFeature};
pub use self::configs::{ConfigsImage, ResourceType};
pub use self::delta::{ImageDelta, TopicDelta};
pub(crate) use self::replay::NO_LEADER_CHANGE;
pub use self::replay::ReplayError;
pub(crate) use self::snapshot::partition_record;
pub(crate) use self::topics::has_collision_chars;
pub use self::topics::{
    DIRECTORY_LOST, DIRECTORY_MIGRATING, NO_LEADER, PartitionImage, TopicImage, TopicsImage,
};

/// Name of the feature whose level says which records and versions may be written.
pub const METADATA_VERSION: &str = "metadata.version";

/// The level of [`METADATA_VERSION`] that is written here: Kafka's 4.1-IV1.
pub const METADATA_VERSION_LEVEL: i16 = 27;

/// Topic of consumer groups' offsets and membership.
pub const GROUP_METADATA_TOPIC: &str = "__consumer_offsets";
/// Topic of transactions' state.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
/// Topic of share groups' state.
pub const SHARE_GROUP_STATE_TOPIC: &str = "__share_group_state";
/// The metadata log itself, which is no topic for clients.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// Whether clients are told that a topic is internal (Kafka's `Topic.isInternal`).
#[must_use]
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, GROUP_METADATA_TOPIC | TRANSACTION_STATE_TOPIC | SHARE_GROUP_STATE_TOPIC)
}

/// Everything the cluster has agreed on.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterImage {
    /// The cluster's id, fixed when it is founded.
    pub cluster_id: Arc<str>,
    /// Topics and their partitions.
    pub topics: TopicsImage,
    /// Brokers that have registered, by node id.
    pub brokers: imbl::OrdMap<i32, Arc<BrokerImage>>,
    /// Settings made at run time.
    pub configs: ConfigsImage,
    /// Levels of features.
    pub features: imbl::OrdMap<String, i16>,
    /// The first producer id that no broker was given yet.
    pub next_producer_id: i64,
}

impl ClusterImage {
    /// The image of a cluster in which nothing has happened yet.
    #[must_use]
    pub fn new(cluster_id: &str) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            topics: TopicsImage::default(),
            brokers: imbl::OrdMap::new(),
            configs: ConfigsImage::default(),
            features: imbl::OrdMap::new(),
            next_producer_id: 0,
        }
    }

    /// The broker of this node id.
    #[must_use]
    pub fn broker(&self, node_id: i32) -> Option<&BrokerImage> {
        self.brokers.get(&node_id).map(Arc::as_ref)
    }

    /// Whether a broker may hold replicas that are in sync: registered, not fenced, and not on its
    /// way down (Kafka's `ClusterControlManager.isActive`).
    #[must_use]
    pub fn is_active(&self, node_id: i32) -> bool {
        self.broker(node_id).is_some_and(BrokerImage::is_active)
    }
}
