//! OffsetCommit: remember how far a group has read. A generation of -1 with no member is a commit by
//! a consumer that manages itself.

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::OffsetCommit,
    response = OffsetCommitResponse,
    versions = "2-9",
    flexible = "8+"
)]
pub struct OffsetCommitRequest {
    pub group_id: String,
    #[field(default = -1)]
    pub generation_id_or_member_epoch: i32,
    pub member_id: String,
    #[field(versions = "7+", nullable = "0+")]
    pub group_instance_id: Option<String>,
    #[field(versions = "2-4", default = -1, ignorable)]
    pub retention_time_ms: i64,
    pub topics: Vec<OffsetCommitRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitRequestTopic {
    pub name: String,
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = "6+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    #[field(nullable = "0+")]
    pub committed_metadata: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-9", flexible = "8+")]
pub struct OffsetCommitResponse {
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetCommitResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: ErrorCode,
}
