//! Records of `__cluster_metadata`, as Kafka's controllers write them (KIP-500, KIP-631). What they
//! mean for the image is the metadata crate's business.

use millrace_protocol_derive::Message;

use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 0, versions = "0-3", flexible = "0+")]
pub struct RegisterBrokerRecord {
    pub broker_id: i32,
    #[field(versions = "2+")]
    pub is_migrating_zk_broker: bool,
    pub incarnation_id: Uuid,
    pub broker_epoch: i64,
    pub end_points: Vec<BrokerEndpoint>,
    pub features: Vec<BrokerFeature>,
    #[field(nullable = "0+")]
    pub rack: Option<String>,
    #[field(default = true)]
    pub fenced: bool,
    #[field(versions = "1+")]
    pub in_controlled_shutdown: bool,
    #[field(versions = "3+", tag = 0)]
    pub log_dirs: Vec<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BrokerEndpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BrokerFeature {
    pub name: String,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 1, versions = "0", flexible = "0+")]
pub struct UnregisterBrokerRecord {
    pub broker_id: i32,
    pub broker_epoch: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 2, versions = "0", flexible = "0+")]
pub struct TopicRecord {
    pub name: String,
    pub topic_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 3, versions = "0-2", flexible = "0+")]
pub struct PartitionRecord {
    #[field(default = -1)]
    pub partition_id: i32,
    pub topic_id: Uuid,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    #[field(default = -1)]
    pub leader: i32,
    #[field(tag = 0)]
    pub leader_recovery_state: i8,
    #[field(default = -1)]
    pub leader_epoch: i32,
    #[field(default = -1)]
    pub partition_epoch: i32,
    #[field(versions = "1+")]
    pub directories: Vec<Uuid>,
    #[field(versions = "2+", nullable = "0+", tag = 1)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(versions = "2+", nullable = "0+", tag = 2)]
    pub last_known_elr: Option<Vec<i32>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 4, versions = "0", flexible = "0+")]
pub struct ConfigRecord {
    pub resource_type: i8,
    pub resource_name: String,
    pub name: String,
    #[field(nullable = "0+")]
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 5, versions = "0-2", flexible = "0+")]
pub struct PartitionChangeRecord {
    #[field(default = -1)]
    pub partition_id: i32,
    pub topic_id: Uuid,
    #[field(nullable = "0+", tag = 0)]
    pub isr: Option<Vec<i32>>,
    #[field(tag = 1, default = -2)]
    pub leader: i32,
    #[field(nullable = "0+", tag = 2)]
    pub replicas: Option<Vec<i32>>,
    #[field(nullable = "0+", tag = 3)]
    pub removing_replicas: Option<Vec<i32>>,
    #[field(nullable = "0+", tag = 4)]
    pub adding_replicas: Option<Vec<i32>>,
    #[field(tag = 5, default = -1)]
    pub leader_recovery_state: i8,
    #[field(versions = "1+", nullable = "0+", tag = 8)]
    pub directories: Option<Vec<Uuid>>,
    #[field(versions = "2+", nullable = "0+", tag = 6)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(versions = "2+", nullable = "0+", tag = 7)]
    pub last_known_elr: Option<Vec<i32>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 7, versions = "0", flexible = "0+")]
pub struct FenceBrokerRecord {
    pub id: i32,
    pub epoch: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 8, versions = "0", flexible = "0+")]
pub struct UnfenceBrokerRecord {
    pub id: i32,
    pub epoch: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 9, versions = "0", flexible = "0+")]
pub struct RemoveTopicRecord {
    pub topic_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 12, versions = "0", flexible = "0+")]
pub struct FeatureLevelRecord {
    pub name: String,
    pub feature_level: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 15, versions = "0", flexible = "0+")]
pub struct ProducerIdsRecord {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
    pub next_producer_id: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 17, versions = "0-2", flexible = "0+")]
pub struct BrokerRegistrationChangeRecord {
    pub broker_id: i32,
    pub broker_epoch: i64,
    #[field(tag = 0)]
    pub fenced: i8,
    #[field(versions = "1+", tag = 1)]
    pub in_controlled_shutdown: i8,
    #[field(versions = "2+", tag = 2)]
    pub log_dirs: Vec<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 20, versions = "0", flexible = "0+")]
pub struct NoOpRecord {}
