//! Statuses of groups in every state that matters.

use std::sync::Arc;

use expect_test::expect;
use millrace_client::{ClientError, TopicPartition};
use millrace_crds::ConditionStatus;

use super::*;
use crate::conditions::with_verdicts;
use crate::consumer_group::validate::validate;
use crate::kafka::groups::{DEAD, Position, Unaged};

fn validated(yaml: &str) -> ValidatedGroup {
    let spec = serde_yaml::from_str(&format!("clusterRef: {{name: main}}\n{yaml}")).unwrap();
    validate("readers", &spec).unwrap()
}

fn consuming(lag: i64) -> GroupObservation {
    let position = Position { committed: Some(100), end: 100 + lag, ..Position::default() };
    GroupObservation {
        state: "Stable".into(),
        assignor: "range".into(),
        members: 2,
        subscribed: [Arc::from("orders")].into(),
        positions: [(TopicPartition::new("orders", 0), position)].into(),
        partitions: Some(1),
        unanswered: Default::default(),
    }
}

fn ingredients<'a>(group: &'a ValidatedGroup, seen: &'a GroupObservation) -> Ingredients<'a> {
    Ingredients {
        group,
        generation: Some(1),
        seen,
        at_rest: false,
        reset: None,
        moved: None,
        desired_replicas: None,
        problem: None,
    }
}

fn status(
    group: &ValidatedGroup,
    seen: &GroupObservation,
    before: &ConsumerGroupStatus,
) -> ConsumerGroupStatus {
    observed(before, &ingredients(group, seen), Timestamp::from_second(1000).unwrap())
}

fn reasons(status: &ConsumerGroupStatus) -> Vec<(&str, &str)> {
    status.conditions.iter().map(|one| (one.type_.as_str(), one.reason.as_str())).collect()
}

#[test]
fn a_group_that_nobody_joined_is_no_error() {
    let group = validated("maxLag: {records: 5}");
    let seen = GroupObservation { state: DEAD.into(), ..GroupObservation::default() };
    expect![[r#"
        observedGeneration: 1
        groupId: readers
        members: 0
        conditions:
        - type: Ready
          status: 'True'
          reason: NotJoined
          message: no member has joined the group yet
          lastTransitionTime: 1970-01-01T00:16:40Z
          observedGeneration: 1
        - type: Lagging
          status: 'False'
          reason: NothingCommitted
          message: the group has not committed an offset yet
          lastTransitionTime: 1970-01-01T00:16:40Z
          observedGeneration: 1
    "#]]
    .assert_eq(&serde_yaml::to_string(&status(&group, &seen, &ConsumerGroupStatus::default())).unwrap());
}

#[test]
fn lag_beyond_the_limit_is_said_and_does_not_flap_around_it() {
    let group = validated("maxLag: {records: 100}");
    let late = status(&group, &consuming(101), &ConsumerGroupStatus::default());
    assert_eq!(reasons(&late), [("Ready", "Consuming"), ("Lagging", "RecordsBehind")]);
    let around = status(&group, &consuming(95), &late);
    assert_eq!(reasons(&around)[1], ("Lagging", "RecordsBehind"));
    assert_eq!(around.lag_records, Some(101), "within a tenth the status keeps still");
    let caught_up = status(&group, &consuming(0), &around);
    assert_eq!(reasons(&caught_up)[1], ("Lagging", "WithinLimits"));
    assert_eq!((caught_up.lag_records, caught_up.worst_partition), (Some(0), None));
}

#[test]
fn a_group_has_not_caught_up_while_a_partition_is_unknown() {
    let group = validated("maxLag: {records: 100}");
    let with_unknown = |lag| {
        let mut seen = consuming(lag);
        seen.unanswered.insert("orders".into(), ClientError::Usage("orders-1 has no leader".into()));
        seen
    };
    let unsure = status(&group, &with_unknown(0), &ConsumerGroupStatus::default());
    assert_eq!(reasons(&unsure), [("Ready", "PartitionsUnknown"), ("Lagging", "PartitionsUnknown")]);
    assert!(unsure.conditions.iter().all(|one| one.status == ConditionStatus::Unknown));
    assert!(unsure.conditions[1].message.contains("orders-1 has no leader"));
    assert_eq!(unsure.lag_records, None);

    let late = status(&group, &consuming(500), &unsure);
    let still = status(&group, &with_unknown(0), &late);
    assert!(is_true(&still.conditions, LAGGING), "nobody knows that it caught up: {still:?}");
    assert_eq!((still.lag_records, &still.worst_partition), (Some(500), &late.worst_partition));
    let surely = status(&group, &with_unknown(101), &unsure);
    assert_eq!(reasons(&surely)[1], ("Lagging", "RecordsBehind"), "the known part alone is too much");
    assert_eq!(surely.lag_records, Some(101));
}

#[test]
fn a_passing_error_does_not_make_the_group_forget_that_it_lags() {
    let group = validated("maxLag: {records: 100}");
    let late = status(&group, &consuming(500), &ConsumerGroupStatus::default());
    let error = vec![Verdict::no(READY, "BrokerError", "one moment")];
    let failed = with_verdicts(&late, error, Some(1), Timestamp::from_second(2000).unwrap());
    assert_eq!(reasons(&failed), [("Ready", "BrokerError"), ("Lagging", "RecordsBehind")]);
    let back = status(&group, &consuming(500), &failed);
    assert_eq!(back.conditions[1], late.conditions[1], "it never stopped, and is not told as new");
}

#[test]
fn seconds_count_from_the_record_that_waits() {
    let group = validated("maxLag: {seconds: 60}");
    let mut seen = consuming(1);
    seen.positions.values_mut().for_each(|position| position.waiting_since_ms = Some(900_000));
    let late = status(&group, &seen, &ConsumerGroupStatus::default());
    assert_eq!(late.lag_seconds, Some(100));
    assert_eq!(reasons(&late)[1], ("Lagging", "SecondsBehind"));
}

#[test]
fn an_age_that_could_not_be_read_neither_catches_up_nor_lags() {
    let group = validated("maxLag: {seconds: 60}");
    let aged = |since: Option<i64>| {
        let mut seen = consuming(1);
        let position = seen.positions.values_mut().next().unwrap();
        position.waiting_since_ms = since;
        position.unaged = since.is_none().then_some(Unaged::Unread);
        seen
    };
    let late = status(&group, &aged(Some(900_000)), &ConsumerGroupStatus::default());
    let unread = status(&group, &aged(None), &late);
    assert_eq!(unread, late, "nothing is known that was not known before");
    let fresh = status(&group, &aged(Some(999_000)), &ConsumerGroupStatus::default());
    let unread = status(&group, &aged(None), &fresh);
    assert_eq!((unread.lag_seconds, reasons(&unread)[1]), (Some(1), ("Lagging", "WithinLimits")));
}

#[test]
fn another_limit_counts_at_once() {
    let late = status(&validated("maxLag: {records: 100}"), &consuming(950), &ConsumerGroupStatus::default());
    let (wider, seen) = (validated("maxLag: {records: 1000}"), consuming(950));
    let around = status(&validated("maxLag: {records: 960}"), &seen, &late);
    assert_eq!(
        reasons(&around)[1].1,
        "RecordsBehind",
        "as long as the limit is what it was, it takes a tenth"
    );
    let from = Ingredients { generation: Some(2), ..ingredients(&wider, &seen) };
    let raised = observed(&late, &from, Timestamp::from_second(1000).unwrap());
    assert_eq!(reasons(&raised)[1].1, "WithinLimits");
}

#[test]
fn members_that_do_not_read_an_expected_topic_are_not_ready() {
    let group = validated("topics: [orders, payments]");
    let status = status(&group, &consuming(0), &ConsumerGroupStatus::default());
    assert_eq!(reasons(&status), [("Ready", "TopicsNotRead")]);
    assert!(status.conditions[0].message.contains("payments"));
}

#[test]
fn a_move_that_nobody_knows_of_is_given_up_and_said() {
    let group = validated("offsetReset: {id: july, to: {shiftBy: -3}}");
    let seen = consuming(0);
    let reset = group.reset.clone().unwrap();
    let before = history::begin(&ConsumerGroupStatus::default(), &reset, &seen, Timestamp::UNIX_EPOCH);
    let interrupted = Move::Interrupted;
    let mut from = ingredients(&group, &seen);
    from.reset = Some(&interrupted);
    let after = observed(&before, &from, Timestamp::UNIX_EPOCH);
    assert_eq!(reasons(&after)[1], ("OffsetsReset", "Interrupted"));
    assert_eq!(
        after.offset_reset_history.as_ref().map(|history| history.ids.as_slice()),
        Some(&["july".into()][..])
    );
    assert_eq!(observed(&after, &from, Timestamp::UNIX_EPOCH), after, "settled");
}

#[test]
fn a_move_waits_for_members_and_is_then_remembered() {
    let group = validated("offsetReset: {id: july, to: {position: Earliest}}");
    let seen = consuming(0);
    let waiting = Move::WaitForMembers(2);
    let mut from = ingredients(&group, &seen);
    from.reset = Some(&waiting);
    let before = observed(&ConsumerGroupStatus::default(), &from, Timestamp::UNIX_EPOCH);
    assert_eq!(reasons(&before)[1], ("OffsetsReset", "WaitingForMembers"));
    let moved =
        OffsetResetStatus { id: "july".into(), partitions: 1, completed_at: "1970-01-01T00:00:00Z".into() };
    from.moved = Some(moved.clone());
    let done = observed(&before, &from, Timestamp::UNIX_EPOCH);
    assert_eq!(reasons(&done)[1], ("OffsetsReset", "Done"));
    let later = status(&group, &seen, &done);
    assert_eq!((later.offset_reset.clone(), reasons(&later)[1]), (Some(moved), ("OffsetsReset", "Done")));
}
