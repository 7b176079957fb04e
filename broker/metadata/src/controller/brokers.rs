//! Founding a cluster and registering a broker (Kafka's `ClusterControlManager`, KIP-631, KIP-858).

use std::sync::Arc;

use millrace_protocol::Uuid;
use millrace_protocol::messages::metadata_records as r;

use super::assignment::default_directory;
use super::{ControllerSettings, Decision};
use crate::config::TopicConfig;
use crate::image::{
    BrokerImage, ClusterImage, DIRECTORY_MIGRATING, EndpointImage, METADATA_VERSION, METADATA_VERSION_LEVEL,
    NO_LEADER, NO_LEADER_CHANGE, PartitionImage, TopicImage,
};
use crate::record::MetadataRecord;

/// A broker that has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Node id.
    pub node_id: i32,
    /// Drawn by this start of its process.
    pub incarnation_id: Uuid,
    /// Addresses it tells to clients.
    pub endpoints: Vec<EndpointImage>,
    /// Rack or zone.
    pub rack: Option<String>,
    /// Ids of its data directories that are online.
    pub log_dirs: Vec<Uuid>,
}

/// The records that a new cluster begins with; none where it has begun.
#[must_use]
pub fn found_cluster(image: &ClusterImage) -> Vec<MetadataRecord> {
    if image.features.contains_key(METADATA_VERSION) {
        return Vec::new();
    }
    let (name, feature_level) = (METADATA_VERSION.to_owned(), METADATA_VERSION_LEVEL);
    vec![r::FeatureLevelRecord { name, feature_level }.into()]
}

/// Register a broker and settle what that means for its partitions. The reply is its epoch, which
/// is `next_offset`, the offset that the first of the records will have.
///
/// Partitions that it leads begin a new leader epoch: records that a crash took from its log must
/// not be confused with those that it writes next (KIP-101). A replica whose data directory is gone
/// is no longer in sync, and is elected only where unclean elections are allowed.
#[must_use]
pub fn register_broker(
    image: &ClusterImage,
    registration: &Registration,
    settings: &ControllerSettings<'_>,
    next_offset: i64,
) -> Decision<i64> {
    let feature = r::BrokerFeature {
        name: METADATA_VERSION.to_owned(),
        min_supported_version: METADATA_VERSION_LEVEL,
        max_supported_version: METADATA_VERSION_LEVEL,
    };
    let record = r::RegisterBrokerRecord {
        broker_id: registration.node_id,
        is_migrating_zk_broker: false,
        incarnation_id: registration.incarnation_id,
        broker_epoch: next_offset,
        end_points: registration.endpoints.iter().map(endpoint_record).collect(),
        features: vec![feature],
        rack: registration.rack.clone(),
        // Its logs are open by the time it asks, so it need not wait for a first heartbeat.
        fenced: false,
        in_controlled_shutdown: false,
        log_dirs: registration.log_dirs.clone(),
    };
    let registered = with_broker(image, registration, next_offset);
    let mut records = vec![record.into()];
    for topic in image.topics.iter() {
        let mut unclean = None;
        for (index, partition) in &topic.partitions {
            if !partition.replicas.contains(&registration.node_id) {
                continue;
            }
            let allows_unclean =
                || *unclean.get_or_insert_with(|| topic_allows_unclean(&registered, topic, settings));
            let change = settle(&registered, registration.node_id, partition, allows_unclean);
            if let Some(change) = change {
                let (partition_id, topic_id) = (*index, topic.id);
                records.push(r::PartitionChangeRecord { partition_id, topic_id, ..change }.into());
            }
        }
    }
    Decision { records, reply: next_offset }
}

/// The image in which the broker is registered, for looking up its directories.
fn with_broker(image: &ClusterImage, registration: &Registration, epoch: i64) -> ClusterImage {
    let broker = BrokerImage {
        id: registration.node_id,
        epoch,
        incarnation_id: registration.incarnation_id,
        endpoints: registration.endpoints.clone(),
        features: Vec::new(),
        rack: registration.rack.clone(),
        fenced: false,
        in_controlled_shutdown: false,
        log_dirs: registration.log_dirs.clone(),
    };
    let mut image = image.clone();
    image.brokers.insert(registration.node_id, Arc::new(broker));
    image
}

fn topic_allows_unclean(image: &ClusterImage, topic: &TopicImage, settings: &ControllerSettings<'_>) -> bool {
    let node = settings.node_id.to_string();
    let layers = image.configs.topic_layers(&topic.name, &node, settings.static_broker);
    TopicConfig::resolve(&layers).unclean_leader_election
}

/// What the return of `broker` changes about a partition that it holds.
fn settle(
    image: &ClusterImage,
    broker: i32,
    partition: &PartitionImage,
    allows_unclean: impl FnOnce() -> bool,
) -> Option<r::PartitionChangeRecord> {
    let in_sync = partition.isr.contains(&broker);
    if !is_lost(image, broker, partition) {
        let elect = partition.leader == broker || (partition.leader == NO_LEADER && in_sync);
        return elect.then(|| r::PartitionChangeRecord { leader: broker, ..Default::default() });
    }
    let others: Vec<i32> = partition.isr.iter().copied().filter(|replica| *replica != broker).collect();
    if !others.is_empty() {
        if !in_sync {
            return None;
        }
        // The last in-sync replica that is up leads; nobody does while none is.
        let leader = if partition.leader == broker {
            others.iter().copied().find(|replica| image.is_active(*replica)).unwrap_or(NO_LEADER)
        } else {
            NO_LEADER_CHANGE
        };
        return Some(r::PartitionChangeRecord { isr: Some(others), leader, ..Default::default() });
    }
    // It was the last one in sync: without an unclean election the partition waits for its disk.
    if allows_unclean() {
        let position = partition.replicas.iter().position(|replica| *replica == broker)?;
        let mut directories = partition.directories.clone();
        *directories.get_mut(position)? = default_directory(image, broker);
        return Some(r::PartitionChangeRecord {
            isr: Some(vec![broker]),
            leader: broker,
            directories: Some(directories),
            ..Default::default()
        });
    }
    (partition.leader != NO_LEADER)
        .then(|| r::PartitionChangeRecord { leader: NO_LEADER, ..Default::default() })
}

/// The directory that held the replica is known, and the broker has it no more.
fn is_lost(image: &ClusterImage, broker: i32, partition: &PartitionImage) -> bool {
    let held = partition.replicas.iter().zip(&partition.directories).find(|(replica, _)| **replica == broker);
    let Some((_, directory)) = held else { return false };
    let told = !directory.is_zero() && *directory != DIRECTORY_MIGRATING;
    told && image.broker(broker).is_some_and(|broker| !broker.log_dirs.contains(directory))
}

fn endpoint_record(endpoint: &EndpointImage) -> r::BrokerEndpoint {
    r::BrokerEndpoint {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    }
}
