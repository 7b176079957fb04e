//! LeaveGroup: leave now rather than by session timeout; several members at once from version 3.

use millrace_coordinator::{Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};

use crate::context::RequestContext;
use crate::groups::Groups;

/// The first version with a list of members.
const FIRST_WITH_MEMBERS: i16 = 3;

pub(crate) async fn handle(
    groups: &Groups,
    context: &RequestContext,
    mut request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let single = context.api_version < FIRST_WITH_MEMBERS;
    if single {
        let member_id = std::mem::take(&mut request.member_id);
        request.members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
    }
    let group = request.group_id.clone();
    let mut response = match groups.handle(&group, Input::Leave(request)).await {
        Ok(Reply::Leave(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(code),
    };
    if single && let Some(member) = std::mem::take(&mut response.members).first() {
        response.error_code = member.error_code;
    }
    response
}

fn refused(error_code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
}
