//! DescribeQuorum: who votes on the cluster's metadata, how far each has read, and by which directory ids the
//! nodes are known (KIP-595, KIP-836, KIP-853).

use millrace_protocol_derive::Message;

use crate::Uuid;
use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DescribeQuorum,
    response = DescribeQuorumResponse,
    versions = "0-2",
    flexible = "0+"
)]
pub struct DescribeQuorumRequest {
    pub topics: Vec<DescribeQuorumTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeQuorumTopic {
    pub topic_name: String,
    pub partitions: Vec<DescribeQuorumPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeQuorumPartition {
    pub partition_index: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct DescribeQuorumResponse {
    pub error_code: ErrorCode,
    #[field(versions = "2+", nullable = "2+", ignorable)]
    pub error_message: Option<String>,
    pub topics: Vec<QuorumTopic>,
    #[field(versions = "2+")]
    pub nodes: Vec<QuorumNode>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct QuorumTopic {
    pub topic_name: String,
    pub partitions: Vec<QuorumPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct QuorumPartition {
    pub partition_index: i32,
    pub error_code: ErrorCode,
    #[field(versions = "2+", nullable = "2+", ignorable)]
    pub error_message: Option<String>,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub current_voters: Vec<QuorumReplica>,
    pub observers: Vec<QuorumReplica>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct QuorumReplica {
    pub replica_id: i32,
    #[field(versions = "2+")]
    pub replica_directory_id: Uuid,
    pub log_end_offset: i64,
    #[field(versions = "1+", ignorable, default = -1)]
    pub last_fetch_timestamp: i64,
    #[field(versions = "1+", ignorable, default = -1)]
    pub last_caught_up_timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct QuorumNode {
    pub node_id: i32,
    pub listeners: Vec<QuorumListener>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct QuorumListener {
    pub name: String,
    pub host: String,
    pub port: u16,
}
