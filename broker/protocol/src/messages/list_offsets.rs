//! ListOffsets: first offset at or after a timestamp, or -1 latest, -2 earliest, -3 max timestamp
//! (KIP-734), -4 earliest local, -5 latest tiered (KIP-405, KIP-1005).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::ListOffsets,
    response = ListOffsetsResponse,
    versions = "1-10",
    flexible = "6+"
)]
pub struct ListOffsetsRequest {
    pub replica_id: i32,
    #[field(versions = "2+")]
    pub isolation_level: i8,
    pub topics: Vec<ListOffsetsTopic>,
    #[field(versions = "10+", ignorable)]
    pub timeout_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsTopic {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsPartition {
    pub partition_index: i32,
    #[field(versions = "4+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    pub timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-10", flexible = "6+")]
pub struct ListOffsetsResponse {
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    pub topics: Vec<ListOffsetsTopicResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsTopicResponse {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsPartitionResponse {
    pub partition_index: i32,
    pub error_code: ErrorCode,
    #[field(default = -1)]
    pub timestamp: i64,
    #[field(default = -1)]
    pub offset: i64,
    #[field(versions = "4+", default = -1)]
    pub leader_epoch: i32,
}
