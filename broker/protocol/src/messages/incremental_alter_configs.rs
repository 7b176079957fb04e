//! IncrementalAlterConfigs: set, delete, append to or subtract from single settings (KIP-339).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::IncrementalAlterConfigs,
    response = IncrementalAlterConfigsResponse,
    versions = "0-1",
    flexible = "1+"
)]
pub struct IncrementalAlterConfigsRequest {
    pub resources: Vec<AlterConfigsResource>,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterConfigsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<AlterableConfig>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterableConfig {
    pub name: String,
    pub config_operation: i8,
    #[field(nullable = "0+")]
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<AlterConfigsResourceResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterConfigsResourceResponse {
    pub error_code: ErrorCode,
    #[field(nullable = "0+")]
    pub error_message: Option<String>,
    pub resource_type: i8,
    pub resource_name: String,
}
