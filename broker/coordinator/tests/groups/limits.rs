//! What one client may not do to a group, nor a group to the rest.

use bytes::Bytes;
use millrace_coordinator::{GroupRecord, Input, Settings};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::group_records::{GroupMetadataKey, GroupMetadataValue, MemberMetadata};
use millrace_protocol::messages::join_group::JoinGroupRequestProtocol;

use super::bench::{Bench, Join, protocol};

fn sized(size_max: usize) -> Settings {
    Settings { size_max, ..Settings::default() }
}

#[test]
fn a_full_group_turns_members_away() {
    let mut bench = Bench::with(sized(2));
    let (leader, follower) = bench.pair(&Join::new());
    let refused = bench.join_now(Join::new());
    assert_eq!((refused.error_code, refused.member_id.as_str()), (ErrorCode::GROUP_MAX_SIZE_REACHED, ""));
    assert_eq!(bench.state(), "Stable");
    let again = bench.join(Join::new().member(&leader));
    let other = bench.join(Join::new().member(&follower));
    assert_eq!(bench.joined(again).error_code, ErrorCode::NONE);
    assert_eq!(bench.joined(other).error_code, ErrorCode::NONE);
}

#[test]
fn when_the_limit_was_lowered_the_last_to_come_back_is_turned_away() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    bench.restart_with(sized(1));
    assert_eq!(bench.state(), "PreparingRebalance");
    let first = bench.join(Join::new().member(&follower));
    let second = bench.join(Join::new().member(&leader));
    assert_eq!(bench.joined(second).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!((bench.joined(first).generation_id, bench.members()), (3, 1));
}

#[test]
fn metadata_that_cannot_be_stored_is_not_taken() {
    let mut bench = Bench::with(Settings { record_bytes_max: 1000, ..Settings::default() });
    let large = JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from(vec![0; 1001]) };
    let refused = bench.join_now(Join::new().protocols(vec![large]));
    assert_eq!(refused.error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(bench.log, []);
}

#[test]
fn an_assignment_that_cannot_be_stored_sends_everybody_back() {
    let mut bench = Bench::with(Settings { record_bytes_max: 1000, ..Settings::default() });
    let member = bench.join_now(Join::new()).member_id;
    let records = bench.log.len();
    let large: &'static str = Box::leak("x".repeat(1001).into_boxed_str());
    assert_eq!(bench.sync_now(&member, 1, &[(&member, large)]), Err(ErrorCode::UNKNOWN_SERVER_ERROR));
    assert_eq!((bench.state().as_str(), bench.log.len()), ("PreparingRebalance", records));
    let again = bench.join_now(Join::new().member(&member));
    assert_eq!(again.generation_id, 2);
    assert_eq!(bench.sync_now(&member, 2, &[(&member, "small")]).unwrap(), "small");
}

#[test]
fn all_metadata_of_a_group_is_bounded() {
    let mut bench = Bench::with(Settings {
        record_bytes_max: 1000,
        initial_rebalance_delay_ms: 60_000,
        ..Settings::default()
    });
    let large = JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from(vec![0; 900]) };
    let mut codes = Vec::new();
    for _ in 0..40 {
        let token = bench.join(Join::new().protocols(vec![large.clone()]));
        if !bench.is_parked(token) {
            codes.push(bench.joined(token).error_code);
        }
    }
    assert_eq!(codes, [ErrorCode::GROUP_MAX_SIZE_REACHED; 5]);
}

#[test]
fn a_flood_of_protocols_is_refused_and_doubles_count_once() {
    let mut bench = Bench::new();
    let flood = (0..1001).map(|number| protocol(&format!("p{number}"), &[])).collect();
    assert_eq!(
        bench.join_now(Join::new().protocols(flood)).error_code,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    let twice = vec![protocol("range", &["t"]), protocol("range", &["u"])];
    let joined = bench.join_now(Join::new().protocols(twice));
    assert_eq!(joined.members[0].metadata, protocol("range", &["t"]).metadata);
    let second = bench.join(Join::new());
    assert!(bench.is_parked(second), "range is what all understand");
}

#[test]
fn ids_that_nobody_uses_do_not_pile_up() {
    let mut bench = Bench::new();
    let mut codes: Vec<_> = (0..10_001).map(|_| bench.join_now(Join::new().version(4)).error_code).collect();
    assert_eq!(codes.pop(), Some(ErrorCode::GROUP_MAX_SIZE_REACHED));
    assert!(codes.iter().all(|code| *code == ErrorCode::MEMBER_ID_REQUIRED));
    bench.advance(10_000);
    assert_eq!(bench.join_now(Join::new().version(4)).error_code, ErrorCode::MEMBER_ID_REQUIRED);
}

#[test]
fn timers_go_with_what_they_were_for() {
    let mut bench = Bench::new();
    let idle_ms = bench.shard.next_deadline_ms();
    for _ in 0..10 {
        let (leader, follower) = bench.pair(&Join::new());
        bench.join_now(Join::new().version(4));
        bench.leave(&[(&leader, None), (&follower, None)]);
        bench.advance(10_000);
        let token = bench.send(Input::DeleteGroups(vec!["g".into()]));
        bench.reply(token);
    }
    assert_eq!(bench.shard.next_deadline_ms(), idle_ms, "only the search for expired offsets is left");
}

#[test]
fn members_with_no_patience_do_not_make_a_tight_loop() {
    let mut bench = Bench::new();
    let members = ["one", "two"].map(|name| MemberMetadata {
        member_id: name.into(),
        group_instance_id: Some(name.into()),
        rebalance_timeout: 0,
        session_timeout: 10_000,
        ..MemberMetadata::default()
    });
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 1,
        protocol: Some("range".into()),
        members: members.to_vec(),
        ..GroupMetadataValue::default()
    };
    let record = GroupRecord::GroupMetadata(GroupMetadataKey { group: "g".into() }, Some(value));
    bench.shard.replay(&record);
    bench.log.push(record);
    bench.restart_with(sized(1));
    let mut ticks = 0;
    while bench.shard.next_deadline_ms().is_some_and(|due_ms| due_ms < 1_010_000) {
        bench.now_ms = bench.shard.next_deadline_ms().unwrap();
        let outcome = bench.shard.tick(bench.now());
        bench.commit(outcome);
        ticks += 1;
    }
    assert_eq!(bench.members(), 2, "nobody has come, and nobody is missed yet");
    assert!(ticks <= 110, "{ticks} looks in ten seconds");
}
