//! What administrators see and remove.

use millrace_coordinator::{GroupRecord, GroupState, Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::list_groups::ListGroupsRequest;

use super::bench::{Bench, Join, protocol};

fn listed(bench: &Bench, states: &[&str], types: &[&str]) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let request = ListGroupsRequest { states_filter: names(states), types_filter: names(types) };
    bench.shard.list_groups(&request).into_iter().map(|group| group.group_id).collect()
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut bench = Bench::new();
    bench.pair(&Join::new());
    bench.commit_offset("alone", "", -1, 1);
    assert_eq!(listed(&bench, &[], &[]), ["alone", "g"]);
    assert_eq!(listed(&bench, &["stable"], &[]), ["g"]);
    assert_eq!(listed(&bench, &[" Empty ", "Dead"], &["Classic"]), ["alone"]);
    assert_eq!(listed(&bench, &["nonsense"], &[]), [""; 0]);
    assert_eq!(listed(&bench, &[], &["consumer", "share"]), [""; 0]);
    let all = bench.shard.list_groups(&ListGroupsRequest::default());
    let shown: Vec<_> = all
        .iter()
        .map(|g| (g.protocol_type.as_str(), g.group_state.as_str(), g.group_type.as_str()))
        .collect();
    assert_eq!(shown, [("", "Empty", "classic"), ("consumer", "Stable", "classic")]);
}

#[test]
fn metadata_is_described_when_it_is_settled() {
    let mut bench = Bench::new();
    let member = bench.join_now(Join::new().instance("one")).member_id;
    let before = bench.shard.describe_group("g", 5);
    assert_eq!((before.group_state.as_str(), before.protocol_data.as_str()), ("CompletingRebalance", ""));
    assert_eq!(before.members[0].member_metadata, "");
    bench.sync_now(&member, 1, &[(&member, "mine")]).unwrap();
    let group = bench.shard.describe_group("g", 5);
    assert_eq!((group.group_state.as_str(), group.protocol_data.as_str()), ("Stable", "range"));
    assert_eq!((group.error_code, group.protocol_type.as_str()), (ErrorCode::NONE, "consumer"));
    let described = &group.members[0];
    assert_eq!(
        (described.member_id.as_str(), described.group_instance_id.as_deref()),
        (&*member, Some("one"))
    );
    assert_eq!((described.client_id.as_str(), described.client_host.as_str()), ("client", "/127.0.0.1"));
    assert_eq!(described.member_metadata, protocol("range", &["t"]).metadata);
    assert_eq!(described.member_assignment, "mine");
}

#[test]
fn from_version_6_a_group_that_is_not_there_is_an_error() {
    let bench = Bench::new();
    let dead = bench.shard.describe_group("nobody", 5);
    assert_eq!((dead.error_code, dead.group_state.as_str()), (ErrorCode::NONE, "Dead"));
    let missing = bench.shard.describe_group("nobody", 6);
    assert_eq!((missing.error_code, missing.group_state.as_str()), (ErrorCode::GROUP_ID_NOT_FOUND, "Dead"));
    assert_eq!(missing.error_message.as_deref(), Some("Group nobody not found."));
}

#[test]
fn empty_groups_are_deleted_with_their_offsets() {
    let mut bench = Bench::new();
    let (leader, follower) = bench.pair(&Join::new());
    bench.commit_offset("g", &leader, 2, 1);
    let delete = |bench: &mut Bench| {
        let token = bench.send(Input::DeleteGroups(vec!["g".into(), "nobody".into()]));
        let Reply::DeleteGroups(results) = bench.reply(token) else { panic!("another reply") };
        results.into_iter().map(|result| result.error_code).collect::<Vec<_>>()
    };
    assert_eq!(delete(&mut bench), [ErrorCode::NON_EMPTY_GROUP, ErrorCode::GROUP_ID_NOT_FOUND]);
    bench.leave(&[(&leader, None), (&follower, None)]);
    let records = bench.log.len();
    assert_eq!(delete(&mut bench), [ErrorCode::NONE, ErrorCode::GROUP_ID_NOT_FOUND]);
    let expected = [GroupRecord::offset_tombstone("g", "t", 0), GroupRecord::group_tombstone("g")];
    assert_eq!(bench.log[records..], expected);
    assert_eq!(delete(&mut bench), [ErrorCode::GROUP_ID_NOT_FOUND; 2]);
    assert!(bench.shard.durable().group("g").is_none());
}

#[test]
fn summaries_have_what_metrics_show() {
    let mut bench = Bench::new();
    let (leader, _) = bench.pair(&Join::new());
    bench.commit_offset("g", &leader, 2, 17);
    let summaries: Vec<_> = bench.shard.summaries().collect();
    let [group] = &summaries[..] else { panic!("{summaries:?}") };
    assert_eq!((&*group.group, group.state, group.members), ("g", GroupState::Stable, 2));
    assert_eq!(group.offsets["t"][&0].offset, 17);
}
