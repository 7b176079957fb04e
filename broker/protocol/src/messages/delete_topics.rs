//! DeleteTopics: by name, or by id from version 6 (KIP-516).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;
use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DeleteTopics,
    response = DeleteTopicsResponse,
    versions = "1-6",
    flexible = "4+"
)]
pub struct DeleteTopicsRequest {
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState>,
    #[field(versions = "0-5", ignorable)]
    pub topic_names: Vec<String>,
    pub timeout_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteTopicState {
    #[field(nullable = "0+")]
    pub name: Option<String>,
    pub topic_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeletableTopicResult {
    #[field(nullable = "6+")]
    pub name: Option<String>,
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    pub error_code: ErrorCode,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub error_message: Option<String>,
}
