//! JoinGroup and SyncGroup, again and again until the member has an assignment or cannot have one; and
//! the plan, where the member leads. Never touches what the member reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use millrace_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_protocol::{ApiKey, ErrorCode};
use tracing::{debug, warn};

use super::assignor::{GroupMember, TopicCounts, assign};
use super::member::{JoinRequest, Joined, Membership, Outcome, topics_of};
use crate::cluster::TopicScope;
use crate::config::AssignorKind;
use crate::error::ClientError;
use crate::group_protocol::{Assignment, decode_assignment, decode_subscription, encode_assignment};
use crate::net::Lane;

/// What consumers call the protocol between members.
const PROTOCOL_TYPE: &str = "consumer";

/// A rebalance may take as long as members may take to come back, and the answer a little longer.
const ANSWER_SLACK: Duration = Duration::from_secs(5);

/// Why an attempt did not end in an assignment.
enum Trouble {
    /// At once, without counting: the coordinator gave an id.
    Again,
    /// After a wait.
    Later(ClientError),
    Lost(ClientError),
    Failed(ClientError),
}

/// Joins.
pub(super) async fn join(membership: Membership, request: JoinRequest) -> Outcome {
    let mut failures = 0;
    loop {
        match attempt(&membership, &request).await {
            Ok(joined) => return Outcome::Joined(joined),
            Err(Trouble::Again) => {}
            Err(Trouble::Lost(error)) => return Outcome::Lost(error),
            Err(Trouble::Failed(error)) => return Outcome::Failed(error),
            Err(Trouble::Later(error)) => {
                debug!(group = %membership.config.id, %error, "could not join yet");
                failures += 1;
                tokio::time::sleep(membership.client.config().retry.wait_jittered(failures)).await;
            }
        }
    }
}

async fn attempt(membership: &Membership, request: &JoinRequest) -> Result<Joined, Trouble> {
    let joined = join_group(membership, request).await?;
    let protocol = joined.protocol_name.clone().unwrap_or_default();
    let kind = request.protocols.iter().map(|(kind, _)| *kind).find(|kind| kind.name() == protocol);
    let is_leader = joined.leader == joined.member_id;
    let (assignments, counts) = match kind {
        Some(kind) if is_leader => plan(membership, kind, &joined).await?,
        Some(_) => (Vec::new(), None),
        None => return Err(Trouble::Failed(not_the_protocol(membership, format!("protocol {protocol}")))),
    };
    let (generation, member_id) = (joined.generation_id, joined.member_id.clone());
    let assignment = sync_group(membership, joined, assignments).await?;
    let assignment = decode_assignment(assignment)
        .map_err(|error| Trouble::Failed(not_the_protocol(membership, error.to_string())))?;
    Ok(Joined { generation, member_id, partitions: assignment.partitions, counts })
}

fn not_the_protocol(membership: &Membership, reason: String) -> ClientError {
    let broker = format!("the coordinator of group {}", membership.config.id);
    ClientError::Protocol { broker, api: ApiKey::JoinGroup, reason }
}

async fn join_group(membership: &Membership, request: &JoinRequest) -> Result<JoinGroupResponse, Trouble> {
    let config = &membership.config;
    let protocols = request.protocols.iter().map(|(kind, metadata)| JoinGroupRequestProtocol {
        name: kind.name().to_owned(),
        metadata: metadata.clone(),
    });
    let message = JoinGroupRequest {
        group_id: config.id.clone(),
        session_timeout_ms: millis(config.session_timeout),
        rebalance_timeout_ms: millis(config.poll_interval_max),
        member_id: membership.identity.lock().member_id.clone(),
        group_instance_id: config.instance_id.clone(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocols: protocols.collect(),
        reason: Some(request.reason.to_owned()),
    };
    let within = membership.request_timeout().max(config.poll_interval_max.saturating_add(ANSWER_SLACK));
    let call = membership.call(Lane::Group, within);
    let response = match membership.client.call_once(&call, |_| message).await {
        Ok(response) => response,
        Err(error) => return Err(unanswered(membership, error)),
    };
    let code = response.error_code;
    let error = membership.error(ApiKey::JoinGroup, code);
    match code {
        ErrorCode::NONE => {
            let mut identity = membership.identity.lock();
            identity.member_id.clone_from(&response.member_id);
            identity.generation = response.generation_id;
            Ok(response)
        }
        ErrorCode::MEMBER_ID_REQUIRED => {
            membership.identity.lock().member_id = response.member_id;
            Err(Trouble::Again)
        }
        code => Err(refused(membership, code, error)),
    }
}

async fn sync_group(
    membership: &Membership,
    joined: JoinGroupResponse,
    assignments: Vec<SyncGroupRequestAssignment>,
) -> Result<Bytes, Trouble> {
    let message = SyncGroupRequest {
        group_id: membership.config.id.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id,
        group_instance_id: membership.config.instance_id.clone(),
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol_name: joined.protocol_name,
        assignments,
    };
    let within = membership.request_timeout().max(membership.config.poll_interval_max);
    let call = membership.call(Lane::Group, within);
    let response = match membership.client.call_once(&call, |_| message).await {
        Ok(response) => response,
        Err(error) => return Err(unanswered(membership, error)),
    };
    let error = membership.error(ApiKey::SyncGroup, response.error_code);
    match response.error_code {
        ErrorCode::NONE => Ok(response.assignment),
        // Others came or went meanwhile.
        ErrorCode::REBALANCE_IN_PROGRESS => Err(Trouble::Again),
        code => Err(refused(membership, code, error)),
    }
}

fn unanswered(membership: &Membership, error: ClientError) -> Trouble {
    if !error.is_retriable() {
        return Trouble::Failed(error);
    }
    membership.client.distrust(&membership.call(Lane::Group, Duration::ZERO).target);
    Trouble::Later(error)
}

fn refused(membership: &Membership, code: ErrorCode, error: ClientError) -> Trouble {
    match code {
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => Trouble::Lost(error),
        ErrorCode::REBALANCE_IN_PROGRESS => Trouble::Later(error),
        code if code.is_retriable() => unanswered(membership, error),
        _ => Trouble::Failed(error),
    }
}

/// What the leader hands out, and the counts that it rests on.
async fn plan(
    membership: &Membership,
    kind: AssignorKind,
    joined: &JoinGroupResponse,
) -> Result<(Vec<SyncGroupRequestAssignment>, Option<TopicCounts>), Trouble> {
    let mut members = Vec::with_capacity(joined.members.len());
    for member in &joined.members {
        let subscription = decode_subscription(member.metadata.clone()).unwrap_or_else(|error| {
            warn!(member = %member.member_id, %error, "a member's subscription is not readable");
            Default::default()
        });
        members.push(GroupMember {
            id: member.member_id.clone(),
            instance_id: member.group_instance_id.clone(),
            subscription,
        });
    }
    let topics = topics_of(members.iter().map(|member| member.subscription.topics.as_slice()));
    let names: Vec<String> = topics.iter().map(|topic| topic.to_string()).collect();
    let view = match names.is_empty() {
        true => membership.client.cluster(),
        false => membership.client.refresh(&TopicScope::Named(names), false).await.map_err(|error| {
            if error.is_retriable() { Trouble::Later(error) } else { Trouble::Failed(error) }
        })?,
    };
    let count = |topic: &str| view.topic(topic).map_or(0, |topic| topic.partitions.len() as i32);
    let counts: TopicCounts = topics.iter().map(|topic| (Arc::clone(topic), count(topic))).collect();
    // A static member that leads again is told that the plan it made before still holds (KIP-814).
    if joined.skip_assignment {
        return Ok((Vec::new(), Some(counts)));
    }
    let plan = assign(kind, &counts, &members);
    let by_member: HashMap<&str, _> = members.iter().map(|member| member.id.as_str()).zip(plan).collect();
    let mut assignments = Vec::with_capacity(by_member.len());
    for (member_id, partitions) in by_member {
        let assignment = encode_assignment(&Assignment { partitions, user_data: None })
            .map_err(|error| Trouble::Failed(not_the_protocol(membership, error.to_string())))?;
        assignments.push(SyncGroupRequestAssignment { member_id: member_id.to_owned(), assignment });
    }
    debug!(group = %membership.config.id, assignor = kind.name(), members = members.len(), "assigned");
    Ok((assignments, Some(counts)))
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
