//! Groups that are not there, members nobody knows, commits of the wrong generation.

use bytes::Bytes;
use millrace_protocol::messages::delete_groups::DeleteGroupsRequest;
use millrace_protocol::messages::describe_groups::DescribeGroupsRequest;
use millrace_protocol::messages::find_coordinator::FindCoordinatorRequest;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use millrace_protocol::messages::list_groups::ListGroupsRequest;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use millrace_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use millrace_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_protocol::{ErrorCode, Request};
use millrace_tests::{Connection, until};

use super::{Case, PRESENT};

pub(super) const CASES: &[Case] = &[
    ("find coordinator: of an empty name", |c| found(c, "")),
    ("find coordinator: of a kind that nobody knows", |c| coordinator(c, "group", 7)),
    ("find coordinator: of any group", |c| found(c, "any group")),
    ("join: without a group", |c| joined(c, &join(""))),
    ("join: without a member id", |c| {
        let answer = ready(c, &join("joining"), 5, |answer| answer.error_code);
        format!("{:?}, given an id {}", answer.error_code, !answer.member_id.is_empty())
    }),
    ("join: an old client without a member id", |c| {
        let answer = c.ask(&join("joining-old"), 3);
        format!("{:?}, generation {}", answer.error_code, answer.generation_id)
    }),
    ("join: as a member nobody knows", |c| {
        joined(c, &JoinGroupRequest { member_id: "stranger".to_owned(), ..join("joining") })
    }),
    ("join: a session that is too short", |c| {
        joined(c, &JoinGroupRequest { session_timeout_ms: 1, ..join("joining") })
    }),
    ("join: a session that is too long", |c| {
        joined(c, &JoinGroupRequest { session_timeout_ms: i32::MAX, ..join("joining") })
    }),
    ("join: without a protocol type", |c| {
        joined(c, &JoinGroupRequest { protocol_type: String::new(), ..join("joining") })
    }),
    ("join: without protocols", |c| {
        joined(c, &JoinGroupRequest { protocols: Vec::new(), ..join("joining") })
    }),
    ("join: with another protocol type than the others", |c| {
        let _member = member(c, "consumers");
        joined(c, &JoinGroupRequest { protocol_type: "connect".to_owned(), ..join("consumers") })
    }),
    ("join: with no protocol in common", |c| {
        let _member = member(c, "rangers");
        let mut other = join("rangers");
        other.protocols[0].name = "unheard-of".to_owned();
        joined(c, &other)
    }),
    ("sync: as a member nobody knows", |c| synced(c, "joining", 1, "stranger")),
    ("sync: a group nobody knows", |c| synced(c, "nowhere", 1, "stranger")),
    ("sync: without a group", |c| synced(c, "", 1, "stranger")),
    ("sync: the wrong generation", |c| {
        let member = member(c, "syncing");
        synced(c, "syncing", member.generation_id + 4, &member.member_id)
    }),
    ("heartbeat: as a member nobody knows", |c| beaten(c, "joining", 1, "stranger")),
    ("heartbeat: a group nobody knows", |c| beaten(c, "nowhere", 1, "stranger")),
    ("heartbeat: without a group", |c| beaten(c, "", 1, "stranger")),
    ("heartbeat: the wrong generation", |c| {
        let member = member(c, "beating");
        let (wrong, right) = (member.generation_id + 4, member.generation_id);
        format!(
            "{}, then {}",
            beaten(c, "beating", wrong, &member.member_id),
            beaten(c, "beating", right, &member.member_id)
        )
    }),
    ("leave: as a member nobody knows", |c| left(c, "joining", "stranger", None)),
    ("leave: a group nobody knows", |c| left(c, "nowhere", "stranger", None)),
    ("leave: an instance nobody knows", |c| left(c, "joining", "", Some("instance"))),
    ("commit: from outside", |c| committed(c, "outside", -1, "", PRESENT, 0, Some("note"))),
    ("commit: the group then", |c| {
        let request = DescribeGroupsRequest { groups: vec!["outside".to_owned()], ..Default::default() };
        let group = c.ask(&request, 5).groups.remove(0);
        format!("{:?} {} {:?}", group.error_code, group.group_state, group.protocol_type)
    }),
    ("commit: from outside, with a generation", |c| committed(c, "nowhere", 3, "", PRESENT, 0, None)),
    ("commit: as a member nobody knows", |c| committed(c, "outside", 1, "stranger", PRESENT, 0, None)),
    ("commit: a topic that is not there", |c| committed(c, "outside", -1, "", "absent", 0, None)),
    ("commit: a partition that is not there", |c| committed(c, "outside", -1, "", PRESENT, 9, None)),
    ("commit: a note that is too long", |c| {
        committed(c, "outside", -1, "", PRESENT, 1, Some(&"n".repeat(5000)))
    }),
    ("commit: without a group", |c| committed(c, "", -1, "", PRESENT, 0, None)),
    ("commit: into a group with members", |c| {
        let _member = member(c, "occupied");
        committed(c, "occupied", -1, "", PRESENT, 0, None)
    }),
    ("commit: the wrong generation", |c| {
        let member = member(c, "old-generation");
        committed(c, "old-generation", member.generation_id + 4, &member.member_id, PRESENT, 0, None)
    }),
    ("offsets: what was committed", |c| offsets(c, "outside", PRESENT, 0)),
    ("offsets: what was not", |c| offsets(c, "outside", PRESENT, 1)),
    ("offsets: a group nobody knows", |c| offsets(c, "nowhere", PRESENT, 0)),
    ("offsets: a topic that is not there", |c| offsets(c, "outside", "absent", 0)),
    ("offsets: without a group", |c| offsets(c, "", PRESENT, 0)),
    ("describe group: one that nobody knows", |c| described(c, "nowhere", 5)),
    ("describe group: one that nobody knows, to a new client", |c| described(c, "nowhere", 6)),
    ("describe group: an empty name", |c| described(c, "", 5)),
    ("list groups: in a state that nobody knows", |c| {
        let request = ListGroupsRequest { states_filter: vec!["Asleep".to_owned()], ..Default::default() };
        let answer = c.ask(&request, 4);
        format!("{:?}, {} groups", answer.error_code, answer.groups.len())
    }),
    ("delete group: one that nobody knows", |c| deleted(c, "nowhere")),
    ("delete group: an empty name", |c| deleted(c, "")),
    ("delete group: one with members", |c| {
        let _member = member(c, "alive");
        deleted(c, "alive")
    }),
    ("delete offsets: a group nobody knows", |c| offset_deleted(c, "nowhere", PRESENT, 0)),
    ("delete offsets: of a topic that the group reads", |c| {
        let member = member(c, "reading");
        let sync = SyncGroupRequest {
            group_id: "reading".to_owned(),
            generation_id: member.generation_id,
            member_id: member.member_id.clone(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: member.member_id,
                assignment: Bytes::new(),
            }],
            ..Default::default()
        };
        assert!(c.ask(&sync, 3).error_code.is_ok());
        offset_deleted(c, "reading", PRESENT, 0)
    }),
    ("delete offsets: what was committed", |c| {
        format!("{}, then {}", offset_deleted(c, "outside", PRESENT, 0), offsets(c, "outside", PRESENT, 0))
    }),
    ("delete group: what is left", |c| {
        let _ = committed(c, "outside", -1, "", PRESENT, 0, None);
        format!("{}, then {}", deleted(c, "outside"), described(c, "outside", 5))
    }),
];

/// Kafka's subscription of a consumer, version 0: a topic, and no user data.
fn subscription() -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, PRESENT.len() as u8];
    bytes.extend_from_slice(PRESENT.as_bytes());
    bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    bytes.into()
}

fn join(group: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_owned(), metadata: subscription() }],
        ..Default::default()
    }
}

/// Asks until the coordinator has loaded its partition.
fn ready<R: Request>(
    connection: &mut Connection,
    request: &R,
    version: i16,
    code: impl Fn(&R::Response) -> ErrorCode,
) -> R::Response {
    until("the coordinator has loaded", || {
        let answer = connection.ask(request, version);
        let loading = [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR];
        (!loading.contains(&code(&answer))).then_some(answer)
    })
}

fn joined(connection: &mut Connection, request: &JoinGroupRequest) -> String {
    let answer = ready(connection, request, 3, |answer| answer.error_code);
    format!("{:?}, generation {}", answer.error_code, answer.generation_id)
}

/// Joins a group of that name as its first member.
fn member(connection: &mut Connection, group: &str) -> JoinGroupResponse {
    let answer = ready(connection, &join(group), 3, |answer| answer.error_code);
    assert!(answer.error_code.is_ok(), "{answer:?}");
    answer
}

/// The first who asks has the topic of offsets created, which Kafka does not wait for.
fn found(connection: &mut Connection, group: &str) -> String {
    until("there is a coordinator", || {
        let found = coordinator(connection, group, 0);
        (!found.contains("COORDINATOR_NOT_AVAILABLE")).then_some(found)
    })
}

fn coordinator(connection: &mut Connection, key: &str, key_type: i8) -> String {
    let request =
        FindCoordinatorRequest { key_type, coordinator_keys: vec![key.to_owned()], ..Default::default() };
    connection.send(&request, 4);
    let Some(frame) = connection.frame() else { return "the connection is closed".to_owned() };
    let body = frame.slice(5..);
    let answer =
        millrace_protocol::decode_from_bytes::<<FindCoordinatorRequest as Request>::Response>(body, 4)
            .unwrap();
    let found = &answer.coordinators[0];
    format!("{:?}, node {}, port {}", found.error_code, found.node_id, found.port > 0)
}

fn synced(connection: &mut Connection, group: &str, generation_id: i32, member: &str) -> String {
    let request = SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id,
        member_id: member.to_owned(),
        ..Default::default()
    };
    format!("{:?}", ready(connection, &request, 3, |answer| answer.error_code).error_code)
}

fn beaten(connection: &mut Connection, group: &str, generation_id: i32, member: &str) -> String {
    let request = HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id,
        member_id: member.to_owned(),
        ..Default::default()
    };
    format!("{:?}", ready(connection, &request, 3, |answer| answer.error_code).error_code)
}

fn left(connection: &mut Connection, group: &str, member: &str, instance: Option<&str>) -> String {
    let identity = MemberIdentity {
        member_id: member.to_owned(),
        group_instance_id: instance.map(str::to_owned),
        reason: None,
    };
    let request =
        LeaveGroupRequest { group_id: group.to_owned(), members: vec![identity], ..Default::default() };
    let answer = ready(connection, &request, 3, |answer| answer.error_code);
    let members: Vec<_> = answer.members.iter().map(|member| member.error_code).collect();
    format!("{:?} {members:?}", answer.error_code)
}

fn committed(
    connection: &mut Connection,
    group: &str,
    generation: i32,
    member: &str,
    topic: &str,
    partition_index: i32,
    metadata: Option<&str>,
) -> String {
    let partition = OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 5,
        committed_metadata: metadata.map(str::to_owned),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned(),
        topics: vec![topic],
        ..Default::default()
    };
    let answer = ready(connection, &request, 7, |answer| answer.topics[0].partitions[0].error_code);
    format!("{:?}", answer.topics[0].partitions[0].error_code)
}

fn offsets(connection: &mut Connection, group: &str, topic: &str, partition: i32) -> String {
    let topic = OffsetFetchRequestTopics { name: topic.to_owned(), partition_indexes: vec![partition] };
    let group = OffsetFetchRequestGroup {
        group_id: group.to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = ready(connection, &request, 8, |answer| answer.groups[0].error_code);
    let group = &answer.groups[0];
    let partitions = group.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| {
        let (offset, note) = (partition.committed_offset, &partition.metadata);
        format!("{:?}, offset {offset}, note {note:?}", partition.error_code)
    });
    format!("{:?} {:?}", group.error_code, partitions.collect::<Vec<_>>())
}

fn described(connection: &mut Connection, group: &str, version: i16) -> String {
    let request = DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
    let answer = ready(connection, &request, version, |answer| answer.groups[0].error_code);
    let group = &answer.groups[0];
    let text = super::shown(group.error_code, group.error_message.as_deref());
    format!("{text}, state {:?}", group.group_state)
}

fn deleted(connection: &mut Connection, group: &str) -> String {
    let request = DeleteGroupsRequest { groups_names: vec![group.to_owned()] };
    let answer = ready(connection, &request, 2, |answer| answer.results[0].error_code);
    format!("{:?}", answer.results[0].error_code)
}

fn offset_deleted(connection: &mut Connection, group: &str, topic: &str, partition_index: i32) -> String {
    let partition = OffsetDeleteRequestPartition { partition_index };
    let topic = OffsetDeleteRequestTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = OffsetDeleteRequest { group_id: group.to_owned(), topics: vec![topic] };
    let answer = ready(connection, &request, 0, |answer| answer.error_code);
    let partitions: Vec<_> =
        answer.topics.iter().flat_map(|topic| &topic.partitions).map(|each| each.error_code).collect();
    format!("{:?} {partitions:?}", answer.error_code)
}
