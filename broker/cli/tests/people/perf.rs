//! `millrace perf`: small loads, whose counts must be exact. Nothing here asserts a speed.

use serde_json::json;

use crate::bench::each_broker;

#[test]
fn what_was_sent_is_there_and_is_read() {
    each_broker(|broker| {
        for (topic, options) in [
            ("load-one", "-p 3 -s 100"),
            ("load-two", "-p 2 -s 1k -c 2 --acks 1 -z lz4 --keys 10 --batch-size 4k --linger-ms 0"),
            ("load-three", "-p 1 --rate 2000 --warmup 50"),
        ] {
            let line = format!("perf produce {topic} -n 1000 {options} -o json");
            let report = broker.run(&line).json();
            assert_eq!((&report["records"], &report["failed"]), (&json!(1000), &json!(0)), "{report}");
            assert_eq!(report["latency"]["count"], 1000);
            let (p50, p99) = (report["latency"]["p50_ms"].as_f64(), report["latency"]["p99_ms"].as_f64());
            assert!(p50 > Some(0.0) && p99 >= p50, "{report}");
            let size: i64 = if topic == "load-two" { 1024 + 8 } else { 100 };
            assert_eq!(report["bytes"], 1000 * size);
            let there = if topic == "load-three" { 1050 } else { 1000 };
            let consumed = broker.run(&format!("perf consume {topic} -c 2 -o json")).json();
            assert_eq!(consumed["records"], there, "{consumed}");
            assert_eq!(consumed["bytes"], there * size);
            let grouped = broker.run(&format!("perf consume {topic} -g {topic}-group -n 900")).ok();
            assert!(grouped.starts_with("          RECORDS") || grouped.contains("consumed"), "{grouped}");
        }
    });
}

#[test]
fn a_rate_is_kept_and_latencies_count_from_it() {
    each_broker(|broker| {
        let report = broker.run("perf produce paced -p 1 -n 500 --rate 1000 --linger-ms 0 -o json").json();
        let seconds = report["seconds"].as_f64().unwrap();
        assert!(seconds >= 0.499, "500 records at 1000 a second took {seconds} s");
        assert_eq!(report["generator"]["rate"], 1000.0);
    });
}

#[test]
fn every_record_is_timed_from_end_to_end() {
    each_broker(|broker| {
        // Records of others in the topic are passed over.
        broker.run("topics create ends -p 2").ok();
        broker.run_with("produce ends", b"not a stamp\n").ok();
        let report =
            broker.run("perf end-to-end ends -n 400 -r 2000 --warmup 20 --consumers 2 -o json").json();
        assert_eq!((&report["records"], &report["received"]), (&json!(400), &json!(400)), "{report}");
        assert_eq!(report["end_to_end"]["count"], 400);
        let p50 = |which: &str| report[which]["p50_ms"].as_f64().unwrap();
        assert!(p50("end_to_end") > 0.0 && p50("acknowledged") > 0.0, "{report}");
        let text = broker.run("perf e2e ends -n 100 -r 2000").ok();
        assert!(text.contains("end to end") && text.contains("acknowledged"), "{text}");
    });
}

#[test]
fn loads_that_cannot_be_are_refused() {
    each_broker(|broker| {
        let unknown = broker.run("perf produce nowhere -n 10").failed(1);
        assert!(unknown.contains("there is no topic 'nowhere'"), "{unknown}");
        let tiny = broker.run("perf e2e nowhere -s 8").failed(2);
        assert!(tiny.contains("--size is 16 at least"), "{tiny}");
        broker.run("topics create narrow -p 1").ok();
        let other = broker.run("perf produce narrow -p 3 -n 10").failed(1);
        assert!(other.contains("'narrow' has 1 partitions, not 3"), "{other}");
        broker.run("configs set topic narrow max.message.bytes=1000").ok();
        let refused = broker.run("perf produce narrow -n 3 -s 2000").failed(1);
        assert!(
            refused.contains("3 records not written") && refused.contains("MESSAGE_TOO_LARGE"),
            "{refused}"
        );
        let short = broker.run("perf consume narrow -n 5 --idle 300ms").failed(1);
        assert!(short.contains("0 of 5 records came"), "{short}");
    });
}
