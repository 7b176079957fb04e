//! OffsetForLeaderEpoch: where a leader epoch ended, to find where two logs part (KIP-101, KIP-320).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::OffsetForLeaderEpoch,
    response = OffsetForLeaderEpochResponse,
    versions = "2-4",
    flexible = "4+"
)]
pub struct OffsetForLeaderEpochRequest {
    #[field(versions = "3+", default = -2, ignorable)]
    pub replica_id: i32,
    pub topics: Vec<OffsetForLeaderTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderTopic {
    pub topic: String,
    pub partitions: Vec<OffsetForLeaderPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderPartition {
    pub partition: i32,
    #[field(default = -1)]
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderTopicResult {
    pub topic: String,
    pub partitions: Vec<EpochEndOffset>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EpochEndOffset {
    pub error_code: ErrorCode,
    pub partition: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    #[field(default = -1)]
    pub end_offset: i64,
}
