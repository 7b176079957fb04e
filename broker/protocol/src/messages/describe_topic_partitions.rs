//! DescribeTopicPartitions: partitions page by page (KIP-966).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;
use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DescribeTopicPartitions,
    response = DescribeTopicPartitionsResponse,
    versions = "0",
    flexible = "0+"
)]
pub struct DescribeTopicPartitionsRequest {
    pub topics: Vec<TopicRequest>,
    #[field(default = 2000)]
    pub response_partition_limit: i32,
    #[field(nullable = "0+")]
    pub cursor: Option<DescribeTopicPartitionsRequestCursor>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicRequest {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsRequestCursor {
    pub topic_name: String,
    pub partition_index: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    #[field(nullable = "0+")]
    pub next_cursor: Option<DescribeTopicPartitionsResponseCursor>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponseTopic {
    pub error_code: ErrorCode,
    #[field(nullable = "0+")]
    pub name: Option<String>,
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    #[field(default = -2147483648)]
    pub topic_authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponsePartition {
    pub error_code: ErrorCode,
    pub partition_index: i32,
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    #[field(nullable = "0+")]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(nullable = "0+")]
    pub last_known_elr: Option<Vec<i32>>,
    pub offline_replicas: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponseCursor {
    pub topic_name: String,
    pub partition_index: i32,
}
