//! Produce: append record batches. Versions 0 to 2 carry message sets of magic 0 and 1 and are
//! answered for old clients (Kafka 4 dropped them); 13 names topics by id (KIP-516).

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;
use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(api_key = ApiKey::Produce, response = ProduceResponse, versions = "0-13", flexible = "9+")]
pub struct ProduceRequest {
    #[field(versions = "3+", nullable = "0+")]
    pub transactional_id: Option<String>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicProduceData {
    #[field(versions = "0-12", ignorable)]
    pub name: String,
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    pub partition_data: Vec<PartitionProduceData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionProduceData {
    pub index: i32,
    #[field(nullable = "0+")]
    pub records: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-13", flexible = "9+")]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    #[field(versions = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicProduceResponse {
    #[field(versions = "0-12", ignorable)]
    pub name: String,
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: ErrorCode,
    pub base_offset: i64,
    #[field(versions = "2+", default = -1, ignorable)]
    pub log_append_time_ms: i64,
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    #[field(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    #[field(versions = "8+", nullable = "0+", ignorable)]
    pub error_message: Option<String>,
    #[field(versions = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    #[field(nullable = "0+")]
    pub batch_index_error_message: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderIdAndEpoch {
    #[field(default = -1)]
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    #[field(nullable = "0+")]
    pub rack: Option<String>,
}
