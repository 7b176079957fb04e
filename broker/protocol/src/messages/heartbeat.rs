//! Heartbeat: still here; the answer tells when to join again.

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(api_key = ApiKey::Heartbeat, response = HeartbeatResponse, versions = "0-4", flexible = "4+")]
pub struct HeartbeatRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    #[field(versions = "3+", nullable = "0+")]
    pub group_instance_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
}
