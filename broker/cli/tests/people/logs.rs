//! `millrace logs dump` on the files that a running broker writes.

use std::path::{Path, PathBuf};

use millrace_tests::until;
use serde_json::{Value, json};

use crate::bench::{Broker, each_broker, millrace};

/// The only segment of a partition.
fn segment(broker: &Broker, partition: &str) -> PathBuf {
    Path::new(&broker.data()).join(partition).join("00000000000000000000.log")
}

fn dump(path: &Path, options: &str) -> Vec<Value> {
    millrace(&format!("logs dump {} -o json {options}", path.display()), b"").json_lines()
}

fn records(batches: &[Value]) -> Vec<&Value> {
    batches.iter().flat_map(|batch| batch["records"].as_array().unwrap()).collect()
}

#[test]
fn batches_and_records_are_read_from_the_file() {
    each_broker(|broker| {
        broker.run("topics create dumped -p 1").ok();
        broker.run_with("produce dumped -K : -H h=1 -z zstd", b"a:1\nb:2\n").ok();
        broker
            .run_with("produce dumped --format json", br#"{"value_hex":"ff","timestamp_ms":1700000000000}"#)
            .ok();
        let path = segment(broker, "dumped-0");
        let batches = dump(&path, "--records");
        assert_eq!(batches.len(), 2, "{batches:?}");
        assert_eq!((&batches[0]["codec"], &batches[0]["record_count"]), (&json!("zstd"), &json!(2)));
        assert_eq!((&batches[1]["base_offset"], &batches[1]["intact"]), (&json!(2), &json!(true)));
        assert!(batches[0]["producer_id"].as_i64().is_some_and(|id| id >= 0), "an idempotent producer");
        let records = records(&batches);
        assert_eq!((&records[1]["key"], &records[1]["value"]), (&json!("b"), &json!("2")));
        assert_eq!(records[0]["headers"], json!([{ "key": "h", "value": "1" }]));
        assert_eq!((&records[2]["value_hex"], &records[2]["offset"]), (&json!("ff"), &json!(2)));
        assert_eq!(dump(&path, "--from 2").len(), 1);
        assert_eq!(dump(&path, "--to 2").len(), 1);
        let text = millrace(&format!("logs dump -r {}", path.display()), b"").ok();
        assert!(text.starts_with("batch 0-1  2 records  "), "{text}");
        assert!(text.contains("key \"b\"  value \"2\"  h: \"1\""), "{text}");
        let summary = millrace(&format!("logs dump -s {}", broker.data()), b"").ok();
        let line = summary.lines().find(|line| line.contains("/dumped-0/")).unwrap();
        assert!(line.ends_with(" ok"), "{line}");
    });
}

#[test]
fn the_logs_of_the_broker_itself_are_decoded() {
    each_broker(|broker| {
        broker.run("topics create decoded -p 1 -c retention.ms=1234567").ok();
        broker.run_with("produce decoded", b"x\n").ok();
        broker.run("consume decoded -g decoded-readers --from-beginning -n 1").ok();
        let data = broker.data();
        let offsets = until("the commit is on disk", || {
            let batches: Vec<Value> = std::fs::read_dir(&data)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.display().to_string().contains("/__consumer_offsets-"))
                .flat_map(|path| dump(&path, "--records"))
                .filter(|line| line["kind"] == "batch")
                .collect();
            let found = records(&batches).into_iter().find(|record| {
                record["decoded"]["key"]["group"] == "decoded-readers"
                    && record["decoded"]["type"] == "OffsetCommit"
            });
            found.map(|record| record["decoded"].clone())
        });
        assert_eq!(offsets["key"]["topic"], "decoded");
        assert_eq!(offsets["value"]["offset"], 1);
        let batches = dump(&segment(broker, "__cluster_metadata-0"), "--records");
        let records = records(&batches);
        let find = |kind: &str, name: &str| {
            let is_it = |record: &&&Value| {
                record["decoded"]["type"] == kind && record["decoded"]["data"]["name"] == name
            };
            records.iter().find(is_it).map(|record| record["decoded"]["data"].clone())
        };
        assert!(find("TopicRecord", "decoded").is_some());
        let config = find("ConfigRecord", "retention.ms").unwrap();
        assert_eq!((&config["resource_name"], &config["value"]), (&json!("decoded"), &json!("1234567")));
        let undecodable: Vec<&&Value> =
            records.iter().filter(|record| !record["decoded"]["undecodable"].is_null()).collect();
        assert!(undecodable.is_empty(), "{undecodable:?}");
    });
}

#[test]
fn damage_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    each_broker(|broker| {
        broker.run("topics create damaged -p 1").ok();
        for line in ["one\n", "two\n", "three\n"] {
            broker.run_with("produce damaged", line.as_bytes()).ok();
        }
        let good = std::fs::read(segment(broker, "damaged-0")).unwrap();
        let copy = directory.path().join("00000000000000000000.log");
        let dumped = |bytes: &[u8]| {
            std::fs::write(&copy, bytes).unwrap();
            millrace(&format!("logs dump -r {}", copy.display()), b"")
        };
        dumped(&good).ok();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let answer = dumped(&flipped);
        assert!(answer.out.contains("DAMAGED"), "{answer:?}");
        let err = answer.failed(1);
        assert!(err.contains("batch is corrupt: crc 0x") && err.contains("1 problem was found"), "{err}");
        let err = dumped(&good[..good.len() - 3]).failed(1);
        assert!(err.contains("bytes are no batch: records end early"), "{err}");
        let err = dumped(&[&good[..], &[0; 100]].concat()).failed(1);
        assert!(err.contains("the last 100 bytes are no batch"), "{err}");
        let summary = millrace(&format!("logs dump -s {} -o json", copy.display()), b"");
        assert_eq!(summary.status, 1);
        let rows: Value = serde_json::from_str(&summary.out).unwrap();
        assert_eq!((&rows[0]["batches"], &rows[0]["last_offset"]), (&json!(3), &json!(2)));
    });
}

#[test]
fn indexes_and_checkpoints_are_read() {
    each_broker(|broker| {
        broker.run("topics create indexed -p 1 -c index.interval.bytes=100").ok();
        for number in 0..5 {
            broker.run_with("produce indexed", format!("{number:0200}\n").as_bytes()).ok();
        }
        let directory = Path::new(&broker.data()).join("indexed-0");
        let lines = dump(&directory, "");
        let kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
        assert_eq!(kind("batch"), 5, "{lines:?}");
        // Millrace keeps the youngest entries of an index in memory and makes the file when there are more.
        let indexes = if broker.name == "Kafka" { 1 } else { 0 };
        assert_eq!((kind("offset index"), kind("time index")), (indexes, indexes), "{lines:?}");
        let metadata = lines
            .iter()
            .find(|line| line["file"].as_str().is_some_and(|file| file.ends_with("partition.metadata")));
        let described = broker.run("topics describe indexed -o json").json();
        let id = described[0]["id"].as_str().unwrap();
        assert_eq!(metadata.unwrap()["lines"], json!(["version: 0", format!("topic_id: {id}")]));
    });
}
