//! Groups: list, describe, delete, remove members.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use millrace_protocol::messages::delete_groups::DeleteGroupsRequest;
use millrace_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribedGroup, DescribedGroupMember,
};
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use millrace_protocol::messages::list_groups::ListGroupsRequest;
use millrace_protocol::{ApiKey, ErrorCode};

use super::types::{
    Each, GroupDescription, GroupListing, GroupListings, GroupMember, ListGroupsOptions, MemberToRemove,
};
use super::{Admin, checked};
use crate::client::Target;
use crate::cluster::{BrokerNode, TopicScope};
use crate::error::ClientError;
use crate::group_protocol::{decode_assignment, decode_subscription};
use crate::topic_partition::TopicPartition;

impl Admin {
    /// The groups that each broker coordinates.
    ///
    /// # Errors
    /// What asking for metadata meets; a broker that fails stands among the errors of the result.
    pub async fn list_groups(&self, options: ListGroupsOptions) -> Result<GroupListings, ClientError> {
        let call = &self.begun();
        let cluster = call.view(TopicScope::None).await?;
        let options = &options;
        let asking = cluster.brokers.keys().map(|broker| async move {
            let make = |version: i16| ListGroupsRequest {
                // A broker without the filter lists all; the answer is filtered below.
                states_filter: if version >= 4 { options.states.clone() } else { Vec::new() },
                types_filter: if version >= 5 { options.types.clone() } else { Vec::new() },
            };
            let response = call.ask(Target::Broker(*broker), make, |response| response.error_code).await?;
            ClientError::check(ApiKey::ListGroups, response.error_code, format!("broker {broker}"))?;
            Ok(response.groups)
        });
        let mut groups = BTreeMap::new();
        let mut errors = Vec::new();
        for answer in join_all(asking).await {
            match answer {
                Ok(listed) => groups.extend(listed.into_iter().map(|group| {
                    let listing = GroupListing {
                        group: group.group_id.clone(),
                        protocol_type: group.protocol_type,
                        state: group.group_state,
                        kind: group.group_type,
                    };
                    (group.group_id, listing)
                })),
                Err(error) => errors.push(error),
            }
        }
        let wanted = |listing: &GroupListing| passes(options, listing);
        Ok(GroupListings { groups: groups.into_values().filter(wanted).collect(), errors })
    }

    /// Groups with their members. A group that does not exist has state `Dead`, or the error
    /// GROUP_ID_NOT_FOUND from brokers that say so (KIP-1043).
    ///
    /// # Errors
    /// What reaching coordinators meets stands beside each group.
    pub async fn describe_groups(
        &self,
        groups: Vec<String>,
    ) -> Result<Each<String, GroupDescription>, ClientError> {
        let make = |groups: &[String], _| DescribeGroupsRequest {
            groups: groups.to_vec(),
            include_authorized_operations: false,
        };
        let cluster_of = self.client.clone();
        self.ask_coordinators(groups, 0, make, |broker, response| {
            let coordinator = cluster_of.cluster().brokers.get(&broker).cloned();
            let coordinator =
                coordinator.unwrap_or(BrokerNode { id: broker, host: String::new(), port: 0, rack: None });
            let described = response.groups.into_iter();
            described.map(|group| (group.group_id.clone(), description(group, coordinator.clone()))).collect()
        })
        .await
    }

    /// Deletes groups without members.
    ///
    /// # Errors
    /// What reaching coordinators meets stands beside each group, as refusals do.
    pub async fn delete_groups(&self, groups: Vec<String>) -> Result<Each<String, ()>, ClientError> {
        let make = |groups: &[String], _| DeleteGroupsRequest { groups_names: groups.to_vec() };
        self.ask_coordinators(groups, 0, make, |_, response| {
            let results = response.results.into_iter().map(|result| {
                let code = result.error_code;
                let outcome = ClientError::check(ApiKey::DeleteGroups, code, result.group_id.clone());
                (result.group_id, outcome)
            });
            results.collect()
        })
        .await
    }

    /// Makes members leave their group.
    ///
    /// # Errors
    /// What reaching the coordinator meets, and its refusal of the group; refusals of a member stand
    /// beside it.
    pub async fn remove_members(
        &self,
        group: &str,
        members: Vec<MemberToRemove>,
    ) -> Result<Each<MemberToRemove, ()>, ClientError> {
        let identities: Vec<MemberIdentity> = members.iter().map(identity).collect();
        let request =
            LeaveGroupRequest { group_id: group.to_owned(), members: identities, ..Default::default() };
        let target = Target::Coordinator(group.to_owned());
        let response = self.ask(target, |_| request.clone(), |response| response.error_code).await?;
        let api = ApiKey::LeaveGroup;
        ClientError::check(api, response.error_code, format!("group {group}"))?;
        // Members are answered in the order they were named.
        let codes = response.members.into_iter().map(|member| member.error_code);
        let padded = codes.chain(std::iter::repeat(ErrorCode::UNKNOWN_MEMBER_ID));
        Ok(members
            .into_iter()
            .zip(padded)
            .map(|(member, code)| (member, ClientError::check(api, code, format!("group {group}"))))
            .collect())
    }
}

fn passes(options: &ListGroupsOptions, listing: &GroupListing) -> bool {
    let among = |wanted: &[String], actual: &str| {
        wanted.is_empty()
            || actual.is_empty()
            || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(actual))
    };
    among(&options.states, &listing.state) && among(&options.types, &listing.kind)
}

fn identity(member: &MemberToRemove) -> MemberIdentity {
    let reason = Some("member was removed by an admin".to_owned());
    match member {
        MemberToRemove::Id(id) => MemberIdentity { member_id: id.clone(), group_instance_id: None, reason },
        MemberToRemove::Instance(name) => {
            MemberIdentity { member_id: String::new(), group_instance_id: Some(name.clone()), reason }
        }
    }
}

fn description(group: DescribedGroup, coordinator: BrokerNode) -> Result<GroupDescription, ClientError> {
    let consumers = group.protocol_type == "consumer";
    let value = GroupDescription {
        group: group.group_id.clone(),
        state: group.group_state,
        protocol_type: group.protocol_type,
        protocol: group.protocol_data,
        coordinator,
        members: group.members.into_iter().map(|member| described_member(member, consumers)).collect(),
    };
    checked(value, ApiKey::DescribeGroups, group.error_code, group.error_message, group.group_id)
}

/// Blobs of other protocols, and damaged ones, are shown as nothing: they are the members' business.
fn described_member(member: DescribedGroupMember, consumers: bool) -> GroupMember {
    let read = |blob: Bytes| if consumers { blob } else { Bytes::new() };
    let assignment: Vec<TopicPartition> =
        decode_assignment(read(member.member_assignment)).map_or_else(|_| Vec::new(), |one| one.partitions);
    let subscription =
        decode_subscription(read(member.member_metadata)).map_or_else(|_| Vec::new(), |one| one.topics);
    GroupMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
        assignment,
        subscription: subscription.iter().map(|topic| topic.to_string()).collect(),
    }
}
