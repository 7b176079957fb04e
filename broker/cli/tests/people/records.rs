//! `millrace produce` and `millrace consume`.

use std::io::Write;
use std::process::{Command, Stdio};

use millrace_tests::{places, until};
use serde_json::json;

use crate::bench::{Broker, each_broker};

fn produce(broker: &Broker, topic: &str, lines: &str) {
    broker.run(&format!("topics create {topic} --if-not-exists")).ok();
    broker.run_with(&format!("produce {topic}"), lines.as_bytes()).ok();
}

#[test]
fn lines_come_back_as_they_were_written() {
    each_broker(|broker| {
        broker.run("topics create lines -p 1").ok();
        let written = broker.run_with("produce lines -K : -H source=test -z lz4", b"a:one\nb:two:2\nc:\n");
        assert_eq!(written.err, "3 records written to lines-0 at offsets 0 to 2\n");
        assert_eq!(broker.run("consume lines --from-beginning -e").ok(), "one\ntwo:2\n\n");
        let read = broker.run("consume lines --from earliest -e -o json").json_lines();
        assert_eq!(read.len(), 3);
        assert_eq!(
            (&read[1]["key"], &read[1]["value"], &read[1]["offset"]),
            (&json!("b"), &json!("two:2"), &json!(1))
        );
        assert_eq!(read[1]["headers"], json!([{ "key": "source", "value": "test" }]));
        assert_eq!(read[1]["timestamp_type"], "CreateTime");
        let told = broker.run(r"consume lines --from 1 -n 2 -f %t-%p@%o:%k=%v;%h\n").ok();
        assert_eq!(told, "lines-0@1:b=two:2;source=test\nlines-0@2:c=;source=test\n");
        assert_eq!(broker.run("consume lines --from -1 -e -f %o").ok(), "2");
        let verbose = broker.run("consume lines --from 0 -n 1 -v").ok();
        assert!(verbose.starts_with("lines-0@0  20"), "{verbose}");
        assert!(verbose.ends_with("key \"a\"  value \"one\"  source: \"test\"\n"), "{verbose}");
    });
}

#[test]
fn a_topic_is_copied_by_a_pipe() {
    each_broker(|broker| {
        broker.run("topics create original copy -p 3").ok();
        let lines = concat!(
            r#"{"key":"k1","value":"text","partition":0,"timestamp_ms":1700000000000,"headers":{"h":"1"}}"#,
            "\n",
            r#"{"key_hex":"ff00","value_hex":"0a0d80","partition":1,"timestamp_ms":1700000000001}"#,
            "\n",
            r#"{"key":"gone","value":null,"partition":2,"timestamp_ms":1700000000002}"#,
            "\n",
        );
        broker.run_with("produce original --format json", lines.as_bytes()).ok();
        let original = broker.run("consume original --from-beginning -e -o json");
        broker.run_with("produce copy --format json", original.out.as_bytes()).ok();
        let mut records =
            [original.json_lines(), broker.run("consume copy --from earliest -e -o json").json_lines()];
        for record in records.iter_mut().flatten() {
            record.as_object_mut().unwrap().remove("topic");
        }
        for list in &mut records {
            list.sort_by_key(|record| record["partition"].as_i64());
        }
        assert_eq!(records[0].len(), 3);
        assert_eq!(records[0], records[1]);
        assert_eq!(records[0][1]["value_hex"], "0a0d80");
        assert_eq!(records[0][2]["value"], json!(null));
        assert_eq!(records[0][0]["timestamp_ms"], 1_700_000_000_000_i64);
    });
}

#[test]
fn reading_starts_where_it_is_told() {
    each_broker(|broker| {
        broker.run("topics create places -p 1").ok();
        let lines: String = (0..10)
            .map(|n| format!("{{\"value\":\"{n}\",\"timestamp_ms\":{}}}\n", 1_700_000_000_000_i64 + n * 1000))
            .collect();
        broker.run_with("produce places --format json", lines.as_bytes()).ok();
        let from = |position: &str| {
            let read = broker.run(&format!("consume places --from {position} -e -f %v")).ok();
            read.trim_end().to_owned()
        };
        assert_eq!(from("7"), "789");
        assert_eq!(from("-2"), "89");
        assert_eq!(from("-100"), "0123456789");
        assert_eq!(from("@1700000005500"), "6789");
        assert_eq!(from("2023-11-14T22:13:28Z"), "89");
        assert_eq!(from("latest"), "");
        assert_eq!(from("1h"), "", "all records are older");
        assert_eq!(broker.run("consume places:0 --from 3 -n 2 -f %v").ok(), "34");
        let offsets = broker.run("offsets places --at @1700000005500 --newest -o json").json();
        assert_eq!((&offsets[0]["first"], &offsets[0]["end"]), (&json!(0), &json!(10)));
        assert_eq!(offsets[0]["at"], json!({ "offset": 6, "timestamp_ms": 1_700_000_006_000_i64 }));
        assert_eq!(offsets[0]["newest"]["offset"], 9);
    });
}

#[test]
fn what_is_wrong_with_the_input_is_told_with_its_line() {
    each_broker(|broker| {
        broker.run("topics create strict -p 1").ok();
        let cut = broker.run_with("produce strict -K :", b"a:1\nb\nc:3\n").failed(1);
        assert!(cut.contains("error: standard input:2: no \":\" between key and value"), "{cut}");
        assert!(cut.contains("1 record written to strict-0"), "what came before is written: {cut}");
        let json = broker.run_with("produce strict --format json", br#"{"vale":"x"}"#).failed(1);
        assert!(json.contains("did you mean 'value'?"), "{json}");
        let missing = broker.run("produce strict -f /no/such/file").failed(1);
        assert_eq!(missing, "error: /no/such/file: No such file or directory\n");
        let large = vec![b'x'; 2 << 20];
        let refused = broker.run_with("produce strict", &large).failed(1);
        assert!(refused.contains("raise max.request.size"), "{refused}");
        let refused = broker.run_with("produce strict -X max.request.size=10000000", &large).failed(1);
        assert!(
            refused.contains("1 record not written") && refused.contains("MESSAGE_TOO_LARGE"),
            "{refused}"
        );
        broker.run("topics create keyed -p 1 -c cleanup.policy=compact").ok();
        let keyless = broker.run_with("produce keyed", b"x\n").failed(1);
        assert!(keyless.contains("INVALID_RECORD") && keyless.contains("--key-separator"), "{keyless}");
        let beyond = broker.run("consume strict:4 -e").failed(1);
        assert_eq!(beyond, "error: 'strict' has no partition 4\n hint: its partitions are 0 to 0\n");
    });
}

#[test]
fn files_are_read_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["one", "two"].map(|name| directory.path().join(name));
    std::fs::write(&files[0], "a\nb\n").unwrap();
    std::fs::write(&files[1], "c").unwrap();
    each_broker(|broker| {
        broker.run("topics create files -p 1").ok();
        let line = format!("produce files -f {} -f {} -o json", files[0].display(), files[1].display());
        let written = broker.run(&line).json();
        assert_eq!((&written["records"], &written["failed"]), (&json!(3), &json!(0)));
        assert_eq!(written["partitions"][0]["last_offset"], 2);
        broker.run(&format!("produce files --format whole -f {}", files[0].display())).ok();
        assert_eq!(broker.run("consume files --from-beginning -e -f %v|").ok(), "a|b|c|a\nb\n|");
    });
}

#[test]
fn a_topic_that_is_not_there_is_told_before_it_is_made() {
    each_broker(|broker| {
        produce(broker, "wellknown", "x\n");
        let made = broker.run_with("produce welknown", b"y\n");
        assert!(
            made.err.contains("warning: there is no topic 'welknown' yet (did you mean 'wellknown'?)"),
            "{made:?}"
        );
        assert_eq!(made.status, 0, "both brokers create topics on first use: {made:?}");
        assert_eq!(broker.run("consume welknown --from-beginning -e").ok(), "y\n");
    });
}

/// The real program in a real pipe, where the binary is there.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let Some(binary) = std::env::var_os("MILLRACE_BIN").map(|_| places::millrace()) else { return };
    each_broker(|broker| {
        broker.run("topics create endless -p 1").ok();
        let lines: String =
            (0..50_000).map(|n| format!("a line that is long enough to fill pipes {n}\n")).collect();
        broker.run_with("produce endless", lines.as_bytes()).ok();
        let mut child = Command::new(&binary)
            .args(["consume", "endless", "--from-beginning", "-b", broker.address()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut status = None;
        until("the reader is missed", || {
            status = child.try_wait().unwrap();
            status.map(|_| ())
        });
        let mut err = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
        assert_eq!((status.unwrap().code(), err.as_str()), (Some(0), ""));
    });
}

/// An interrupt ends a consumer in an orderly way: what was shown is committed, the group is left.
#[test]
fn an_interrupted_consumer_leaves_its_group() {
    let Some(binary) = std::env::var_os("MILLRACE_BIN").map(|_| places::millrace()) else { return };
    each_broker(|broker| {
        produce(broker, "interrupted", "a\nb\n");
        let mut child = Command::new(&binary)
            .args([
                "consume",
                "interrupted",
                "-g",
                "interrupted-readers",
                "--from-beginning",
                "-b",
                broker.address(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut seen = [0; 4];
        std::io::Read::read_exact(&mut out, &mut seen).unwrap();
        assert_eq!(&seen, b"a\nb\n");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = until("the consumer ends", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(130));
        let group = broker.run("groups describe interrupted-readers -o json").json();
        assert_eq!((&group[0]["state"], &group[0]["lag"]), (&json!("Empty"), &json!(0)), "{group}");
    });
    let _flushed = std::io::stdout().flush();
}
