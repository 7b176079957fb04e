//! SyncGroup: the leader hands out assignments, everybody fetches their own.

use millrace_coordinator::{Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::context::RequestContext;
use crate::groups::Groups;

pub(crate) async fn handle(
    groups: &Groups,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let group = request.group_id.clone();
    let input = Input::Sync { api_version: context.api_version, request };
    match groups.handle(&group, input).await {
        Ok(Reply::Sync(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(code),
    }
}

fn refused(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code, ..SyncGroupResponse::default() }
}
