//! Local mode as a user types it: the real binary, real manifests, against Millrace and, where its jars are,
//! Apache Kafka. The same scenarios run against both.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

mod check;
mod cut_off;
mod leaderless;
mod linked;
mod proxy;
mod restarting;
mod scenarios;
mod settings;
mod watching;
mod workplace;

use millrace_tests::{Kafka, Millrace, places};
use workplace::Workplace;

/// Each has topics and groups of its own.
const SCENARIOS: &[fn(&Workplace)] = &[
    scenarios::a_topic_lives,
    scenarios::what_the_broker_refuses_is_said,
    scenarios::partitions_do_not_shrink,
    scenarios::what_needs_kubernetes_is_said,
    scenarios::of_several_clusters_one_is_chosen,
    scenarios::what_is_paused_is_left_alone,
    scenarios::null_is_hands_off,
    scenarios::groups_show_their_lag,
    scenarios::offsets_move_once,
    scenarios::offsets_move_to_every_goal,
    scenarios::many_topics_at_once,
    restarting::topics_tell_their_own_min_insync_replicas,
    linked::a_topic_that_a_producer_makes_first_is_adopted_whole,
    linked::a_topic_that_is_refused_again_is_not_made_until_it_is_not,
    linked::a_move_whose_end_was_not_noted_is_not_made_twice,
    watching::drift_is_mended,
    watching::what_changed_rings_and_what_did_not_is_silent,
];

fn run_all(servers: &str) {
    for scenario in SCENARIOS {
        scenario(&Workplace::at(servers));
    }
}

#[test]
fn against_millrace() {
    let broker = Millrace::start(&[]);
    run_all(&broker.address.to_string());
}

#[test]
fn against_kafka() {
    let Some(broker) = Kafka::start() else {
        places::left_out("operator-local-against-kafka", "Kafka's jars are not there; run tests/setup");
        return;
    };
    run_all(&broker.address.to_string());
}
