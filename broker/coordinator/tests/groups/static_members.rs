//! Members that keep their name when they restart (KIP-345).

use millrace_protocol::ErrorCode;

use super::bench::{Bench, Join, protocol, sync_request};

/// Two static members `one` (the leader) and `two`, stable in generation 2.
fn stable(version: i16) -> (Bench, String, String) {
    let mut bench = Bench::new();
    let one = bench.join_now(Join::new().version(version).instance("one")).member_id;
    assert!(one.starts_with("one-"), "{one}");
    let second = bench.join(Join::new().version(version).instance("two"));
    let first = bench.join(Join::new().version(version).instance("one").member(&one));
    assert_eq!(bench.joined(first).members.len(), 2);
    let two = bench.joined(second).member_id;
    bench.sync(&two, 2, &[]);
    bench.sync_now(&one, 2, &[(&one, "a"), (&two, "b")]).unwrap();
    (bench, one, two)
}

#[test]
fn a_restart_of_a_follower_goes_unnoticed() {
    let (mut bench, one, two) = stable(8);
    let records = bench.log.len();
    let back = bench.join_now(Join::new().version(8).instance("two"));
    assert_eq!((back.error_code, back.generation_id, back.leader.as_str()), (ErrorCode::NONE, 2, &*one));
    assert!(back.member_id != two && back.member_id.starts_with("two-"));
    assert_eq!((back.members.len(), back.skip_assignment), (0, false));
    assert_eq!(bench.state(), "Stable");
    assert_eq!(bench.sync_now(&back.member_id, 2, &[]).unwrap(), "b", "it has what it had before");
    assert_eq!(bench.heartbeat_as(&two, Some("two"), 2), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(bench.heartbeat(&two, 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.heartbeat(&one, 2), ErrorCode::NONE);
    assert_eq!(bench.log.len(), records + 1, "the new id is written down");
    let written: Vec<_> = bench.last_metadata().members.iter().map(|member| &member.member_id).collect();
    assert!(written.contains(&&back.member_id) && !written.contains(&&two));
}

#[test]
fn a_leader_that_restarts_is_told_to_leave_assignments_alone() {
    let (mut bench, one, two) = stable(9);
    let back = bench.join_now(Join::new().version(9).instance("one"));
    assert_eq!((back.leader.as_str(), back.skip_assignment), (&*back.member_id, true));
    assert_eq!(back.members.len(), 2, "it still watches what others subscribe to");
    assert_eq!(bench.sync_now(&back.member_id, 2, &[]).unwrap(), "a");

    // Before version 9 it is told the id of the leader that was, and so takes itself for a follower.
    let again = bench.join_now(Join::new().version(8).instance("one"));
    assert_eq!((again.leader.as_str(), again.skip_assignment), (&*back.member_id, false));
    assert_eq!(again.members.len(), 0);
    assert_eq!(bench.heartbeat(&two, 2), ErrorCode::NONE);
    assert_eq!(bench.heartbeat_as(&one, Some("one"), 2), ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn a_restart_with_another_protocol_is_a_rebalance() {
    let (mut bench, _, two) = stable(9);
    let both = vec![protocol("sticky", &["t"]), protocol("range", &["t"])];
    let one = bench.join_now(Join::new().version(9).instance("one").protocols(both.clone()));
    assert_eq!(one.error_code, ErrorCode::NONE, "range is still what both understand");
    let second = bench.join(Join::new().version(9).instance("two").protocols(both));
    assert!(bench.is_parked(second), "now both prefer sticky");
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(bench.heartbeat_as(&two, Some("two"), 2), ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn an_instance_that_comes_twice_fences_the_first() {
    let (mut bench, one, two) = stable(8);
    let waiting = bench.join(Join::new().version(8).instance("one").member(&one));
    assert!(bench.is_parked(waiting));
    let back = bench.join(Join::new().version(8).instance("one"));
    let fenced = bench.joined(waiting);
    assert_eq!((fenced.error_code, fenced.member_id.as_str()), (ErrorCode::FENCED_INSTANCE_ID, &*one));
    let follower = bench.join(Join::new().version(8).instance("two").member(&two));
    assert_eq!(bench.joined(back).generation_id, 3);
    assert_eq!(bench.joined(follower).generation_id, 3);
}

#[test]
fn a_restart_between_join_and_sync_starts_anew() {
    let (mut bench, one, two) = stable(8);
    let first = bench.join(Join::new().version(8).instance("one").member(&one));
    let second = bench.join(Join::new().version(8).instance("two").member(&two));
    bench.joined(first);
    bench.joined(second);
    let waiting = bench.sync(&two, 3, &[]);
    let back = bench.join(Join::new().version(8).instance("two"));
    assert_eq!(bench.synced(waiting).error_code, ErrorCode::FENCED_INSTANCE_ID);
    assert!(bench.is_parked(back));
    assert_eq!(bench.sync_now(&one, 3, &[(&two, "b")]), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn every_request_names_the_instance_rightly() {
    let (mut bench, one, _) = stable(8);
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let fenced = ErrorCode::FENCED_INSTANCE_ID;
    for (instance, member, expected) in
        [("three", &*one, unknown), ("two", &*one, fenced), ("one", "stranger", fenced)]
    {
        assert_eq!(bench.heartbeat_as(member, Some(instance), 2), expected);
        let mut request = sync_request(member, 2, &[]);
        request.group_instance_id = Some(instance.into());
        let token = bench.sync_request(3, request);
        assert_eq!(bench.synced(token).error_code, expected);
        let joined = bench.join_now(Join::new().version(8).instance(instance).member(member));
        assert_eq!(joined.error_code, expected);
        assert_eq!(bench.leave(&[(member, Some(instance))]).members[0].error_code, expected);
    }
}

#[test]
fn a_static_member_keeps_its_place_through_a_rebalance_it_misses() {
    let (mut bench, one, _) = stable(8);
    let mut join = Join::new().version(8).sessions(10_000);
    join.request.rebalance_timeout_ms = 6_000;
    let newcomer = bench.join(Join { version: 3, ..join.clone() });
    let first = bench.join(join.clone().instance("one").member(&one));
    // Everybody waits as long as the most patient member wants, but not longer than "two" is missed.
    bench.advance(10_000);
    assert_eq!(bench.joined(newcomer).generation_id, 3);
    assert_eq!(bench.joined(first).generation_id, 3);
    assert_eq!(bench.members(), 2);
}

#[test]
fn an_administrator_removes_an_instance_by_its_name() {
    let (mut bench, one, two) = stable(8);
    let response = bench.leave(&[("", Some("two")), ("", Some("three"))]);
    let codes: Vec<_> = response.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(bench.heartbeat_as(&two, Some("two"), 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.heartbeat_as(&one, Some("one"), 2), ErrorCode::REBALANCE_IN_PROGRESS);
}
