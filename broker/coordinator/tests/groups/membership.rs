//! Who may enter, stay and speak for a group.

use millrace_coordinator::{GroupRecord, Settings};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::group_records::{GroupMetadataKey, GroupMetadataValue, MemberMetadata};

use super::bench::{Bench, Join, protocol, sync_request};

#[test]
fn a_lone_consumer_joins_syncs_and_leaves() {
    let mut bench = Bench::new();
    let joined = bench.join_now(Join::new());
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1));
    assert_eq!(
        (joined.protocol_type.as_deref(), joined.protocol_name.as_deref()),
        (Some("consumer"), Some("range"))
    );
    assert!(joined.member_id.starts_with("client-"), "{}", joined.member_id);
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!((joined.members.len(), &joined.members[0].metadata), (1, &protocol("range", &["t"]).metadata));
    let member = joined.member_id;
    assert_eq!(bench.sync_now(&member, 1, &[(&member, "all of it")]).unwrap(), "all of it");
    assert_eq!(bench.heartbeat(&member, 1), ErrorCode::NONE);
    assert_eq!(bench.leave(&[(&member, None)]).error_code, ErrorCode::NONE);

    let key = || GroupMetadataKey { group: "g".into() };
    let empty = |generation, protocol_type: &str| GroupMetadataValue {
        protocol_type: protocol_type.into(),
        generation,
        current_state_timestamp: 1_000_000,
        ..GroupMetadataValue::default()
    };
    let stable = GroupMetadataValue {
        protocol: Some("range".into()),
        leader: Some(member.clone()),
        members: vec![MemberMetadata {
            member_id: member,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout: 30_000,
            session_timeout: 10_000,
            subscription: protocol("range", &["t"]).metadata,
            assignment: "all of it".into(),
            ..MemberMetadata::default()
        }],
        ..empty(1, "consumer")
    };
    let expected = [empty(0, ""), stable, empty(2, "consumer")];
    assert_eq!(bench.log, expected.map(|value| GroupRecord::GroupMetadata(key(), Some(value))));
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn from_version_4_a_new_member_gets_its_id_first() {
    let mut bench = Bench::new();
    let sent_away = bench.join_now(Join::new().version(4));
    assert_eq!(sent_away.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!((sent_away.generation_id, sent_away.leader.as_str()), (-1, ""));
    assert_eq!((bench.state().as_str(), bench.members()), ("Empty", 0));
    let joined = bench.join_now(Join::new().version(4).member(&sent_away.member_id));
    assert_eq!((joined.error_code, joined.member_id), (ErrorCode::NONE, sent_away.member_id));
}

#[test]
fn an_id_that_is_not_used_is_forgotten() {
    let mut bench = Bench::new();
    let id = bench.join_now(Join::new().version(4)).member_id;
    bench.advance(10_000);
    assert_eq!(bench.join_now(Join::new().member(&id)).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_join_phase_waits_for_ids_that_were_given_out() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    let id = bench.join_now(Join::new().version(4)).member_id;
    let first = bench.join(Join::new().member(&leader));
    let second = bench.join(Join::new().member(&follower));
    assert!(bench.is_parked(first) && bench.is_parked(second));
    let third = bench.join(Join::new().version(4).member(&id));
    for token in [first, second, third] {
        assert_eq!(bench.joined(token).generation_id, 3);
    }
}

#[test]
fn nobody_joins_with_an_id_that_was_never_given() {
    let mut bench = Bench::new();
    let refused = |bench: &mut Bench| {
        let response = bench.join_now(Join::new().member("invented"));
        assert_eq!(
            (response.error_code, response.member_id.as_str()),
            (ErrorCode::UNKNOWN_MEMBER_ID, "invented")
        );
    };
    refused(&mut bench);
    assert_eq!(bench.log, [], "and no group comes to be by it");
    bench.join_now(Join::new());
    refused(&mut bench);
    assert_eq!(bench.members(), 1);
}

#[test]
fn what_is_asked_has_to_make_sense() {
    let mut bench = Bench::new();
    let refused = |bench: &mut Bench, change: &dyn Fn(&mut Join)| {
        let mut join = Join::new();
        change(&mut join);
        bench.join_now(join).error_code
    };
    assert_eq!(refused(&mut bench, &|join| join.request.group_id.clear()), ErrorCode::INVALID_GROUP_ID);
    for timeout_ms in [5_999, 1_800_001, -1] {
        let code = refused(&mut bench, &|join| join.request.session_timeout_ms = timeout_ms);
        assert_eq!(code, ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    assert_eq!(refused(&mut bench, &|join| join.request.protocols.clear()), inconsistent);
    assert_eq!(refused(&mut bench, &|join| join.request.protocol_type.clear()), inconsistent);
    assert_eq!(bench.log, [], "nothing stays of a group that nobody could join");
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn members_share_a_protocol_or_do_not_get_in() {
    let mut bench = Bench::new();
    let both = vec![protocol("range", &["t"]), protocol("sticky", &["t"])];
    bench.join_now(Join::new().protocols(both));
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    assert_eq!(bench.join_now(Join::new().kind("connect")).error_code, inconsistent);
    assert_eq!(
        bench.join_now(Join::new().protocols(vec![protocol("mine", &["t"])])).error_code,
        inconsistent
    );
    assert_eq!(bench.members(), 1);
    let sticky =
        bench.join(Join::new().protocols(vec![protocol("mine", &["t"]), protocol("sticky", &["t"])]));
    assert!(bench.is_parked(sticky));
}

#[test]
fn the_members_vote_on_the_protocol() {
    let mut bench = Bench::with(Settings { initial_rebalance_delay_ms: 1000, ..Settings::default() });
    let named = |names: [&str; 2]| names.map(|name| protocol(name, &["t"])).to_vec();
    let tokens = [["range", "sticky"], ["sticky", "range"], ["sticky", "range"]]
        .map(|names| bench.join(Join::new().protocols(named(names))));
    bench.advance(10_000);
    for token in tokens {
        assert_eq!(bench.joined(token).protocol_name.as_deref(), Some("sticky"));
    }
}

#[test]
fn any_protocol_type_has_groups() {
    let mut bench = Bench::new();
    let connect = Join::new().kind("connect").protocols(vec![protocol("sessioned", &[])]);
    let joined = bench.join_now(connect.clone());
    bench.sync_now(&joined.member_id, 1, &[(&joined.member_id, "tasks")]).unwrap();
    let group = bench.shard.describe_group("g", 5);
    assert_eq!((group.protocol_type.as_str(), group.protocol_data.as_str()), ("connect", "sessioned"));
    assert_eq!(bench.last_metadata().protocol_type, "connect");
}

#[test]
fn the_session_ends_without_a_sign_of_life() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    for _ in 0..5 {
        bench.advance(6_000);
        assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::NONE);
        assert_eq!(bench.commit_offset("g", &follower, 2, 5), ErrorCode::NONE, "a commit is a sign of life");
    }
    bench.advance(9_999);
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::NONE);
    bench.advance(1);
    assert_eq!((bench.state().as_str(), bench.members()), ("PreparingRebalance", 1));
    assert_eq!(bench.heartbeat(&follower, 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    bench.advance(10_000);
    assert_eq!(bench.state(), "Empty");
    let last = bench.last_metadata();
    assert_eq!((last.generation, last.members.len(), last.protocol.as_deref()), (3, 0, None));
}

#[test]
fn only_the_present_generation_is_heard() {
    let mut bench = Bench::new();
    assert_eq!(bench.heartbeat("m", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.sync_now("m", 1, &[]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let (leader, _) = bench.pair(&Join::new());
    for generation in [1, 3] {
        assert_eq!(bench.heartbeat(&leader, generation), ErrorCode::ILLEGAL_GENERATION);
        assert_eq!(bench.sync_now(&leader, generation, &[]), Err(ErrorCode::ILLEGAL_GENERATION));
        assert_eq!(bench.commit_offset("g", &leader, generation, 5), ErrorCode::ILLEGAL_GENERATION);
    }
    assert_eq!(bench.heartbeat("stranger", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.sync_now("stranger", 2, &[]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(bench.commit_offset("g", "stranger", 2, 5), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn from_version_5_a_sync_names_its_protocol() {
    let mut bench = Bench::new();
    let (leader, _) = bench.pair(&Join::new());
    let mut request = sync_request(&leader, 2, &[]);
    let mut ask = |kind: Option<&str>, name: Option<&str>| {
        request.protocol_type = kind.map(str::to_owned);
        request.protocol_name = name.map(str::to_owned);
        let token = bench.sync_request(5, request.clone());
        bench.synced(token).error_code
    };
    assert_eq!(ask(Some("consumer"), Some("range")), ErrorCode::NONE);
    for wrong in [
        (None, None),
        (Some("consumer"), None),
        (Some("connect"), Some("range")),
        (Some("consumer"), Some("x")),
    ] {
        assert_eq!(ask(wrong.0, wrong.1), ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "{wrong:?}");
    }
}

#[test]
fn several_leave_at_once_and_each_is_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.leave(&[("m", None)]).members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    let (leader, follower) = bench.pair(&Join::new());
    let pending = bench.join_now(Join::new().version(4)).member_id;
    let response =
        bench.leave(&[(&pending, None), ("stranger", None), (&follower, None), ("", Some("nobody"))]);
    let codes: Vec<_> = response.members.iter().map(|member| member.error_code).collect();
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(codes, [ErrorCode::NONE, unknown, ErrorCode::NONE, unknown]);
    assert_eq!((response.error_code, bench.members()), (ErrorCode::NONE, 1));
    assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    bench.leave(&[(&leader, None)]);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn whoever_leaves_while_waiting_is_answered() {
    let mut bench = Bench::new();
    let (_, follower) = bench.pair(&Join::new());
    let waiting = bench.join(Join::new());
    let again = bench.join(Join::new().member(&follower));
    assert!(bench.is_parked(waiting) && bench.is_parked(again));
    bench.leave(&[(&follower, None)]);
    let response = bench.joined(again);
    assert_eq!((response.error_code, response.member_id.as_str()), (ErrorCode::UNKNOWN_MEMBER_ID, ""));
    assert!(bench.is_parked(waiting));
}
