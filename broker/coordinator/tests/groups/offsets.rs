//! Offsets: who may commit them, what is kept, and for how long.

use bytes::Bytes;
use millrace_coordinator::{Commit, GroupRecord, Input, Reply, Settings};
use millrace_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use millrace_protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use millrace_protocol::{ErrorCode, Uuid};

use super::bench::{Bench, Join, commit, protocol};

const DAY_MS: i64 = 24 * 3_600_000;

fn fetch(bench: &Bench, group: &str, topics: Option<&[(&str, i32)]>) -> Vec<(String, i32, i64, i32, String)> {
    let topics = topics.map(|topics| {
        let topics = topics.iter().map(|(topic, partition)| OffsetFetchRequestTopics {
            name: (*topic).to_owned(),
            partition_indexes: vec![*partition],
        });
        topics.collect()
    });
    let request =
        OffsetFetchRequestGroup { group_id: group.into(), topics, ..OffsetFetchRequestGroup::default() };
    let response = bench.shard.fetch_offsets(&request);
    assert_eq!((response.group_id.as_str(), response.error_code), (group, ErrorCode::NONE));
    let topics = response.topics.into_iter();
    let partitions =
        topics.flat_map(|topic| topic.partitions.into_iter().map(move |p| (topic.name.clone(), p)));
    partitions
        .map(|(name, p)| {
            (
                name,
                p.partition_index,
                p.committed_offset,
                p.committed_leader_epoch,
                p.metadata.unwrap_or_default(),
            )
        })
        .collect()
}

fn delete(bench: &mut Bench, group: &str, topic: &str) -> (ErrorCode, Option<ErrorCode>) {
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let request = OffsetDeleteRequest {
        group_id: group.into(),
        topics: vec![OffsetDeleteRequestTopic { name: topic.into(), partitions }],
    };
    let token = bench.send(Input::DeleteOffsets(request));
    let Reply::DeleteOffsets(response) = bench.reply(token) else { panic!("another reply") };
    (response.error_code, response.topics.first().map(|topic| topic.partitions[0].error_code))
}

#[test]
fn a_consumer_that_assigns_itself_commits_without_joining() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit_offset("alone", "", -1, 42), ErrorCode::NONE);
    let key = OffsetCommitKey { group: "alone".into(), topic: "t".into(), partition: 0 };
    let value = OffsetCommitValue {
        offset: 42,
        leader_epoch: 3,
        metadata: "note".into(),
        commit_timestamp: 1_000_000,
        expire_timestamp: -1,
        topic_id: Uuid([1; 16]),
    };
    assert_eq!(bench.log, [GroupRecord::OffsetCommit(key, Some(value))]);
    let kept = ("t".to_owned(), 0, 42, 3, "note".to_owned());
    assert_eq!(fetch(&bench, "alone", None), std::slice::from_ref(&kept));
    let absent = ("u".to_owned(), 9, -1, -1, String::new());
    assert_eq!(fetch(&bench, "alone", Some(&[("t", 0), ("u", 9)])), [kept, absent.clone()]);
    assert_eq!(fetch(&bench, "nobody", Some(&[("u", 9)])), [absent]);
    assert_eq!(fetch(&bench, "nobody", None), []);
    let group = bench.shard.describe_group("alone", 5);
    assert_eq!((group.group_state.as_str(), group.protocol_type.as_str()), ("Empty", ""));
}

#[test]
fn who_may_commit() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit_offset("nobody", "m", 1, 1), ErrorCode::ILLEGAL_GENERATION);
    let newer = Commit { api_version: 9, ..commit("nobody", "m", 1, &[("t", 0, 1)]) };
    assert_eq!(bench.commit_request(newer), [ErrorCode::GROUP_ID_NOT_FOUND]);
    let (leader, _) = bench.pair(&Join::new());
    assert_eq!(bench.commit_offset("g", &leader, 2, 1), ErrorCode::NONE);
    assert_eq!(bench.commit_offset("g", "", -1, 1), ErrorCode::UNKNOWN_MEMBER_ID, "members decide now");
    bench.join(Join::new().member(&leader));
    assert_eq!(bench.commit_offset("g", &leader, 2, 2), ErrorCode::NONE, "before joining again");
    bench.advance(60_000);
    assert_eq!(bench.state(), "Empty");
    assert_eq!(bench.commit_offset("g", "", -1, 1), ErrorCode::NONE, "tools reset offsets of idle groups");
    assert_eq!(bench.commit_offset("g", &leader, 2, 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn long_metadata_is_refused_alone() {
    let mut bench = Bench::with(Settings { offset_metadata_max: 4, ..Settings::default() });
    let mut two = commit("g", "", -1, &[("t", 0, 1), ("u", 0, 2)]);
    two.request.topics[0].partitions[0].committed_metadata = Some("12345".into());
    two.request.topics[1].partitions[0].committed_metadata = Some("\u{1f600}\u{1f600}".into());
    assert_eq!(bench.commit_request(two), [ErrorCode::OFFSET_METADATA_TOO_LARGE, ErrorCode::NONE]);
    assert_eq!(bench.log.len(), 1);
}

#[test]
fn offsets_of_one_request_stand_or_fall_together() {
    let mut bench = Bench::with(Settings { record_bytes_max: 300, ..Settings::default() });
    let offsets: Vec<_> = (0..4).map(|partition| ("t", partition, 1)).collect();
    assert_eq!(bench.commit_request(commit("g", "", -1, &offsets)), [ErrorCode::UNKNOWN_SERVER_ERROR; 4]);
    assert_eq!(bench.log, []);
    assert_eq!(bench.commit_request(commit("g", "", -1, &offsets[..3])), [ErrorCode::NONE; 3]);
}

#[test]
fn offsets_are_deleted_where_nobody_reads_the_topic() {
    let mut bench = Bench::new();
    assert_eq!(delete(&mut bench, "nobody", "t"), (ErrorCode::GROUP_ID_NOT_FOUND, None));
    assert_eq!(delete(&mut bench, "", "t"), (ErrorCode::INVALID_GROUP_ID, None));
    let (leader, _) = bench.pair(&Join::new());
    bench.commit_request(commit("g", &leader, 2, &[("t", 0, 1), ("u", 0, 1)]));
    assert_eq!(delete(&mut bench, "g", "t"), (ErrorCode::NONE, Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC)));
    let records = bench.log.len();
    assert_eq!(delete(&mut bench, "g", "u"), (ErrorCode::NONE, Some(ErrorCode::NONE)));
    assert_eq!(delete(&mut bench, "g", "u"), (ErrorCode::NONE, Some(ErrorCode::NONE)));
    assert_eq!(bench.log[records..], [GroupRecord::offset_tombstone("g", "u", 0)]);
    assert_eq!(fetch(&bench, "g", None).len(), 1);
}

#[test]
fn of_other_groups_nobody_knows_what_they_read() {
    let mut bench = Bench::new();
    let connect = Join::new().kind("connect").protocols(vec![protocol("sessioned", &[])]);
    let member = bench.join_now(connect).member_id;
    bench.sync_now(&member, 1, &[]).unwrap();
    bench.commit_offset("g", &member, 1, 5);
    assert_eq!(delete(&mut bench, "g", "t"), (ErrorCode::NON_EMPTY_GROUP, None));
    bench.leave(&[(&member, None)]);
    assert_eq!(delete(&mut bench, "g", "t"), (ErrorCode::NONE, Some(ErrorCode::NONE)));
}

#[test]
fn consumers_whose_metadata_is_no_subscription_may_read_anything() {
    let mut bench = Bench::new();
    let mut odd = protocol("range", &[]);
    odd.metadata = Bytes::from_static(b"\xff");
    let member = bench.join_now(Join::new().protocols(vec![odd])).member_id;
    bench.sync_now(&member, 1, &[]).unwrap();
    bench.commit_offset("g", &member, 1, 5);
    assert_eq!(delete(&mut bench, "g", "t").1, Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC));
}

#[test]
fn offsets_of_an_empty_group_expire_when_it_has_been_empty_long_enough() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    bench.commit_request(commit("g", &leader, 2, &[("t", 0, 1), ("u", 3, 1)]));
    bench.advance(5_000);
    bench.leave(&[(&leader, None), (&follower, None)]);
    bench.advance(7 * DAY_MS - 600_000);
    assert_eq!(fetch(&bench, "g", None).len(), 2);
    let records = bench.log.len();
    bench.advance(1_200_000);
    let expected = [
        GroupRecord::offset_tombstone("g", "t", 0),
        GroupRecord::offset_tombstone("g", "u", 3),
        GroupRecord::group_tombstone("g"),
    ];
    assert_eq!(bench.log[records..], expected);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn members_keep_the_offsets_of_what_they_read() {
    let mut bench = Bench::new();
    let slow = Join::new().sessions(1_800_000);
    let member = bench.join_now(slow).member_id;
    bench.sync_now(&member, 1, &[]).unwrap();
    bench.commit_request(commit("g", &member, 1, &[("t", 0, 1), ("u", 0, 1)]));
    for _ in 0..8 * 24 * 3 {
        bench.advance(1_200_000);
        assert_eq!(bench.heartbeat(&member, 1), ErrorCode::NONE);
    }
    let left: Vec<_> = fetch(&bench, "g", None).into_iter().map(|(topic, ..)| topic).collect();
    assert_eq!(left, ["t"], "u was not read for more than seven days");
}

#[test]
fn offsets_of_a_consumer_that_assigns_itself_expire_one_by_one() {
    let mut bench = Bench::new();
    bench.commit_request(commit("alone", "", -1, &[("t", 0, 1), ("u", 0, 1)]));
    bench.advance(4 * DAY_MS);
    bench.commit_request(commit("alone", "", -1, &[("u", 0, 2)]));
    bench.advance(4 * DAY_MS);
    assert_eq!(fetch(&bench, "alone", None).len(), 1);
    bench.advance(4 * DAY_MS);
    assert_eq!(bench.shard.describe_group("alone", 5).group_state, "Dead");
    assert_eq!(bench.log.last(), Some(&GroupRecord::group_tombstone("alone")));
}

#[test]
fn old_clients_say_themselves_how_long_offsets_last() {
    let mut bench = Bench::new();
    let mut short = commit("alone", "", -1, &[("t", 0, 1)]);
    (short.api_version, short.request.retention_time_ms) = (2, 3_600_000);
    bench.commit_request(short);
    let mut long = commit("alone", "", -1, &[("u", 0, 1)]);
    (long.api_version, long.request.retention_time_ms) = (2, 30 * DAY_MS);
    bench.commit_request(long);
    bench.advance(2 * 3_600_000);
    assert_eq!(fetch(&bench, "alone", None).len(), 1);
    bench.advance(29 * DAY_MS);
    assert_eq!(fetch(&bench, "alone", None).len(), 1);
    bench.advance(2 * DAY_MS);
    assert_eq!(fetch(&bench, "alone", None), []);
}

#[test]
fn topics_that_are_gone_take_their_offsets_with_them() {
    let mut bench = Bench::new();
    let mut both = commit("a", "", -1, &[("t", 0, 1), ("u", 0, 1)]);
    both.topic_ids = vec![Uuid([1; 16]), Uuid::default()];
    bench.commit_request(both);
    let records = bench.log.len();
    let outcome = bench.shard.forget_topics(|topic, id| topic == "u" || id == Uuid([1; 16]));
    assert_eq!(outcome.records, [], "both are there");
    let outcome = bench.shard.forget_topics(|topic, id| topic == "t" && id == Uuid([2; 16]));
    bench.commit(outcome);
    let expected = [GroupRecord::offset_tombstone("a", "t", 0), GroupRecord::offset_tombstone("a", "u", 0)];
    assert_eq!(bench.log[records..], expected, "t is another topic now, and u is gone");
}
