//! From one generation to the next.

use millrace_coordinator::Settings;
use millrace_protocol::ErrorCode;

use super::bench::{Bench, Join, protocol};

fn waits(delay_ms: i32) -> Bench {
    Bench::with(Settings { initial_rebalance_delay_ms: delay_ms, ..Settings::default() })
}

#[test]
fn a_new_group_waits_and_each_newcomer_prolongs_the_wait() {
    let mut bench = waits(3000);
    let first = bench.join(Join::new());
    bench.advance(2000);
    let second = bench.join(Join::new());
    bench.advance(1000);
    assert!(bench.is_parked(first), "the second member added another delay");
    bench.advance(2999);
    assert!(bench.is_parked(first));
    bench.advance(1);
    let (first, second) = (bench.joined(first), bench.joined(second));
    assert_eq!((first.generation_id, second.generation_id), (1, 1));
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    assert_eq!(first.leader, second.leader);
}

#[test]
fn the_wait_ends_with_the_rebalance_timeout() {
    let mut bench = waits(3000);
    let mut join = Join::new();
    join.request.rebalance_timeout_ms = 7000;
    let tokens: Vec<_> = (0..4)
        .map(|_| {
            let token = bench.join(join.clone());
            bench.advance(2000);
            token
        })
        .collect();
    bench.advance(1000);
    for token in tokens {
        assert_eq!(bench.joined(token).generation_id, 1);
    }
}

#[test]
fn a_second_member_brings_everybody_back() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let value = bench.last_metadata();
    assert_eq!((value.generation, value.leader.as_deref()), (2, Some(&*leader)));
    let assignments: Vec<_> =
        value.members.iter().map(|member| (member.member_id.clone(), member.assignment.clone())).collect();
    let mut expected = [(leader, "to the leader".into()), (follower, "to the follower".into())];
    expected.sort();
    assert_eq!(assignments, expected);
}

#[test]
fn a_follower_with_the_same_metadata_disturbs_nobody() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let response = bench.join_now(Join::new().member(&follower));
    assert_eq!((response.error_code, response.generation_id), (ErrorCode::NONE, 2));
    assert_eq!((response.leader.as_str(), response.members.len()), (&*leader, 0));
    assert_eq!(bench.state(), "Stable");
    assert_eq!(bench.sync_now(&follower, 2, &[]).unwrap(), "to the follower");
}

#[test]
fn a_follower_with_new_metadata_starts_a_rebalance() {
    let mut bench = Bench::new();
    let (_, follower) = bench.pair(&Join::new());
    let token = bench.join(Join::new().member(&follower).protocols(vec![protocol("range", &["t", "u"])]));
    assert!(bench.is_parked(token));
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn a_leader_that_joins_again_starts_a_rebalance() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let first = bench.join(Join::new().member(&leader));
    assert!(bench.is_parked(first));
    assert_eq!(bench.heartbeat(&follower, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    let second = bench.join(Join::new().member(&follower));
    assert_eq!(bench.joined(first).members.len(), 2);
    assert_eq!(bench.joined(second).generation_id, 3);
}

#[test]
fn a_lost_answer_is_given_again() {
    let mut bench = Bench::new();
    let first = bench.join_now(Join::new());
    assert_eq!(bench.state(), "CompletingRebalance");
    let again = bench.join_now(Join::new().member(&first.member_id));
    assert_eq!(again, first);
    let changed = Join::new().member(&first.member_id).protocols(vec![protocol("range", &["u"])]);
    let second = bench.join_now(changed);
    assert_eq!((second.error_code, second.generation_id), (ErrorCode::NONE, 2));
}

#[test]
fn cooperative_members_join_twice_in_a_row() {
    // The first rebalance revokes, the members' metadata (what they own) changes, and the second one
    // hands out what was revoked.
    let mut bench = Bench::new();
    let cooperative = |owned: &[&str]| Join::new().protocols(vec![protocol("cooperative-sticky", owned)]);
    let (leader, follower) = bench.pair(&cooperative(&["t"]));
    let second = bench.join(cooperative(&["t", "own-1"]).member(&follower));
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.commit_offset("g", &leader, 2, 9), ErrorCode::NONE, "revoked partitions are committed");
    let first = bench.join(cooperative(&["t", "own-0"]).member(&leader));
    let (first, second) = (bench.joined(first), bench.joined(second));
    assert_eq!((first.generation_id, second.generation_id), (3, 3));
    let owned: Vec<_> = first.members.iter().map(|member| member.metadata.clone()).collect();
    assert!(owned.contains(&protocol("x", &["t", "own-1"]).metadata), "the leader sees what others own");
    let waiting = bench.sync(&follower, 3, &[]);
    bench.sync_now(&leader, 3, &[(&leader, "a"), (&follower, "b")]).unwrap();
    assert_eq!(bench.synced(waiting).assignment, "b");
}

#[test]
fn whoever_does_not_come_back_in_time_is_left_behind() {
    let mut bench = Bench::new();
    let mut slow = Join::new().sessions(60_000);
    slow.request.rebalance_timeout_ms = 20_000;
    let (leader, follower) = bench.pair(&slow);
    let newcomer = bench.join(slow.clone());
    let again = bench.join(slow.clone().member(&follower));
    bench.advance(19_999);
    assert!(bench.is_parked(newcomer) && bench.is_parked(again));
    bench.advance(1);
    let (newcomer, again) = (bench.joined(newcomer), bench.joined(again));
    assert_eq!((newcomer.generation_id, bench.members()), (3, 2));
    assert!(newcomer.leader != leader, "the leader was left behind and another one elected");
    assert_eq!(newcomer.members.len() + again.members.len(), 2);
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_new_member_does_not_wait_for_ever() {
    let mut bench = Bench::new();
    let mut patient = Join::new().sessions(1_800_000);
    patient.request.rebalance_timeout_ms = 1_800_000;
    bench.pair(&patient);
    let newcomer = bench.join(patient);
    bench.advance(5 * 60_000 - 1);
    assert!(bench.is_parked(newcomer));
    bench.advance(1);
    assert_eq!(bench.joined(newcomer).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_member_that_waits_is_not_missed() {
    let mut bench = Bench::new();
    let mut join = Join::new();
    join.request.rebalance_timeout_ms = 60_000;
    let (leader, follower) = bench.pair(&join);
    let waiting = bench.join(join.clone().member(&leader));
    for _ in 0..5 {
        bench.advance(9_000);
        assert_eq!(bench.heartbeat(&follower, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    assert!(bench.is_parked(waiting), "its session is longer over, but it is here");
    bench.join(join.clone().member(&follower));
    assert_eq!(bench.joined(waiting).generation_id, 3);
}

#[test]
fn whoever_does_not_ask_for_its_assignment_is_left_behind() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    bench.joined(first);
    bench.joined(second);
    let waiting = bench.sync(&follower, 3, &[]);
    for _ in 0..6 {
        // The leader lives but hands nothing out.
        bench.advance(4_999);
        assert_eq!(bench.heartbeat(&leader, 3), ErrorCode::NONE);
    }
    assert!(bench.is_parked(waiting));
    bench.advance(6);
    assert_eq!(bench.synced(waiting).error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!((bench.state().as_str(), bench.members()), ("PreparingRebalance", 1));
    assert_eq!(bench.heartbeat(&leader, 3), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_calls_back_those_who_wait_for_assignments() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    bench.joined(first);
    bench.joined(second);
    let waiting = bench.sync(&follower, 3, &[]);
    assert_eq!(bench.commit_offset("g", &follower, 3, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    bench.join(Join::new());
    let response = bench.synced(waiting);
    assert_eq!((response.error_code, response.protocol_type), (ErrorCode::REBALANCE_IN_PROGRESS, None));
    assert_eq!(bench.sync_now(&leader, 3, &[]), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn a_leader_may_forget_somebody() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    bench.joined(first);
    bench.joined(second);
    assert_eq!(bench.sync_now(&leader, 3, &[(&leader, "a"), ("stranger", "b")]).unwrap(), "a");
    assert_eq!(bench.sync_now(&follower, 3, &[]).unwrap(), "");
    assert_eq!(bench.last_metadata().members.len(), 2);
}

#[test]
fn of_two_requests_of_one_member_the_later_counts() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let stale = bench.join(Join::new().member(&leader));
    let fresh = bench.join(Join::new().member(&leader));
    assert_eq!(bench.joined(stale).error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    bench.join(Join::new().member(&follower));
    assert_eq!(bench.joined(fresh).generation_id, 3);
    let stale = bench.sync(&follower, 3, &[]);
    let fresh = bench.sync(&follower, 3, &[]);
    assert_eq!(bench.synced(stale).error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    bench.sync_now(&leader, 3, &[(&follower, "b")]).unwrap();
    assert_eq!(bench.synced(fresh).assignment, "b");
}

#[test]
fn version_0_has_one_timeout_for_both() {
    let mut bench = Bench::new();
    let mut old = Join::new().version(0);
    old.request.rebalance_timeout_ms = -1;
    let (leader, _) = bench.pair(&old);
    let again = bench.join(old.member(&leader));
    bench.advance(9_999);
    assert!(bench.is_parked(again));
    bench.advance(1);
    assert_eq!(bench.joined(again).generation_id, 3);
}
