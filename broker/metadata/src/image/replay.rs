//! Records into the next image.
//!
//! A record that cannot apply (a partition of a topic that does not exist) means that the log is
//! not the one that this image came from; the caller stops rather than guess.

use std::sync::Arc;

use millrace_protocol::Uuid;
use millrace_protocol::messages::metadata_records as r;

use super::{
    BrokerImage, ClusterImage, EndpointImage, ImageDelta, NO_LEADER, PartitionImage, ResourceType,
    SupportedFeature, TopicImage,
};
use crate::record::MetadataRecord;

/// A record that does not fit the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A topic of this id is not there.
    #[error("the record names topic id {0}, which does not exist")]
    UnknownTopic(Uuid),
    /// A partition is not there.
    #[error("the record names partition {partition} of topic id {topic}, which does not exist")]
    UnknownPartition {
        /// The topic.
        topic: Uuid,
        /// The partition.
        partition: i32,
    },
    /// A topic of this name is there already, with another id.
    #[error("the record creates topic {0}, which exists")]
    TopicExists(String),
    /// A broker has not registered, or has registered anew since.
    #[error("the record names broker {id} at epoch {epoch}, which is not registered")]
    UnknownBroker {
        /// Node id.
        id: i32,
        /// The epoch of the registration that the record means.
        epoch: i64,
    },
    /// Settings of a kind of resource that is not known.
    #[error("the record configures a resource of unknown type {0}")]
    UnknownResourceType(i8),
}

/// `PartitionChangeRecord.leader` of a record that leaves the leader alone.
pub(crate) const NO_LEADER_CHANGE: i32 = -2;

impl ClusterImage {
    /// The image after `records`, and what they changed.
    ///
    /// # Errors
    /// [`ReplayError`] of the first record that does not fit.
    pub fn apply<'a>(
        &self,
        records: impl IntoIterator<Item = &'a MetadataRecord>,
    ) -> Result<(Self, ImageDelta), ReplayError> {
        let mut next = self.clone();
        let mut delta = ImageDelta::default();
        for record in records {
            next.replay(record, &mut delta)?;
        }
        Ok((next, delta))
    }

    /// Take one record in, adding what it changed to `delta`.
    ///
    /// # Errors
    /// [`ReplayError`] when the record does not fit; the image is then as it was.
    pub fn replay(&mut self, record: &MetadataRecord, delta: &mut ImageDelta) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::Topic(record) => self.replay_topic(record, delta),
            MetadataRecord::RemoveTopic(record) => self.replay_remove_topic(record, delta),
            MetadataRecord::Partition(record) => self.replay_partition(record, delta),
            MetadataRecord::PartitionChange(record) => self.replay_partition_change(record, delta),
            MetadataRecord::Config(record) => self.replay_config(record, delta),
            MetadataRecord::RegisterBroker(record) => {
                self.replay_register_broker(record, delta);
                Ok(())
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.registered(record.broker_id, record.broker_epoch)?;
                self.brokers.remove(&record.broker_id);
                delta.brokers.insert(record.broker_id);
                Ok(())
            }
            MetadataRecord::FenceBroker(record) => {
                self.change_broker(record.id, record.epoch, delta, |broker| broker.fenced = true)
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.change_broker(record.id, record.epoch, delta, |broker| broker.fenced = false)
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                self.change_broker(record.broker_id, record.broker_epoch, delta, |broker| {
                    apply_registration_change(broker, record);
                })
            }
            MetadataRecord::FeatureLevel(record) => {
                match record.feature_level {
                    // Level 0 is how Kafka switches a feature off.
                    0 => self.features.remove(&record.name),
                    level => self.features.insert(record.name.clone(), level),
                };
                Ok(())
            }
            MetadataRecord::ProducerIds(record) => {
                self.next_producer_id = record.next_producer_id;
                Ok(())
            }
            MetadataRecord::NoOp(_) => Ok(()),
        }
    }

    fn replay_topic(&mut self, record: &r::TopicRecord, delta: &mut ImageDelta) -> Result<(), ReplayError> {
        if self.topics.by_name(&record.name).is_some() || self.topics.by_id(record.topic_id).is_some() {
            return Err(ReplayError::TopicExists(record.name.clone()));
        }
        let (name, partitions) = (record.name.as_str().into(), imbl::OrdMap::new());
        self.topics.insert(TopicImage { name, id: record.topic_id, partitions });
        delta.topics.entry(record.topic_id).or_default().created = true;
        Ok(())
    }

    fn replay_remove_topic(
        &mut self,
        record: &r::RemoveTopicRecord,
        delta: &mut ImageDelta,
    ) -> Result<(), ReplayError> {
        let removed =
            self.topics.remove(record.topic_id).ok_or(ReplayError::UnknownTopic(record.topic_id))?;
        self.configs.remove_resource(ResourceType::Topic, &removed.name);
        delta.topic_configs.remove(&*removed.name);
        let created_in_this_delta = delta.topics.remove(&record.topic_id).is_some_and(|topic| topic.created);
        if !created_in_this_delta {
            delta.deleted_topics.push(removed);
        }
        Ok(())
    }

    fn replay_partition(
        &mut self,
        record: &r::PartitionRecord,
        delta: &mut ImageDelta,
    ) -> Result<(), ReplayError> {
        let topic = self.topics.get_mut(record.topic_id).ok_or(ReplayError::UnknownTopic(record.topic_id))?;
        let partition = PartitionImage {
            replicas: record.replicas.clone(),
            directories: directories(&record.directories, record.replicas.len()),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            leader: record.leader,
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        };
        topic.partitions.insert(record.partition_id, Arc::new(partition));
        delta.topics.entry(record.topic_id).or_default().partitions.insert(record.partition_id);
        Ok(())
    }

    fn replay_partition_change(
        &mut self,
        record: &r::PartitionChangeRecord,
        delta: &mut ImageDelta,
    ) -> Result<(), ReplayError> {
        let (topic, partition) = (record.topic_id, record.partition_id);
        let image = self.topics.get_mut(topic).ok_or(ReplayError::UnknownTopic(topic))?;
        let image =
            image.partitions.get_mut(&partition).ok_or(ReplayError::UnknownPartition { topic, partition })?;
        apply_partition_change(Arc::make_mut(image), record);
        delta.topics.entry(topic).or_default().partitions.insert(partition);
        Ok(())
    }

    fn replay_config(&mut self, record: &r::ConfigRecord, delta: &mut ImageDelta) -> Result<(), ReplayError> {
        let kind = ResourceType::from_wire(record.resource_type)
            .ok_or(ReplayError::UnknownResourceType(record.resource_type))?;
        self.configs.set(kind, &record.resource_name, &record.name, record.value.as_deref());
        match kind {
            ResourceType::Topic => {
                delta.topic_configs.insert(record.resource_name.clone());
            }
            ResourceType::Broker => delta.broker_configs = true,
            ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => {}
        }
        Ok(())
    }

    fn replay_register_broker(&mut self, record: &r::RegisterBrokerRecord, delta: &mut ImageDelta) {
        let broker = BrokerImage {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
        };
        self.brokers.insert(record.broker_id, Arc::new(broker));
        delta.brokers.insert(record.broker_id);
    }

    fn registered(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerImage, ReplayError> {
        self.brokers
            .get_mut(&id)
            .filter(|broker| broker.epoch == epoch)
            .map(Arc::make_mut)
            .ok_or(ReplayError::UnknownBroker { id, epoch })
    }

    fn change_broker(
        &mut self,
        id: i32,
        epoch: i64,
        delta: &mut ImageDelta,
        change: impl FnOnce(&mut BrokerImage),
    ) -> Result<(), ReplayError> {
        change(self.registered(id, epoch)?);
        delta.brokers.insert(id);
        Ok(())
    }
}

fn endpoint(record: &r::BrokerEndpoint) -> EndpointImage {
    EndpointImage {
        name: record.name.clone(),
        host: record.host.clone(),
        port: record.port,
        security_protocol: record.security_protocol,
    }
}

fn feature(record: &r::BrokerFeature) -> SupportedFeature {
    SupportedFeature {
        name: record.name.clone(),
        min_version: record.min_supported_version,
        max_version: record.max_supported_version,
    }
}

/// One directory for each replica, whatever the record holds.
fn directories(recorded: &[Uuid], replicas: usize) -> Vec<Uuid> {
    let mut directories = recorded.to_vec();
    directories.resize(replicas, Uuid::ZERO);
    directories
}

/// Kafka's `BrokerRegistrationChange`: -1 off, 0 as it was, 1 on.
fn apply_registration_change(broker: &mut BrokerImage, record: &r::BrokerRegistrationChangeRecord) {
    let switched = |change: i8, now: bool| if change == 0 { now } else { change > 0 };
    broker.fenced = switched(record.fenced, broker.fenced);
    broker.in_controlled_shutdown = switched(record.in_controlled_shutdown, broker.in_controlled_shutdown);
    if !record.log_dirs.is_empty() {
        broker.log_dirs.clone_from(&record.log_dirs);
    }
}

/// Kafka's `PartitionRegistration.merge`: a leader in the record, even the same one, begins a new
/// leader epoch; every record begins a new partition epoch.
fn apply_partition_change(partition: &mut PartitionImage, record: &r::PartitionChangeRecord) {
    if let Some(replicas) = &record.replicas {
        partition.directories = match &record.directories {
            Some(recorded) => directories(recorded, replicas.len()),
            None => replicas.iter().map(|replica| directory_of(partition, *replica)).collect(),
        };
        partition.replicas.clone_from(replicas);
    } else if let Some(recorded) = &record.directories {
        partition.directories = directories(recorded, partition.replicas.len());
    }
    if let Some(isr) = &record.isr {
        partition.isr.clone_from(isr);
    }
    if let Some(removing) = &record.removing_replicas {
        partition.removing_replicas.clone_from(removing);
    }
    if let Some(adding) = &record.adding_replicas {
        partition.adding_replicas.clone_from(adding);
    }
    if record.leader != NO_LEADER_CHANGE {
        partition.leader = record.leader.max(NO_LEADER);
        partition.leader_epoch += 1;
    }
    if record.leader_recovery_state >= 0 {
        partition.leader_recovery_state = record.leader_recovery_state;
    }
    partition.partition_epoch += 1;
}

fn directory_of(partition: &PartitionImage, replica: i32) -> Uuid {
    let position = partition.replicas.iter().position(|held| *held == replica);
    position.and_then(|position| partition.directories.get(position)).copied().unwrap_or(Uuid::ZERO)
}
