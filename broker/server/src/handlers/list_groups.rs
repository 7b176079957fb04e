//! ListGroups: groups that this broker coordinates, by state from version 4 and by type from 5.

use millrace_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

use crate::context::RequestContext;
use crate::groups::Groups;

pub(crate) fn handle(groups: &Groups, _: &RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    match groups.read_all(|shard| shard.list_groups(&request)) {
        Ok(listed) => ListGroupsResponse { groups: listed.concat(), ..ListGroupsResponse::default() },
        Err(error_code) => ListGroupsResponse { error_code, ..ListGroupsResponse::default() },
    }
}
