//! Topics and groups brought to their manifests, once.

use crate::workplace::{Ran, Workplace, group, topic};

/// The row of a resource in the table at the end.
fn row<'a>(ran: &'a Ran, name: &str) -> &'a str {
    let mut rows = ran.out.lines().filter(|line| line.split_whitespace().nth(1) == Some(name));
    rows.next_back().unwrap_or_else(|| panic!("no row of {name}:\n{}{}", ran.out, ran.err))
}

pub(crate) fn a_topic_lives(at: &Workplace) {
    at.write(&topic("orders", "partitions: 2, config: {retention.ms: 60000, cleanup.policy: compact}"));
    let dry = at.local(&["--dry-run"]);
    assert_eq!(dry.code, 0, "{}{}", dry.out, dry.err);
    assert!(dry.out.contains("topic orders (new)") && dry.out.contains("+ partitions: 2"), "{}", dry.out);
    assert_eq!(at.partitions("orders"), 0, "a dry run makes nothing");

    let made = at.local(&[]);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    assert!(row(&made, "orders").contains("Ready"), "{}", made.out);
    assert_eq!(at.partitions("orders"), 2);
    assert_eq!(at.settings("orders"), ["cleanup.policy=compact", "retention.ms=60000"]);
    assert!(!at.local(&[]).out.contains("topic orders\n"), "a second time there is nothing to do");

    at.set("orders", "retention.ms", "1");
    at.set("orders", "segment.bytes", "1048576");
    at.write(&topic("orders", "partitions: 4, config: {retention.ms: 60000}"));
    let changed = at.local(&[]);
    for line in ["- partitions: 2", "+ partitions: 4", "- retention.ms: 1", "+ retention.ms: 60000"] {
        assert_eq!(changed.out.matches(line).count(), 1, "{line}, as planned and done:\n{}", changed.out);
    }
    assert_eq!(at.partitions("orders"), 4);
    assert_eq!(at.settings("orders"), ["retention.ms=60000"], "what is absent goes back to the default");
}

pub(crate) fn what_the_broker_refuses_is_said(at: &Workplace) {
    let wrong = [topic("misspelt", "config: {retention.mss: 1}"), topic("fine", "partitions: 1")];
    at.write(&wrong.concat());
    for flags in [&["--dry-run"][..], &[]] {
        let ran = at.local(flags);
        assert_eq!(ran.code, 1, "{}", ran.out);
        let row = row(&ran, "misspelt");
        assert!(row.contains("InvalidConfig") && row.contains("retention.mss"), "{row}");
    }
    assert_eq!((at.partitions("misspelt"), at.partitions("fine")), (0, 1), "the others are not kept back");
    at.write(&topic("many-replicas", "replicationFactor: 3"));
    assert!(row(&at.local(&[]), "many-replicas").contains("InvalidReplicationFactor"));
}

pub(crate) fn partitions_do_not_shrink(at: &Workplace) {
    at.create("wide", 3);
    at.write(&topic("wide", "partitions: 2, config: {retention.ms: 5000}"));
    let ran = at.local(&[]);
    assert_eq!(ran.code, 1);
    assert!(row(&ran, "wide").contains("TooManyPartitions"), "{}", ran.out);
    assert_eq!(at.partitions("wide"), 3);
    assert_eq!(at.settings("wide"), ["retention.ms=5000"], "the rest is done");
}

pub(crate) fn what_needs_kubernetes_is_said(at: &Workplace) {
    let topic = topic("grows", "partitions: 1, autoscaling: {maxPartitions: 4, lagPerPartition: 10}");
    at.write(&topic);
    assert!(row(&at.local(&[]), "grows").contains("autoscaling needs Kubernetes"));
    assert_eq!(at.partitions("grows"), 1);
}

pub(crate) fn of_several_clusters_one_is_chosen(at: &Workplace) {
    let of_another = topic("of-another", "partitions: 2").replace("{name: main}", "{name: other}");
    at.write(&[topic("of-this", "partitions: 1"), of_another].concat());
    let both = at.local(&[]);
    assert_eq!(both.code, 1, "{}", both.out);
    assert!(both.err.contains("the manifests are of main, other: choose with --cluster"), "{}", both.err);
    let none = at.local(&["--cluster", "mian"]);
    assert!(none.code == 1 && none.err.contains("of main, other"), "{}", none.err);
    let one = at.local(&["--cluster", "other"]);
    assert_eq!(one.code, 0, "{}{}", one.out, one.err);
    assert!(one.err.contains("1 Topics and ConsumerGroups of other clusters are skipped"), "{}", one.err);
    assert_eq!((at.partitions("of-another"), at.partitions("of-this")), (2, 0));
}

pub(crate) fn what_is_paused_is_left_alone(at: &Workplace) {
    let paused = |manifest: String, name: &str| {
        let annotated = format!("{{name: {name}, annotations: {{millrace.dev/pause: 'true'}}}}");
        manifest.replace(&format!("{{name: {name}}}"), &annotated)
    };
    at.create("rested", 1);
    at.commit("resters", "rested", 0, 0);
    let reset = "offsetReset: {id: a, to: {position: Earliest}}";
    at.write(
        &[paused(topic("rested", "partitions: 3"), "rested"), paused(group("resters", reset), "resters")]
            .concat(),
    );
    for flags in [&["--dry-run"][..], &["--reset-offsets"]] {
        let ran = at.local(flags);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("+ "), "nothing is planned:\n{}", ran.out);
        for name in ["rested", "resters"] {
            assert!(row(&ran, name).contains("Paused"), "{}", ran.out);
        }
    }
    assert_eq!(at.partitions("rested"), 1);
}

pub(crate) fn null_is_hands_off(at: &Workplace) {
    at.create("shared", 1);
    at.set("shared", "retention.ms", "7000");
    at.set("shared", "max.message.bytes", "2000");
    at.write(&topic(
        "shared",
        "config: {retention.ms: null, preallocate: 'TRUE', cleanup.policy: 'compact , delete'}",
    ));
    assert_eq!(at.local(&[]).code, 0);
    let settings = at.settings("shared");
    assert!(settings.contains(&"retention.ms=7000".to_owned()), "{settings:?}");
    assert!(!settings.iter().any(|setting| setting.starts_with("max.message.bytes")), "{settings:?}");
    let again = at.local(&["--dry-run"]);
    assert!(!again.out.contains("preallocate"), "another spelling is no drift:\n{}", again.out);
}

pub(crate) fn groups_show_their_lag(at: &Workplace) {
    at.create("read", 2);
    at.produce("read", 0, 10);
    at.produce("read", 1, 5);
    at.commit("readers", "read", 0, 4);
    at.commit("readers", "read", 1, 5);
    let manifests = [group("readers", "maxLag: {records: 5}"), group("nobody", "topics: [read]")];
    at.write(&manifests.concat());
    let ran = at.local(&[]);
    assert_eq!(ran.code, 0, "lagging is no error: {}{}", ran.out, ran.err);
    let readers = row(&ran, "readers");
    assert!(readers.contains("Inactive,RecordsBehind") && readers.contains(" 6 records and "), "{readers}");
    assert!(row(&ran, "nobody").contains("NotJoined"), "{}", ran.out);
}

pub(crate) fn offsets_move_once(at: &Workplace) {
    at.create("moved", 1);
    at.produce("moved", 0, 10);
    at.commit("movers", "moved", 0, 8);
    at.write(&group("movers", "offsetReset: {id: back-three, to: {shiftBy: -3}}"));
    let not_asked = at.local(&[]);
    assert!(row(&not_asked, "movers").contains("--reset-offsets"), "{}", not_asked.out);
    let dry = at.local(&["--dry-run", "--reset-offsets"]);
    assert!(dry.out.contains("- moved-0: 8") && dry.out.contains("+ moved-0: 5"), "{}", dry.out);
    assert_eq!(at.committed("movers", "moved"), [8]);
    for _ in 0..2 {
        let ran = at.local(&["--reset-offsets"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert_eq!(at.committed("movers", "moved"), [5], "the same move is made once");
    }
    at.write(&group("movers", "offsetReset: {id: once-more, to: {shiftBy: -3}}"));
    at.local(&["--reset-offsets"]);
    assert_eq!(at.committed("movers", "moved"), [2]);
}

pub(crate) fn offsets_move_to_every_goal(at: &Workplace) {
    at.create("goals", 2);
    at.produce("goals", 0, 10);
    let goals = [
        ("position: Latest", [10, 0]),
        ("position: Earliest", [0, 0]),
        ("offset: 7", [7, 0]),
        ("timestamp: '2020-01-01T00:00:00Z'", [0, 0]),
        ("timestamp: '2120-01-01T00:00:00Z'", [10, 0]),
    ];
    for (number, (goal, expected)) in goals.into_iter().enumerate() {
        at.write(&group(
            "goal-seekers",
            &format!("topics: [goals], offsetReset: {{id: n{number}, to: {{{goal}}}}}"),
        ));
        let ran = at.local(&["--reset-offsets"]);
        assert_eq!(ran.code, 0, "{goal}: {}{}", ran.out, ran.err);
        assert_eq!(at.committed("goal-seekers", "goals"), expected, "{goal}");
    }
}

pub(crate) fn many_topics_at_once(at: &Workplace) {
    let names: Vec<String> = (0..150).map(|number| format!("many-{number}")).collect();
    let manifests: Vec<String> = names.iter().map(|name| topic(name, "partitions: 1")).collect();
    at.write(&manifests.concat());
    let ran = at.local(&[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(names.iter().all(|name| row(&ran, name).contains("Ready")), "{}", ran.out);
    for name in &names {
        at.delete(name);
    }
}
