//! JoinGroup: enter a group or its next generation. The answer comes when everybody has joined.

use millrace_coordinator::{Client, Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};

use crate::context::RequestContext;
use crate::groups::Groups;

/// The first version in which a missing protocol is null and not empty.
const FIRST_WITH_NULL_PROTOCOL: i16 = 7;

pub(crate) async fn handle(
    groups: &Groups,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let (group, member_id) = (request.group_id.clone(), request.member_id.clone());
    let client =
        Client { id: context.client_id.clone().unwrap_or_default(), host: context.peer.host.clone() };
    let input = Input::Join { client, api_version: context.api_version, request };
    let mut response = match groups.handle(&group, input).await {
        Ok(Reply::Join(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR, member_id),
        Err(code) => refused(code, member_id),
    };
    response.protocol_name = match response.protocol_name {
        None if context.api_version < FIRST_WITH_NULL_PROTOCOL => Some(String::new()),
        name => name.filter(|name| context.api_version < FIRST_WITH_NULL_PROTOCOL || !name.is_empty()),
    };
    response
}

fn refused(error_code: ErrorCode, member_id: String) -> JoinGroupResponse {
    JoinGroupResponse { error_code, member_id, ..JoinGroupResponse::default() }
}
