//! OffsetFetch: how far groups have read; several groups at once from version 8 (KIP-709).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::OffsetFetch,
    response = OffsetFetchResponse,
    versions = "1-9",
    flexible = "6+"
)]
pub struct OffsetFetchRequest {
    #[field(versions = "0-7")]
    pub group_id: String,
    /// Null asks for all topics; in versions without the field it is empty, as in Kafka.
    #[field(versions = "0-7", nullable = "2+", default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup>,
    #[field(versions = "7+")]
    pub require_stable: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestTopic {
    #[field(versions = "0-7")]
    pub name: String,
    #[field(versions = "0-7")]
    pub partition_indexes: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestGroup {
    pub group_id: String,
    #[field(versions = "9+", nullable = "0+", ignorable)]
    pub member_id: Option<String>,
    #[field(versions = "9+", default = -1, ignorable)]
    pub member_epoch: i32,
    #[field(nullable = "0+")]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestTopics {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-9", flexible = "6+")]
pub struct OffsetFetchResponse {
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic>,
    #[field(versions = "2-7", ignorable)]
    pub error_code: ErrorCode,
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseTopic {
    #[field(versions = "0-7")]
    pub name: String,
    #[field(versions = "0-7")]
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponsePartition {
    #[field(versions = "0-7")]
    pub partition_index: i32,
    #[field(versions = "0-7")]
    pub committed_offset: i64,
    #[field(versions = "5-7", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    #[field(versions = "0-7", nullable = "0+")]
    pub metadata: Option<String>,
    #[field(versions = "0-7")]
    pub error_code: ErrorCode,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseGroup {
    pub group_id: String,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: ErrorCode,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseTopics {
    pub name: String,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(default = -1)]
    pub committed_leader_epoch: i32,
    #[field(nullable = "0+")]
    pub metadata: Option<String>,
    pub error_code: ErrorCode,
}
