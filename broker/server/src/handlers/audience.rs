//! The cluster as clients of one listener see it: brokers by the addresses of that listener, and
//! partitions by which of their brokers can be reached there (`KRaftMetadataCache`).

use millrace_metadata::image::{BrokerImage, ClusterImage, EndpointImage, PartitionImage};

/// Operations that Kafka names where nobody restricts any: bits by `AclOperation`'s codes.
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// As [`TOPIC_OPERATIONS`], on a group.
pub(super) const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;
/// As [`TOPIC_OPERATIONS`], on the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// An image, and the listener that the asker came by.
#[derive(Clone, Copy)]
pub(super) struct Audience<'a> {
    pub(super) image: &'a ClusterImage,
    pub(super) listener: &'a str,
}

impl<'a> Audience<'a> {
    /// Brokers that are up and have this listener.
    pub(super) fn brokers(self) -> impl Iterator<Item = (&'a BrokerImage, &'a EndpointImage)> {
        let alive = self.image.brokers.values().filter(|broker| !broker.fenced);
        alive.filter_map(move |broker| Some((&**broker, broker.endpoint(self.listener)?)))
    }

    /// Clients ask the controller by way of any broker; this is one that they can reach, or -1.
    pub(super) fn controller_id(self) -> i32 {
        self.brokers().next().map_or(-1, |(broker, _)| broker.id)
    }

    /// Whether a broker is up and has this listener.
    pub(super) fn reaches(self, broker: i32) -> bool {
        self.image
            .broker(broker)
            .is_some_and(|broker| !broker.fenced && broker.endpoint(self.listener).is_some())
    }

    /// Replicas that cannot be served: their broker is down or not reachable here, or their data
    /// directory is gone.
    pub(super) fn offline_replicas(self, partition: &PartitionImage) -> Vec<i32> {
        let placed = partition.replicas.iter().zip(&partition.directories);
        let offline = placed.filter(|(replica, directory)| {
            let has_directory =
                |broker: &BrokerImage| directory.is_zero() || broker.log_dirs.contains(directory);
            !self.reaches(**replica) || !self.image.broker(**replica).is_some_and(has_directory)
        });
        offline.map(|(replica, _)| *replica).collect()
    }
}
