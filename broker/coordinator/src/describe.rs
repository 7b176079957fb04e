//! What administrators see and remove: ListGroups, DescribeGroups, DeleteGroups, and the figures behind
//! the metrics.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_groups::DeletableGroupResult;
use millrace_protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use millrace_protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};

use crate::durable::Offsets;
use crate::group::{Group, GroupState};
use crate::outcome::Outcome;
use crate::record::GroupRecord;
use crate::shard::Shard;

/// Kafka's name of the groups that are kept here.
const CLASSIC: &str = "classic";
/// The state of a group that does not exist.
const DEAD: &str = "Dead";
/// The first version in which a group that does not exist is an error (KIP-1043).
const FIRST_WITH_GROUP_ID_NOT_FOUND: i16 = 6;

/// A group as metrics show it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSummary {
    /// Its name.
    pub group: Arc<str>,
    /// Its state.
    pub state: GroupState,
    /// `consumer`, `connect` or what its members call it; empty while nobody has joined.
    pub protocol_type: String,
    /// How many members it has.
    pub members: usize,
    /// Its committed offsets.
    pub offsets: Offsets,
}

impl Shard {
    /// Groups in the states and of the types asked for; an empty list asks for all.
    #[must_use]
    pub fn list_groups(&self, request: &ListGroupsRequest) -> Vec<ListedGroup> {
        let normal = |names: &[String]| -> BTreeSet<String> {
            names.iter().map(|name| name.trim().to_lowercase()).collect()
        };
        let (states, types) = (normal(&request.states_filter), normal(&request.types_filter));
        if !types.is_empty() && !types.contains(CLASSIC) {
            return Vec::new();
        }
        let wanted =
            |group: &&Group| states.is_empty() || states.contains(&group.state().name().to_lowercase());
        let listed = self.groups.values().filter(wanted).map(|group| ListedGroup {
            group_id: group.id.to_string(),
            protocol_type: group.generation.protocol_type.clone().unwrap_or_default(),
            group_state: group.state().name().to_owned(),
            group_type: CLASSIC.to_owned(),
        });
        listed.collect()
    }

    /// One group with its members.
    #[must_use]
    pub fn describe_group(&self, id: &str, api_version: i16) -> DescribedGroup {
        let Some(group) = self.groups.get(id) else { return unknown(id, api_version) };
        let protocol = group.generation.protocol.as_deref().filter(|_| group.state() == GroupState::Stable);
        let members = group.roster.iter().map(|member| DescribedGroupMember {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            client_id: member.client.id.clone(),
            client_host: member.client.host.clone(),
            member_metadata: protocol.map(|name| member.metadata(name)).unwrap_or_default(),
            member_assignment: member.assignment.clone(),
        });
        DescribedGroup {
            group_id: id.to_owned(),
            group_state: group.state().name().to_owned(),
            protocol_type: group.generation.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.unwrap_or_default().to_owned(),
            members: members.collect(),
            ..DescribedGroup::default()
        }
    }

    /// All groups with their offsets.
    pub fn summaries(&self) -> impl Iterator<Item = GroupSummary> {
        self.groups.values().map(|group| GroupSummary {
            group: Arc::clone(&group.id),
            state: group.state(),
            protocol_type: group.generation.protocol_type.clone().unwrap_or_default(),
            members: group.roster.len(),
            offsets: self.durable.offsets(&group.id).cloned().unwrap_or_default(),
        })
    }

    pub(crate) fn delete_groups(&self, ids: Vec<String>, outcome: &mut Outcome) -> Vec<DeletableGroupResult> {
        let results = ids.into_iter().map(|group_id| {
            let error_code = match self.groups.get(group_id.as_str()) {
                None => ErrorCode::GROUP_ID_NOT_FOUND,
                Some(group) if !group.is_empty() => ErrorCode::NON_EMPTY_GROUP,
                Some(_) => {
                    self.forget_group(&group_id, outcome);
                    ErrorCode::NONE
                }
            };
            DeletableGroupResult { group_id, error_code }
        });
        results.collect()
    }

    fn forget_group(&self, id: &str, outcome: &mut Outcome) {
        for (topic, partitions) in self.durable.offsets(id).into_iter().flatten() {
            let tombstones = partitions.keys().map(|index| GroupRecord::offset_tombstone(id, topic, *index));
            outcome.records.extend(tombstones);
        }
        outcome.records.push(GroupRecord::group_tombstone(id));
    }
}

fn unknown(id: &str, api_version: i16) -> DescribedGroup {
    let mut group =
        DescribedGroup { group_id: id.to_owned(), group_state: DEAD.to_owned(), ..DescribedGroup::default() };
    if api_version >= FIRST_WITH_GROUP_ID_NOT_FOUND {
        group.error_code = ErrorCode::GROUP_ID_NOT_FOUND;
        group.error_message = Some(format!("Group {id} not found."));
    }
    group
}
