//! CreatePartitions: grow topics (KIP-195).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::CreatePartitions,
    response = CreatePartitionsResponse,
    versions = "0-3",
    flexible = "2+"
)]
pub struct CreatePartitionsRequest {
    pub topics: Vec<CreatePartitionsTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsTopic {
    pub name: String,
    pub count: i32,
    #[field(nullable = "0+")]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsAssignment {
    pub broker_ids: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<CreatePartitionsTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsTopicResult {
    pub name: String,
    pub error_code: ErrorCode,
    #[field(nullable = "0+")]
    pub error_message: Option<String>,
}
