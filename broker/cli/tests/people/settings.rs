//! `millrace configs` and `millrace cluster`.

use millrace_tests::until;
use serde_json::json;

use crate::bench::{Broker, each_broker};

/// Waits until a command prints that: Kafka's brokers hear of a change a moment after it was made.
fn until_printed(broker: &Broker, command: &str, wanted: &str) {
    until(&format!("{command} prints {wanted:?}"), || (broker.run(command).ok() == wanted).then_some(()));
}

#[test]
fn settings_of_a_topic_are_set_read_and_unset() {
    each_broker(|broker| {
        broker.run("topics create tuned -p 1").ok();
        let set = broker.run("configs set topic tuned retention.ms=3600000 cleanup.policy=compact").ok();
        assert_eq!(set, "topic 'tuned': retention.ms = 3600000\ntopic 'tuned': cleanup.policy = compact\n");
        until_printed(broker, "configs get topic tuned retention.ms", "3600000\n");
        broker.run("configs set topic tuned cleanup.policy+=delete").ok();
        until_printed(broker, "configs get topic tuned cleanup.policy", "compact,delete\n");
        let values = broker.run("configs get topic tuned cleanup.policy retention.ms -o json").json();
        assert_eq!(values, json!({ "cleanup.policy": "compact,delete", "retention.ms": "3600000" }));
        let text = broker.run("configs list topic tuned").ok();
        assert!(text.contains("KEY") && text.contains("retention.ms"), "{text}");
        let all = broker.run("configs list topic tuned --all --docs -o json").json();
        let all = all.as_array().unwrap();
        let segment = all.iter().find(|one| one["key"] == "segment.bytes").unwrap();
        assert_eq!((&segment["value"], &segment["is_default"]), (&json!("1073741824"), &json!(true)));
        assert!(segment["documentation"].as_str().is_some_and(|text| text.len() > 20), "{segment}");
        broker.run("configs unset topic tuned retention.ms").ok();
        until_printed(broker, "configs get topic tuned retention.ms", "604800000\n");
    });
}

#[test]
fn wrong_settings_are_refused_with_a_way_out() {
    each_broker(|broker| {
        broker.run("topics create untuned -p 1").ok();
        let unknown = broker.run("configs get topic untuned retention.mss").failed(1);
        assert!(unknown.contains("did you mean 'retention.ms'?"), "{unknown}");
        let wrong = broker.run("configs set topic untuned retention.ms=soon").failed(1);
        assert!(wrong.contains("INVALID_CONFIG"), "{wrong}");
        let typo = broker.run("configs list topic untunde").failed(1);
        assert!(typo.contains("did you mean 'untuned'?"), "{typo}");
        let dry = broker.run("configs set topic untuned retention.ms=1 --dry-run");
        assert!(dry.err.contains("--dry-run"), "{dry:?}");
        assert_eq!(broker.run("configs get topic untuned retention.ms").ok(), "604800000\n");
        broker.run("configs list broker one").failed(2);
    });
}

#[test]
fn brokers_have_settings_too() {
    each_broker(|broker| {
        let own = broker.run("configs list broker 1 --all -o json").json();
        let own = own.as_array().unwrap();
        assert!(own.iter().any(|one| one["key"] == "log.retention.ms"), "{}", broker.name);
        broker.run("configs set broker default log.cleaner.backoff.ms=14000").ok();
        until("the default is listed", || {
            let defaults = broker.run("configs list broker default -o json").json();
            let found = defaults.as_array()?.iter().find(|one| one["key"] == "log.cleaner.backoff.ms")?;
            (found["value"] == "14000").then_some(())
        });
        broker.run("configs unset broker default log.cleaner.backoff.ms").ok();
    });
}

#[test]
fn the_cluster_tells_about_itself() {
    each_broker(|broker| {
        let cluster = broker.run("cluster -o json").json();
        assert_eq!(cluster["controller"], 1);
        assert_eq!(cluster["brokers"][0]["id"], 1);
        let address =
            format!("{}:{}", cluster["brokers"][0]["host"].as_str().unwrap(), cluster["brokers"][0]["port"]);
        assert_eq!(address, broker.address());
        let text = broker.run("cluster").ok();
        assert!(text.contains("broker, controller"), "{text}");
        broker.run("topics create counted -p 2").ok();
        until("both logs are there", || {
            let dirs = broker.run("cluster log-dirs --partitions -o json").json();
            let partitions = dirs[0]["partitions"].as_array().unwrap();
            (partitions.iter().filter(|one| one["topic"] == "counted").count() == 2).then_some(())
        });
        assert!(broker.run("cluster log-dirs").ok().contains("  ok\n"));
        let versions = broker.run("cluster api-versions -o json").json();
        let produce = &versions[0]["apis"][0];
        assert_eq!((&produce["name"], &produce["first"]), (&json!("Produce"), &json!(0)));
        assert!(produce["used"].as_i64().is_some_and(|used| used >= 9), "{produce}");
    });
}
