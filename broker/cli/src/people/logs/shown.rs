//! Fields of protocol messages as JSON, for those messages that logs hold. A message is listed field by
//! field; how a field is shown follows from its type.

use bytes::Bytes;
use millrace_protocol::Uuid;
use millrace_protocol::messages::group_records as g;
use millrace_protocol::messages::metadata_records as m;
use serde_json::{Value, json};

use crate::people::payload;

/// Something that can be shown.
pub(super) trait Shown {
    fn shown(&self) -> Value;
}

macro_rules! as_they_are {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn shown(&self) -> Value {
                json!(self)
            }
        })*
    };
}

as_they_are!(bool, i8, i16, u16, i32, i64, String);

impl Shown for Uuid {
    fn shown(&self) -> Value {
        json!(self.to_string())
    }
}

impl Shown for Bytes {
    fn shown(&self) -> Value {
        json!(payload::hex(self))
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Value {
        Value::Array(self.iter().map(Shown::shown).collect())
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, Shown::shown)
    }
}

macro_rules! messages {
    ($($message:path { $($field:ident),* })*) => {
        $(impl Shown for $message {
            fn shown(&self) -> Value {
                json!({ $(stringify!($field): self.$field.shown()),* })
            }
        })*
    };
}

messages! {
    g::OffsetCommitKey { group, topic, partition }
    g::OffsetCommitValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id }
    g::GroupMetadataKey { group }
    g::ConsumerProtocolSubscription { topics, user_data, owned_partitions, generation_id, rack_id }
    g::SubscriptionTopicPartition { topic, partitions }
    g::ConsumerProtocolAssignment { assigned_partitions, user_data }
    g::AssignmentTopicPartition { topic, partitions }
    m::RegisterBrokerRecord {
        broker_id, is_migrating_zk_broker, incarnation_id, broker_epoch, end_points, features, rack, fenced,
        in_controlled_shutdown, log_dirs
    }
    m::BrokerEndpoint { name, host, port, security_protocol }
    m::BrokerFeature { name, min_supported_version, max_supported_version }
    m::UnregisterBrokerRecord { broker_id, broker_epoch }
    m::TopicRecord { name, topic_id }
    m::PartitionRecord {
        partition_id, topic_id, replicas, isr, removing_replicas, adding_replicas, leader,
        leader_recovery_state, leader_epoch, partition_epoch, directories, eligible_leader_replicas,
        last_known_elr
    }
    m::ConfigRecord { resource_type, resource_name, name, value }
    m::PartitionChangeRecord {
        partition_id, topic_id, isr, leader, replicas, removing_replicas, adding_replicas,
        leader_recovery_state, directories, eligible_leader_replicas, last_known_elr
    }
    m::FenceBrokerRecord { id, epoch }
    m::UnfenceBrokerRecord { id, epoch }
    m::RemoveTopicRecord { topic_id }
    m::FeatureLevelRecord { name, feature_level }
    m::ProducerIdsRecord { broker_id, broker_epoch, next_producer_id }
    m::BrokerRegistrationChangeRecord { broker_id, broker_epoch, fenced, in_controlled_shutdown, log_dirs }
}

impl Shown for m::NoOpRecord {
    fn shown(&self) -> Value {
        json!({})
    }
}
