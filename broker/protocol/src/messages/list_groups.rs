//! ListGroups: groups this broker coordinates, by state from version 4 (KIP-518) and type from 5
//! (KIP-848).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::ListGroups,
    response = ListGroupsResponse,
    versions = "0-5",
    flexible = "3+"
)]
pub struct ListGroupsRequest {
    #[field(versions = "4+")]
    pub states_filter: Vec<String>,
    #[field(versions = "5+")]
    pub types_filter: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse {
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    pub groups: Vec<ListedGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListedGroup {
    pub group_id: String,
    pub protocol_type: String,
    #[field(versions = "4+", ignorable)]
    pub group_state: String,
    #[field(versions = "5+", ignorable)]
    pub group_type: String,
}
