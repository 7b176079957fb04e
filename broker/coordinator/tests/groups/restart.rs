//! What a coordinator knows when it starts anew: its records, and nothing else.

use millrace_coordinator::{GroupRecord, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::group_records::{GroupMetadataKey, GroupMetadataValue};
use millrace_protocol::messages::sync_group::SyncGroupResponse;

use super::bench::{Bench, Join};

#[test]
fn members_go_on_after_a_restart_as_if_nothing_had_been() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    bench.commit_offset("g", &leader, 2, 7);
    bench.restart();
    assert_eq!(bench.state(), "Stable");
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::NONE);
    assert_eq!(bench.commit_offset("g", &follower, 2, 8), ErrorCode::NONE);
    assert_eq!(bench.sync_now(&follower, 2, &[]).unwrap(), "to the follower");
    let joined = bench.join_now(Join::new().member(&follower));
    assert_eq!((joined.generation_id, joined.leader), (2, leader));
}

#[test]
fn members_that_are_gone_after_a_restart_are_missed_after_their_session() {
    let mut bench = Bench::new();
    let (leader, _) = bench.pair(&Join::new());
    bench.advance(9_000);
    bench.restart();
    bench.advance(9_999);
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::NONE, "sessions began anew");
    bench.advance(1);
    assert_eq!((bench.state().as_str(), bench.members()), ("PreparingRebalance", 1));
}

#[test]
fn a_rebalance_in_between_is_forgotten_and_begins_again() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    bench.join(Join::new().member(&leader));
    bench.restart();
    assert_eq!((bench.state().as_str(), bench.members()), ("Stable", 2));
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    assert_eq!(bench.joined(first).generation_id, 3);
    assert_eq!(bench.joined(second).generation_id, 3);
}

#[test]
fn static_members_come_back_after_a_restart_of_both() {
    let mut bench = Bench::new();
    let one = bench.join_now(Join::new().version(9).instance("one")).member_id;
    bench.sync_now(&one, 1, &[(&one, "mine")]).unwrap();
    bench.restart();
    let back = bench.join_now(Join::new().version(9).instance("one"));
    assert_eq!((back.error_code, back.generation_id, back.skip_assignment), (ErrorCode::NONE, 1, true));
    assert_eq!(bench.sync_now(&back.member_id, 1, &[]).unwrap(), "mine");
    bench.restart();
    assert_eq!(bench.heartbeat_as(&back.member_id, Some("one"), 1), ErrorCode::NONE);
}

#[test]
fn records_of_old_brokers_are_read() {
    let mut bench = Bench::new();
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 4,
        current_state_timestamp: -1,
        ..GroupMetadataValue::default()
    };
    let key = GroupMetadataKey { group: "g".into() };
    bench.commit_offset("g", "", -1, 3);
    let record = GroupRecord::GroupMetadata(key, Some(value));
    bench.shard.replay(&record);
    bench.log.push(record);
    bench.restart();
    assert_eq!(bench.state(), "Empty");
    // Without the time since when it is empty, the last commit counts.
    bench.advance(7 * 24 * 3_600_000 + 600_000);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn whoever_waits_is_sent_away_when_the_shard_is_unloaded() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    bench.joined(first);
    bench.joined(second);
    let syncing = bench.sync(&follower, 3, &[]);
    let unloaded = bench.shard.unload();
    let gone = SyncGroupResponse { error_code: ErrorCode::NOT_COORDINATOR, ..SyncGroupResponse::default() };
    assert_eq!(unloaded, [(syncing, Reply::Sync(gone))]);
    assert_eq!(bench.shard.next_deadline_ms(), None);
}
