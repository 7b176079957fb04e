//! Heartbeat: still here; the answer tells when to join again.

use millrace_coordinator::{Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::context::RequestContext;
use crate::groups::Groups;

pub(crate) async fn handle(
    groups: &Groups,
    _: &RequestContext,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let group = request.group_id.clone();
    match groups.handle(&group, Input::Heartbeat(request)).await {
        Ok(Reply::Heartbeat(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        // Nobody can tell whether it is a member, and its session does not run yet: it may stay calm.
        Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => HeartbeatResponse::default(),
        Err(code) => refused(code),
    }
}

fn refused(error_code: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
}
