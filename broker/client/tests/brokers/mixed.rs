//! Our members and Java's in one group: each leads in turn, and both read what the other plans.

use std::process::Command;

use millrace_client::config::AssignorKind;
use millrace_tests::{Process, places};

use crate::consuming::send_numbers;
use crate::groups::{Reader, assignors, eventually};
use crate::support::Place;

/// Lines of numbers that the console consumer has printed; its log goes to the same file.
fn printed(java: &Process) -> Vec<i64> {
    java.output().lines().filter_map(|line| line.parse().ok()).collect()
}

fn java_member(place: &Place, topic: &str, assignor: &str, directory: &std::path::Path) -> Option<Process> {
    let libs = places::kafka_libs()?;
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(libs.join("*"));
    command.arg("org.apache.kafka.tools.consumer.ConsoleConsumer");
    command.args(["--bootstrap-server", &place.servers, "--topic", topic, "--group", topic]);
    for property in [
        "auto.offset.reset=earliest",
        "heartbeat.interval.ms=100",
        "auto.commit.interval.ms=50",
        &format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{assignor}"),
    ] {
        command.args(["--consumer-property", property]);
    }
    Some(Process::start(command, &directory.join(format!("{assignor}.log"))))
}

/// Ours leads, Java's joins; ours leaves, Java's leads; ours comes back.
pub(crate) async fn java_members_share_with_ours(place: Place) {
    let directory = tempfile::tempdir().unwrap();
    for (kind, assignor) in [
        (AssignorKind::Range, "RangeAssignor"),
        (AssignorKind::Sticky, "StickyAssignor"),
        (AssignorKind::CooperativeSticky, "CooperativeStickyAssignor"),
    ] {
        let topic = format!("mixed-{}", kind.name());
        place.create(&topic, 4, &[]).await;
        let ours = Reader::start(&place, &topic, &[&topic], assignors(&[kind])).await;
        eventually("ours has all", || ours.seen.lock().assignment.len() == 4).await;
        let Some(java) = java_member(&place, &topic, assignor, directory.path()) else {
            ours.stop().await;
            return places::left_out("client-mixed-groups", "Kafka's jars are not there; run tests/setup");
        };
        eventually("they share", || ours.seen.lock().assignment.len() == 2).await;
        send_numbers(&place, &topic, 4, 0..400, |_| {}).await;
        eventually("all is read", || ours.seen.lock().numbers.len() + printed(&java).len() == 400).await;
        let mut read = ours.stop().await.numbers;
        send_numbers(&place, &topic, 4, 400..800, |_| {}).await;
        eventually("Java's reads alone", || read.len() + printed(&java).len() == 800).await;

        let ours = Reader::start(&place, &topic, &[&topic], assignors(&[kind])).await;
        eventually("they share again", || ours.seen.lock().assignment.len() == 2).await;
        send_numbers(&place, &topic, 4, 800..1_200, |_| {}).await;
        let count = || ours.seen.lock().numbers.len() + printed(&java).len() + read.len();
        eventually("all is read", || count() >= 1_200).await;
        read.extend(printed(&java));
        read.extend(ours.stop().await.numbers);
        read.sort_unstable();
        read.dedup();
        // Java commits as it goes: a rebalance may make it read its last records again, never lose any.
        assert_eq!(read, (0..1_200).collect::<Vec<i64>>(), "{kind:?}");
    }
}
