//! An image as the records that make it: what stands in place of the log's beginning once that is
//! dropped.

use millrace_protocol::messages::metadata_records as r;

use super::{BrokerImage, ClusterImage, PartitionImage, TopicImage};
use crate::record::MetadataRecord;

impl ClusterImage {
    /// The records that, replayed into an empty image of the same cluster, give this image.
    ///
    /// In Kafka's order (`MetadataImage.write`): features first, since they say how to read the
    /// rest. They are made one at a time, so that a large image needs no second copy in memory.
    pub fn snapshot_records(&self) -> impl Iterator<Item = MetadataRecord> {
        let features = self
            .features
            .iter()
            .map(|(name, level)| r::FeatureLevelRecord { name: name.clone(), feature_level: *level }.into());
        let brokers = self.brokers.values().map(|broker| register_broker(broker).into());
        let topics = self.topics.iter().flat_map(|topic| topic_records(topic));
        let configs = self.configs.iter().flat_map(|(kind, resource, configs)| {
            configs.iter().map(move |(name, value)| {
                r::ConfigRecord {
                    resource_type: kind.wire_id(),
                    resource_name: resource.to_owned(),
                    name: name.clone(),
                    value: Some(value.clone()),
                }
                .into()
            })
        });
        let producer_ids = (self.next_producer_id != 0).then(|| {
            let next_producer_id = self.next_producer_id;
            r::ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id }.into()
        });
        features.chain(brokers).chain(topics).chain(configs).chain(producer_ids)
    }
}

fn register_broker(broker: &BrokerImage) -> r::RegisterBrokerRecord {
    r::RegisterBrokerRecord {
        broker_id: broker.id,
        is_migrating_zk_broker: false,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: broker
            .endpoints
            .iter()
            .map(|endpoint| r::BrokerEndpoint {
                name: endpoint.name.clone(),
                host: endpoint.host.clone(),
                port: endpoint.port,
                security_protocol: endpoint.security_protocol,
            })
            .collect(),
        features: broker
            .features
            .iter()
            .map(|feature| r::BrokerFeature {
                name: feature.name.clone(),
                min_supported_version: feature.min_version,
                max_supported_version: feature.max_version,
            })
            .collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.log_dirs.clone(),
    }
}

fn topic_records(topic: &TopicImage) -> impl Iterator<Item = MetadataRecord> {
    let record = r::TopicRecord { name: topic.name.to_string(), topic_id: topic.id };
    let partitions = topic
        .partitions
        .iter()
        .map(|(index, partition)| partition_record(topic.id, *index, partition).into());
    std::iter::once(record.into()).chain(partitions)
}

/// The record that makes a partition what it is.
pub(crate) fn partition_record(
    topic_id: millrace_protocol::Uuid,
    partition_id: i32,
    partition: &PartitionImage,
) -> r::PartitionRecord {
    r::PartitionRecord {
        partition_id,
        topic_id,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
        removing_replicas: partition.removing_replicas.clone(),
        adding_replicas: partition.adding_replicas.clone(),
        leader: partition.leader,
        leader_recovery_state: partition.leader_recovery_state,
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: None,
        last_known_elr: None,
    }
}
