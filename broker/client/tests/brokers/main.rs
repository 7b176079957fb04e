//! The client against real brokers: Millrace and, where its jars are, Apache Kafka. The same scenarios
//! run against both; each has topics and groups of its own, so they run side by side on one broker.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod consuming;
mod crash;
mod groups;
mod limits;
mod mixed;
mod producing;
mod support;

use support::{Cluster, run_all};

/// Every scenario that needs nothing but a broker.
const SCENARIOS: &[support::Scenario] = &[
    ("clients::a_call_that_rests_holds_up_nobody", |at| {
        Box::pin(clients::a_call_that_rests_holds_up_nobody(at))
    }),
    ("clients::failures_are_told_apart", |at| Box::pin(clients::failures_are_told_apart(at))),
    ("producing::records_arrive_as_they_were_sent", |at| {
        Box::pin(producing::records_arrive_as_they_were_sent(at))
    }),
    ("producing::keys_go_where_java_sends_them", |at| Box::pin(producing::keys_go_where_java_sends_them(at))),
    ("producing::what_cannot_be_sent_is_refused", |at| {
        Box::pin(producing::what_cannot_be_sent_is_refused(at))
    }),
    ("producing::memory_is_bounded", |at| Box::pin(producing::memory_is_bounded(at))),
    ("producing::a_batch_too_large_is_cut", |at| Box::pin(producing::a_batch_too_large_is_cut(at))),
    ("producing::cut_connections_lose_and_repeat_nothing", |at| {
        Box::pin(producing::cut_connections_lose_and_repeat_nothing(at))
    }),
    ("producing::without_acks_nothing_is_known", |at| Box::pin(producing::without_acks_nothing_is_known(at))),
    ("producing::partitions_that_come_later_are_used", |at| {
        Box::pin(producing::partitions_that_come_later_are_used(at))
    }),
    ("consuming::records_come_in_order_and_once", |at| {
        Box::pin(consuming::records_come_in_order_and_once(at))
    }),
    ("consuming::positions_go_where_they_are_sent", |at| {
        Box::pin(consuming::positions_go_where_they_are_sent(at))
    }),
    ("consuming::resets_follow_the_setting", |at| Box::pin(consuming::resets_follow_the_setting(at))),
    ("consuming::a_lone_consumer_commits", |at| Box::pin(consuming::a_lone_consumer_commits(at))),
    ("consuming::cut_connections_lose_nothing_that_is_read", |at| {
        Box::pin(consuming::cut_connections_lose_nothing_that_is_read(at))
    }),
    ("groups::members_share_and_take_over", |at| Box::pin(groups::members_share_and_take_over(at))),
    ("groups::cooperative_members_keep_what_stays", |at| {
        Box::pin(groups::cooperative_members_keep_what_stays(at))
    }),
    ("groups::what_comes_later_is_read_too", |at| Box::pin(groups::what_comes_later_is_read_too(at))),
    ("groups::a_full_buffer_keeps_nobody_waiting", |at| {
        Box::pin(groups::a_full_buffer_keeps_nobody_waiting(at))
    }),
    ("groups::commits_keep_their_order", |at| Box::pin(groups::commits_keep_their_order(at))),
    ("groups::a_leader_minds_the_topics_of_others", |at| {
        Box::pin(groups::a_leader_minds_the_topics_of_others(at))
    }),
    ("groups::a_static_member_comes_back", |at| Box::pin(groups::a_static_member_comes_back(at))),
    ("groups::who_does_not_poll_is_out", |at| Box::pin(groups::who_does_not_poll_is_out(at))),
    ("groups::cut_connections_do_not_cost_membership", |at| {
        Box::pin(groups::cut_connections_do_not_cost_membership(at))
    }),
    ("groups::a_crowd_settles", |at| Box::pin(groups::a_crowd_settles(at))),
    ("mixed::java_members_share_with_ours", |at| Box::pin(mixed::java_members_share_with_ours(at))),
];

#[test]
fn against_millrace() {
    let cluster = Cluster::millrace();
    run_all(SCENARIOS, &cluster.place());
}

#[test]
fn against_kafka() {
    let Some(cluster) = Cluster::kafka() else {
        millrace_tests::places::left_out(
            "client-against-kafka",
            "Kafka's jars are not there; run tests/setup",
        );
        return;
    };
    run_all(SCENARIOS, &cluster.place());
}

#[test]
fn through_crashes() {
    let cluster = Cluster::millrace();
    let place = cluster.place();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(crash::crashes_cost_nothing_that_was_acknowledged(place, cluster.into_millrace()));
}
