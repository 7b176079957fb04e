//! Keys and values of `__consumer_offsets`, and the blobs that consumers exchange through the
//! coordinator (`ConsumerProtocol`). The version of a key names its record type.

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 1, versions = "0")]
pub struct OffsetCommitKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 1, versions = "0-4", flexible = "4+")]
pub struct OffsetCommitValue {
    pub offset: i64,
    #[field(versions = "3+", default = -1, ignorable)]
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp: i64,
    #[field(versions = "1", default = -1, ignorable)]
    pub expire_timestamp: i64,
    #[field(versions = "4+", tag = 0, ignorable)]
    pub topic_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 2, versions = "0")]
pub struct GroupMetadataKey {
    pub group: String,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(record_type = 2, versions = "0-4", flexible = "4+")]
pub struct GroupMetadataValue {
    pub protocol_type: String,
    pub generation: i32,
    #[field(nullable = "0+")]
    pub protocol: Option<String>,
    #[field(nullable = "0+")]
    pub leader: Option<String>,
    #[field(versions = "2+", default = -1, ignorable)]
    pub current_state_timestamp: i64,
    pub members: Vec<MemberMetadata>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberMetadata {
    pub member_id: String,
    #[field(versions = "3+", nullable = "0+", ignorable)]
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    #[field(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout: i32,
    pub session_timeout: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<String>,
    #[field(nullable = "0+")]
    pub user_data: Option<Bytes>,
    #[field(versions = "1+", ignorable)]
    pub owned_partitions: Vec<SubscriptionTopicPartition>,
    #[field(versions = "2+", default = -1, ignorable)]
    pub generation_id: i32,
    #[field(versions = "3+", nullable = "0+", ignorable)]
    pub rack_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct SubscriptionTopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolAssignment {
    pub assigned_partitions: Vec<AssignmentTopicPartition>,
    #[field(nullable = "0+")]
    pub user_data: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AssignmentTopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}
