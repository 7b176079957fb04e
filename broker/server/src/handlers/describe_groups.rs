//! DescribeGroups: state and members of classic groups.

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
    let described = request.groups.into_iter().map(|id| {
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
