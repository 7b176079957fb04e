//! `millrace groups`.

use millrace_tests::until;
use serde_json::{Value, json};

use crate::bench::{Broker, each_broker};

/// Ten records, of which the group has read four.
fn prepare(broker: &Broker, name: &str) {
    broker.run(&format!("topics create {name} -p 1")).ok();
    let lines: String = (0..10)
        .map(|n| format!("{{\"value\":\"{n}\",\"timestamp_ms\":{}}}\n", 1_700_000_000_000_i64 + n * 1000))
        .collect();
    broker.run_with(&format!("produce {name} --format json"), lines.as_bytes()).ok();
    let read = broker.run(&format!("consume {name} -g {name}-readers --from-beginning -n 4 -f %v")).ok();
    assert_eq!(read, "0123");
}

fn describe(broker: &Broker, group: &str) -> Value {
    broker.run(&format!("groups describe {group} -o json")).json()[0].clone()
}

#[test]
fn a_group_s_lag_is_told_in_records_and_in_time() {
    each_broker(|broker| {
        prepare(broker, "lagging");
        let group = describe(broker, "lagging-readers");
        assert_eq!((&group["state"], &group["lag"]), (&json!("Empty"), &json!(6)), "{group}");
        let partition = &group["partitions"][0];
        assert_eq!((&partition["committed"], &partition["end"]), (&json!(4), &json!(10)));
        // The record at the committed offset is of November 2023.
        let age = partition["lag_seconds"].as_f64().unwrap();
        let expected = (now_ms() - 1_700_000_004_000) as f64 / 1000.0;
        assert!((age - expected).abs() < 60.0, "{age} is not {expected}");
        let text = broker.run("groups describe lagging-readers").ok();
        assert!(text.contains("lag          6 records, the oldest "), "{text}");
        let listed = broker.run("groups list lagging -l -o json").json();
        assert_eq!((&listed[0]["lag"], &listed[0]["members"]), (&json!(6), &json!(0)), "{listed}");
        assert_eq!(broker.run("groups list lagging -q").ok(), "lagging-readers\n");
        assert_eq!(broker.run("consume lagging -g lagging-readers -n 6 -f %v").ok(), "456789");
        let group = describe(broker, "lagging-readers");
        assert_eq!((&group["lag"], &group["max_lag_seconds"]), (&json!(0), &json!(0.0)), "{group}");
    });
}

#[test]
fn a_group_is_moved_only_when_told_so() {
    each_broker(|broker| {
        prepare(broker, "moving");
        let committed = || describe(broker, "moving-readers")["partitions"][0]["committed"].clone();
        let shown = broker.run("groups reset moving-readers --to earliest --dry-run").ok();
        assert!(shown.contains("moving          0     4   0      -4"), "{shown}");
        assert_eq!(committed(), 4);
        let unsure = broker.run("groups reset moving-readers --to earliest").failed(2);
        assert!(unsure.contains("--yes"), "{unsure}");
        for (how, expected) in [
            ("--to earliest", 0),
            ("--to latest", 10),
            ("--to -3", 7),
            ("--to 5", 5),
            ("--to 99", 10),
            ("--shift -4", 6),
            ("--shift 2", 8),
            ("--to @1700000002500", 3),
            ("--topic moving:0 --to 1", 1),
        ] {
            let moved = broker.run(&format!("groups reset moving-readers {how} --yes -o json")).json();
            assert_eq!(moved[0]["to"], expected, "{how}");
            assert_eq!(committed(), expected, "{how}");
        }
        assert_eq!(broker.run("consume moving -g moving-readers -n 1 -f %v").ok(), "1");
        let nowhere = broker.run("groups reset moving-readers").failed(2);
        assert!(nowhere.contains("--to") && nowhere.contains("--shift"), "{nowhere}");
    });
}

#[test]
fn groups_are_deleted_by_name_and_not_by_typo() {
    each_broker(|broker| {
        prepare(broker, "leaving");
        let typo = broker.run("groups delete leavin-readers --yes").failed(1);
        assert_eq!(
            typo,
            "error: there is no group 'leavin-readers'\n hint: did you mean 'leaving-readers'?\n"
        );
        assert_eq!(broker.run("groups delete leaving-readers --yes").ok(), "deleted group leaving-readers\n");
        until("the group is gone", || {
            (broker.run("groups list leaving -o json").json() == json!([])).then_some(())
        });
        assert!(broker.run("groups describe leaving-readers").failed(1).contains("there is no group"));
    });
}

#[test]
fn a_group_with_members_is_shown_with_them_and_not_moved() {
    each_broker(|broker| {
        prepare(broker, "busy");
        let member = broker.clone();
        // It waits for an eleventh record.
        let reader = std::thread::spawn(move || {
            member.run("consume busy -g busy-readers -n 7 -f %v -X client.id=busy-app").ok()
        });
        until("the member is there", || {
            let group = describe(broker, "busy-readers");
            let members = group["members"].as_array().unwrap();
            (group["state"] == "Stable" && members.len() == 1).then_some(())
        });
        let group = describe(broker, "busy-readers");
        assert_eq!(group["members"][0]["client_id"], "busy-app", "{group}");
        assert_eq!(group["members"][0]["topics"], json!(["busy"]));
        assert_eq!(group["partitions"][0]["client_id"], "busy-app");
        let text = broker.run("groups describe busy-readers -m").ok();
        assert!(text.contains("busy-app") && text.contains("SUBSCRIBED TO"), "{text}");
        let refused = broker.run("groups reset busy-readers --to earliest --yes").failed(1);
        assert!(
            refused.contains("has 1 member") && refused.contains("stop them first: busy-app"),
            "{refused}"
        );
        let refused = broker.run("groups delete busy-readers --yes").failed(1);
        assert!(refused.contains("NON_EMPTY_GROUP"), "{refused}");
        broker.run_with("produce busy", b"ten\n").ok();
        assert_eq!(reader.join().unwrap(), "456789ten");
    });
}

#[test]
fn a_group_and_chosen_partitions_exclude_each_other() {
    each_broker(|broker| {
        broker.run("topics create chosen -p 2").ok();
        for line in ["consume chosen:0 -g g", "consume chosen -p 0 -g g", "consume chosen -g g --from 5"] {
            broker.run(line).failed(2);
        }
    });
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
