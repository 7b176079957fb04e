//! DescribeGroups: state and members of classic groups.

use std::collections::HashSet;

use millrace_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};

use super::audience::GROUP_OPERATIONS;
use crate::context::RequestContext;
use crate::groups::Groups;

pub(crate) fn handle(
    groups: &Groups,
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    // A group is described once, however often it is named: the answer stays as large as what is kept.
    let mut seen = HashSet::new();
    let once = |id: &String| seen.insert(id.clone());
    let described = request.groups.into_iter().filter(once).map(|id| {
        let found = groups.read(&id, |shard| shard.describe_group(&id, context.api_version));
        let mut group = found.unwrap_or_else(|error_code| DescribedGroup {
            error_code,
            group_id: id,
            ..DescribedGroup::default()
        });
        if request.include_authorized_operations && group.error_code.is_ok() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    });
    DescribeGroupsResponse { groups: described.collect(), ..DescribeGroupsResponse::default() }
}
