//! JoinGroup: enter a group or its next generation. From version 4 the first answer to a new member
//! is its id (KIP-394), from 5 members may be static (KIP-345).

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(api_key = ApiKey::JoinGroup, response = JoinGroupResponse, versions = "0-9", flexible = "6+")]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    #[field(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    pub member_id: String,
    #[field(versions = "5+", nullable = "0+")]
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    #[field(versions = "8+", nullable = "0+", ignorable)]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct JoinGroupRequestProtocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse {
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    #[field(default = -1)]
    pub generation_id: i32,
    #[field(versions = "7+", nullable = "0+", ignorable)]
    pub protocol_type: Option<String>,
    #[field(nullable = "7+")]
    pub protocol_name: Option<String>,
    pub leader: String,
    #[field(versions = "9+")]
    pub skip_assignment: bool,
    pub member_id: String,
    pub members: Vec<JoinGroupResponseMember>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct JoinGroupResponseMember {
    pub member_id: String,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}
