//! DeleteGroups: remove empty groups and their offsets (KIP-229).

use std::collections::HashSet;

use millrace_coordinator::{Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use crate::context::RequestContext;
use crate::groups::Groups;

pub(crate) async fn handle(
    groups: &Groups,
    _: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = HashSet::new();
    let mut results = Vec::new();
    for group_id in request.groups_names {
        if !seen.insert(group_id.clone()) {
            continue;
        }
        match groups.handle(&group_id, Input::DeleteGroups(vec![group_id.clone()])).await {
            Ok(Reply::DeleteGroups(deleted)) => results.extend(deleted),
            Ok(_) => {
                let error_code = ErrorCode::UNKNOWN_SERVER_ERROR;
                results.push(DeletableGroupResult { group_id, error_code });
            }
            Err(error_code) => results.push(DeletableGroupResult { group_id, error_code }),
        }
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
