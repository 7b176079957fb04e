//! DescribeGroups: state and members of classic groups.

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DescribeGroups,
    response = DescribeGroupsResponse,
    versions = "0-6",
    flexible = "5+"
)]
pub struct DescribeGroupsRequest {
    pub groups: Vec<String>,
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsResponse {
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedGroup {
    pub error_code: ErrorCode,
    #[field(versions = "6+", nullable = "0+")]
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub protocol_type: String,
    pub protocol_data: String,
    pub members: Vec<DescribedGroupMember>,
    #[field(versions = "3+", default = -2147483648)]
    pub authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedGroupMember {
    pub member_id: String,
    #[field(versions = "4+", nullable = "0+", ignorable)]
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}
