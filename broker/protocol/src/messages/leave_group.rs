//! LeaveGroup: leave now rather than by session timeout; several members at once from version 3
//! (KIP-345).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::LeaveGroup,
    response = LeaveGroupResponse,
    versions = "0-5",
    flexible = "4+"
)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    #[field(versions = "0-2")]
    pub member_id: String,
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberIdentity {
    pub member_id: String,
    #[field(nullable = "0+")]
    pub group_instance_id: Option<String>,
    #[field(versions = "5+", nullable = "0+", ignorable)]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse {
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberResponse {
    pub member_id: String,
    #[field(nullable = "0+")]
    pub group_instance_id: Option<String>,
    pub error_code: ErrorCode,
}
