//! ListConfigResources: what has configurations, by kind (KIP-1142). Its version 0 was
//! ListClientMetricsResources (KIP-1000).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::ListConfigResources,
    response = ListConfigResourcesResponse,
    versions = "0-1",
    flexible = "0+"
)]
pub struct ListConfigResourcesRequest {
    #[field(versions = "1+")]
    pub resource_types: Vec<i8>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct ListConfigResourcesResponse {
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    pub config_resources: Vec<ConfigResource>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConfigResource {
    pub resource_name: String,
    #[field(versions = "1+", ignorable, default = 16)]
    pub resource_type: i8,
}
