//! DeleteGroups: remove empty groups and their offsets (KIP-229).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DeleteGroups,
    response = DeleteGroupsResponse,
    versions = "0-2",
    flexible = "2+"
)]
pub struct DeleteGroupsRequest {
    pub groups_names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DeletableGroupResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeletableGroupResult {
    pub group_id: String,
    pub error_code: ErrorCode,
}
