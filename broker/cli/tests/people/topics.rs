//! `millrace topics`.

use serde_json::json;

use crate::bench::each_broker;

#[test]
fn a_topic_is_made_grown_shown_and_deleted() {
    each_broker(|broker| {
        let made =
            broker.run("topics create life -p 3 -c retention.ms=3600000 -c cleanup.policy=compact").ok();
        assert_eq!(made, "created life with 3 partitions, 1 replica of each\n");
        let listed = broker.run("topics list life -o json").json();
        assert_eq!(listed[0]["topic"], "life");
        assert_eq!((&listed[0]["partitions"], &listed[0]["under_replicated"]), (&json!(3), &json!(0)));
        assert_eq!(broker.run("topics grow life -p 5").ok(), "grew life with 5 partitions\n");
        let described = broker.run("topics describe life -o json").json();
        assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 5);
        let configs = json!({ "cleanup.policy": "compact", "retention.ms": "3600000" });
        assert_eq!(described[0]["configs"], configs);
        assert_eq!(described[0]["partitions"][4]["end_offset"], 0);
        let text = broker.run("topics describe life").ok();
        assert!(
            text.contains("configs     cleanup.policy=compact\n            retention.ms=3600000"),
            "{text}"
        );
        assert!(text.contains("PARTITION  LEADER  REPLICAS  IN SYNC  FIRST  END  RECORDS"), "{text}");
        assert_eq!(broker.run("topics list life -q").ok(), "life\n");
        assert_eq!(broker.run("topics delete life --yes").ok(), "deleted life\n");
        assert_eq!(broker.run("topics list life -o json").json(), json!([]));
    });
}

#[test]
fn what_cannot_be_done_is_told_with_a_way_out() {
    each_broker(|broker| {
        broker.run("topics create hinted -p 2").ok();
        let unknown = broker.run("topics describe hintde").failed(1);
        assert_eq!(unknown, "error: there is no topic 'hintde'\n hint: did you mean 'hinted'?\n");
        let again = broker.run("topics create hinted new-beside-hinted").failed(1);
        assert!(
            again.starts_with(
                "error: cannot create 'hinted': Topic 'hinted' already exists (TOPIC_ALREADY_EXISTS)"
            ),
            "{again}"
        );
        assert!(again.contains(" hint: "), "{again}");
        let beside = broker.run("topics list new-beside-hinted -o json").json();
        assert_eq!(beside.as_array().unwrap().len(), 1, "one refusal does not stop the others");
        assert_eq!(broker.run("topics create hinted --if-not-exists").ok(), "already there: hinted\n");
        let shrunk = broker.run("topics alter hinted -p 1").failed(1);
        assert!(shrunk.starts_with("error: cannot grow 'hinted' from 2: "), "{shrunk}");
        assert!(shrunk.contains("(INVALID_PARTITIONS)"), "{shrunk}");
        for (line, code) in [
            ("topics create bad~name", "INVALID_TOPIC_EXCEPTION"),
            ("topics create none -p 0", "INVALID_PARTITIONS"),
            ("topics create many -r 7", "INVALID_REPLICATION_FACTOR"),
            ("topics create odd -c retention.msx=1", "INVALID_CONFIG"),
        ] {
            let refused = broker.run(line).failed(1);
            assert!(refused.contains(code), "{line}: {refused}");
        }
        let unsure = broker.run("topics delete hinted").failed(2);
        assert!(unsure.contains("--yes"), "{unsure}");
        let typo = broker.run("topics delete hinted hintde --yes").failed(1);
        assert!(typo.contains("did you mean 'hinted'?"), "{typo}");
        assert_eq!(
            broker.run("topics list hinted -q").ok(),
            "hinted\nnew-beside-hinted\n",
            "nothing was deleted"
        );
        assert_eq!(broker.run("topics delete hintde --if-exists --yes -o json").json(), json!([]));
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    each_broker(|broker| {
        let would = broker.run("topics create dry -p 2 --dry-run").ok();
        assert!(would.starts_with("would create dry"), "{would}");
        assert_eq!(broker.run("topics list dry -o json").json(), json!([]));
        broker.run("topics create dryer -p 2").ok();
        assert_eq!(
            broker.run("topics alter dryer -p 4 --dry-run").ok(),
            "would grow dryer with 4 partitions\n"
        );
        assert_eq!(broker.run("topics list dryer -o json").json()[0]["partitions"], 2);
    });
}
