//! Groups over the broker's own life: what is kept through crashes, what is forgotten, and that nobody who
//! waits is forgotten.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millrace_protocol::messages::describe_groups::DescribeGroupsRequest;
use millrace_protocol::messages::find_coordinator::FindCoordinatorRequest;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use millrace_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_protocol::{ErrorCode, Request};
use millrace_tests::{Connection, Millrace, places, until};
use rustix::process::Signal;

use super::disk::SmallDisk;

/// One partition of `__consumer_offsets`, so that a test knows where its group is.
const ONE_PARTITION: &str = "offsets.topic.num.partitions=1";

/// Asks until the coordinator has been found and has loaded its groups.
fn ready<R: Request>(
    connection: &mut Connection,
    request: &R,
    version: i16,
    code: impl Fn(&R::Response) -> ErrorCode,
) -> R::Response {
    until("the coordinator has loaded", || {
        let answer = connection.ask(request, version);
        let later = [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR];
        if code(&answer) == ErrorCode::NOT_COORDINATOR {
            find(connection, "g");
        }
        (!later.contains(&code(&answer))).then_some(answer)
    })
}

fn find(connection: &mut Connection, group: &str) -> ErrorCode {
    let request = FindCoordinatorRequest { coordinator_keys: vec![group.to_owned()], ..Default::default() };
    connection.ask(&request, 4).coordinators[0].error_code
}

fn commit_request(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic = OffsetCommitRequestTopic { name: topic.to_owned(), partitions: vec![partition] };
    OffsetCommitRequest { group_id: group.to_owned(), topics: vec![topic], ..Default::default() }
}

/// Commits from outside of the group.
fn commit(connection: &mut Connection, group: &str, topic: &str, offset: i64) -> ErrorCode {
    let request = commit_request(group, topic, offset);
    let answer = ready(connection, &request, 7, |answer| answer.topics[0].partitions[0].error_code);
    answer.topics[0].partitions[0].error_code
}

/// All offsets of a group, by topic.
fn committed(connection: &mut Connection, group: &str) -> Vec<(String, i64)> {
    let group = OffsetFetchRequestGroup { group_id: group.to_owned(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = ready(connection, &request, 8, |answer| answer.groups[0].error_code);
    let topics = answer.groups[0].topics.iter();
    topics.map(|topic| (topic.name.clone(), topic.partitions[0].committed_offset)).collect()
}

fn join_request(member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 60_000,
        member_id: member.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_owned(), metadata: Bytes::new() }],
        ..Default::default()
    }
}

/// Joins group `g` as its first member, and makes it stable.
fn member(connection: &mut Connection) -> (String, i32) {
    let joined = ready(connection, &join_request(""), 3, |answer| answer.error_code);
    assert!(joined.error_code.is_ok(), "{joined:?}");
    let (member_id, generation_id) = (joined.member_id, joined.generation_id);
    let assignments = vec![SyncGroupRequestAssignment {
        member_id: member_id.clone(),
        assignment: Bytes::from_static(b"all"),
    }];
    let sync = SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id,
        member_id: member_id.clone(),
        assignments,
        ..Default::default()
    };
    assert_eq!(connection.ask(&sync, 3).assignment, "all");
    (member_id, generation_id)
}

fn beat(connection: &mut Connection, member: &str, generation_id: i32) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id,
        member_id: member.to_owned(),
        ..Default::default()
    };
    connection.ask(&request, 3).error_code
}

fn state(connection: &mut Connection, group: &str) -> String {
    let request = DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
    ready(connection, &request, 5, |answer| answer.groups[0].error_code).groups.remove(0).group_state
}

fn delete_topic(connection: &mut Connection, name: &str) {
    let topic = DeleteTopicState { name: Some(name.to_owned()), ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 5000, ..Default::default() };
    assert!(connection.ask(&request, 6).responses[0].error_code.is_ok());
}

fn set(connection: &mut Connection, topic: &str, name: &str, value: &str) {
    let config =
        AlterableConfig { name: name.to_owned(), config_operation: 0, value: Some(value.to_owned()) };
    let resource =
        AlterConfigsResource { resource_type: 2, resource_name: topic.to_owned(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    assert!(connection.ask(&request, 1).responses[0].error_code.is_ok());
}

#[test]
fn groups_survive_a_crash_with_members_and_offsets() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    let (member, generation) = member(&mut connection);
    for group in 0..40 {
        assert_eq!(commit(&mut connection, &format!("outside-{group}"), "t", group), ErrorCode::NONE);
    }
    for _ in 0..2 {
        broker.process.kill();
        broker.start_again();
        let mut connection = broker.connect();
        assert_eq!(state(&mut connection, "g"), "Stable");
        assert_eq!(beat(&mut connection, &member, generation), ErrorCode::NONE, "it goes on as it was");
        for group in 0..40 {
            let expected = [("t".to_owned(), group)];
            assert_eq!(committed(&mut connection, &format!("outside-{group}")), expected);
        }
    }
}

#[test]
fn whoever_waits_is_answered_before_the_broker_ends() {
    let mut broker = Millrace::start(&["group.initial.rebalance.delay.ms=60000"]);
    let mut waiting = broker.connect();
    find(&mut waiting, "g");
    waiting.send(&join_request(""), 3);
    let mut other = broker.connect();
    until("the group is there", || (state(&mut other, "g") == "PreparingRebalance").then_some(()));
    let started = Instant::now();
    broker.process.signal(Signal::TERM);
    assert_eq!(waiting.answer::<JoinGroupRequest>(3).error_code, ErrorCode::NOT_COORDINATOR);
    assert_eq!(broker.process.wait(), Some(0), "{}", broker.process.output());
    assert!(started.elapsed() < Duration::from_secs(4), "took {:?}", started.elapsed());
}

#[test]
fn a_topic_takes_its_offsets_with_it() {
    let mut broker = Millrace::start(&[]);
    for topic in ["kept", "lost", "again"] {
        broker.create_topic(topic, &[]);
    }
    let mut connection = broker.connect();
    for topic in ["kept", "lost", "again"] {
        assert_eq!(commit(&mut connection, "g", topic, 7), ErrorCode::NONE);
    }
    delete_topic(&mut connection, "lost");
    delete_topic(&mut connection, "again");
    broker.create_topic("again", &[]);
    let kept = [("kept".to_owned(), 7)];
    until("the others are forgotten", || (committed(&mut connection, "g") == kept).then_some(()));
    broker.process.kill();
    broker.start_again();
    assert_eq!(committed(&mut broker.connect(), "g"), kept);
}

#[test]
fn offsets_and_groups_expire() {
    let broker = Millrace::start(&["offsets.retention.check.interval.ms=50"]);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    find(&mut connection, "short");
    // Old clients say themselves how long.
    for (group, retention_time_ms) in [("short", 1), ("long", 60_000)] {
        let request = OffsetCommitRequest { retention_time_ms, ..commit_request(group, "t", 5) };
        assert!(connection.ask(&request, 2).topics[0].partitions[0].error_code.is_ok());
    }
    until("the group is gone", || (state(&mut connection, "short") == "Dead").then_some(()));
    assert_eq!(state(&mut connection, "long"), "Empty");
    assert_eq!(committed(&mut connection, "long"), [("t".to_owned(), 5)]);
}

#[test]
fn commits_wait_for_the_disk_where_that_is_asked_for() {
    let mut broker = Millrace::start(&[ONE_PARTITION]);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    find(&mut connection, "g");
    set(&mut connection, "__consumer_offsets", "flush.messages", "1");
    for offset in 0..20 {
        assert_eq!(commit(&mut connection, "g", "t", offset), ErrorCode::NONE);
    }
    let (member, generation) = member(&mut connection);
    assert_eq!(beat(&mut connection, &member, generation), ErrorCode::NONE);
    broker.process.kill();
    broker.start_again();
    assert_eq!(committed(&mut broker.connect(), "g"), [("t".to_owned(), 19)]);
}

#[test]
fn the_topic_of_offsets_may_go_and_come_again() {
    let broker = Millrace::start(&[ONE_PARTITION]);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    assert_eq!(commit(&mut connection, "g", "t", 5), ErrorCode::NONE);
    let (member, generation) = member(&mut connection);
    let mut waiting = broker.connect();
    waiting.send(&join_request(""), 3);
    until("the group rebalances", || (state(&mut connection, "g") == "PreparingRebalance").then_some(()));
    delete_topic(&mut connection, "__consumer_offsets");
    assert_eq!(waiting.answer::<JoinGroupRequest>(3).error_code, ErrorCode::NOT_COORDINATOR);
    assert_eq!(beat(&mut connection, &member, generation), ErrorCode::NOT_COORDINATOR);
    assert_eq!(find(&mut connection, "g"), ErrorCode::NONE);
    assert_eq!(committed(&mut connection, "g"), []);
    assert_eq!(beat(&mut connection, &member, generation), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(commit(&mut connection, "g", "t", 6), ErrorCode::NONE);
}

/// Nobody is told that an offset is kept which is not, and what was kept is there when the disk has room again.
#[test]
fn a_full_disk_keeps_what_it_has() {
    let Some(disk) = SmallDisk::mount(16) else {
        return places::left_out("groups-on-a-full-disk", "file systems cannot be mounted here (not root?)");
    };
    let dirs = format!("log.dirs={}", disk.path.join("data").display());
    let mut broker = Millrace::start(&[ONE_PARTITION, &dirs]);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    assert_eq!(commit(&mut connection, "g", "t", 0), ErrorCode::NONE);
    let filling = disk.path.join("filling");
    assert!(std::fs::write(&filling, vec![0; 16 << 20]).is_err(), "the disk is full");
    let (kept, refusal) = (1..1000)
        .find_map(|offset| {
            let answer = connection.ask(&commit_request("g", "t", offset), 7);
            let code = answer.topics[0].partitions[0].error_code;
            code.is_err().then_some((offset - 1, code))
        })
        .expect("a page of the disk holds less than a thousand offsets");
    assert_eq!(refusal, ErrorCode::NOT_COORDINATOR);
    assert_eq!(
        beat(&mut connection, "stranger", 1),
        ErrorCode::NOT_COORDINATOR,
        "nobody answers for the group"
    );
    std::fs::remove_file(&filling).unwrap();
    broker.process.kill();
    broker.start_again();
    assert_eq!(committed(&mut broker.connect(), "g"), [("t".to_owned(), kept)]);
    assert_eq!(commit(&mut broker.connect(), "g", "t", 5000), ErrorCode::NONE);
}

/// Commits of one group are worth one record after compaction, however many there were.
#[test]
fn the_log_of_offsets_stays_small() {
    let settings = [
        ONE_PARTITION,
        "offsets.topic.segment.bytes=1048576",
        "log.cleaner.backoff.ms=20",
        "log.retention.check.interval.ms=100",
        "log.segment.delete.delay.ms=0",
    ];
    let mut broker = Millrace::start(&settings);
    broker.create_topic("t", &[]);
    let mut connection = broker.connect();
    let directory = broker.data.join("__consumer_offsets-0");
    let note = "n".repeat(4000);
    let written = 800;
    for offset in 0..written {
        let mut request = commit_request("g", "t", offset);
        request.topics[0].partitions[0].committed_metadata = Some(note.clone());
        let answer = ready(&mut connection, &request, 7, |answer| answer.topics[0].partitions[0].error_code);
        assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::NONE);
    }
    // Three segments were full of which one offset counts; the last segment is left alone.
    until("they are compacted", || (log_bytes(&directory) < 1_200_000).then_some(()));
    broker.process.kill();
    broker.start_again();
    assert_eq!(committed(&mut broker.connect(), "g"), [("t".to_owned(), written - 1)]);
}

fn log_bytes(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    // A file may be replaced while this looks.
    logs.filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}
