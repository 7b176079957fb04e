//! SyncGroup: the leader hands out assignments, everybody fetches their own.

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(api_key = ApiKey::SyncGroup, response = SyncGroupResponse, versions = "0-5", flexible = "4+")]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    #[field(versions = "3+", nullable = "0+")]
    pub group_instance_id: Option<String>,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub protocol_type: Option<String>,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub protocol_name: Option<String>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct SyncGroupRequestAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse {
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub protocol_type: Option<String>,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}
