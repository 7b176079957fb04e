//! Kafka's own code as the judge of the files: `DumpLogSegments` reads what Millrace wrote, Kafka's
//! `UnifiedLog` opens it and says what it holds, and Millrace opens what Kafka wrote. Kafka's jars come from
//! `tests/setup`; without them only the golden files are read, and the rest says that it was left out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod java;
mod logs;

use std::path::Path;

use millrace_log::Log;

use self::java::Java;
use self::logs::{Bench, describe};

#[test]
fn what_kafka_wrote_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/written-by-kafka-4.1.1-0");
    let expected = std::fs::read_to_string(golden.with_extension("1-0.txt")).unwrap();
    for clean in [true, false] {
        let bench = Bench::new();
        bench.copy_in(&golden);
        assert_same(&format!("clean {clean}"), &describe(&bench.open(clean)), &expected);
    }
}

#[test]
fn what_kafka_writes_now_is_read_and_gone_on_with() {
    let Some(java) = Java::find() else { return };
    let bench = Bench::new();
    let expected = java.oracle(&["write", &bench.dir_text()]);
    assert_same("written by Kafka", &describe(&bench.open(true)), &expected);
    bench.close();
    // Kafka's producer goes on here, and Kafka then finds what it wrote here.
    let log = bench.open(true);
    logs::append_idempotent(&log, 42, 3, 90);
    bench.close();
    let (ours, (theirs, _)) = (describe(&bench.open(true)), java.read(&bench));
    assert!(ours.contains("sequence 92"), "{ours}");
    assert_same("gone on with", &theirs, &ours);
}

/// Kafka's tools and Kafka's log must agree with what Millrace says of a log that `fill` wrote.
fn check(name: &str, is_compacted: bool, fill: impl Fn(&Bench)) {
    let Some(java) = Java::find() else { return };
    let bench = Bench::new();
    fill(&bench);
    let ours = describe(&bench.open(true));
    bench.close();
    let dump = java.dump(bench.dir(), &["--deep-iteration", "--print-data-log"]);
    let complaints: Vec<&str> = dump
        .complaints
        .iter()
        .filter(|line| !(is_compacted && is_about_gaps(line)))
        .map(|line| &**line)
        .collect();
    assert!(complaints.is_empty(), "{name}: DumpLogSegments complains: {complaints:#?}");
    assert!(!dump.output.contains("isvalid: false"), "{name}");
    let records = ours.lines().filter(|line| line.starts_with("record ")).count();
    assert_eq!(dump.output.lines().filter(|line| line.starts_with("| offset:")).count(), records, "{name}");
    assert!(
        dump.output.contains("position:") && dump.output.contains("timestamp:"),
        "{name}: indexes have entries"
    );
    let sanity = java.dump(bench.dir(), &["--index-sanity-check"]);
    assert_eq!(sanity.complaints, Vec::<String>::new(), "{name}");
    let (clean, unclean) = java.read(&bench);
    // Kafka takes a segment that compaction emptied for as new as its file, and finds nothing in it by time.
    let comparable = |text: &str| -> String {
        let lines = text.lines().filter(|line| !(is_compacted && line.starts_with("at ")));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let (ours, clean, unclean) = (comparable(&ours), comparable(&clean), comparable(&unclean));
    assert_same(&format!("{name}: Kafka's log after a clean stop"), &clean, &ours);
    assert_same(&format!("{name}: Kafka's log after a crash"), &unclean, &ours);
}

/// Fails with the lines in which two descriptions differ.
fn assert_same(what: &str, left: &str, right: &str) {
    let only = |of: &str, other: &str| -> Vec<String> {
        let others: std::collections::HashSet<&str> = other.lines().collect();
        of.lines().filter(|line| !others.contains(line)).take(20).map(str::to_owned).collect()
    };
    assert!(left == right, "{what}: {:#?} against {:#?}", only(left, right), only(right, left));
}

fn is_about_gaps(line: &str) -> bool {
    line.starts_with("Non-consecutive offsets in") || line.contains(" is followed by ")
}

#[test]
fn plain_batches() {
    check("plain", false, |bench| {
        let log = bench.open(false);
        logs::fill_plain(&log);
        bench.close();
    });
}

#[test]
fn compressed_batches() {
    check("compressed", false, |bench| {
        let log = bench.open(false);
        logs::fill_compressed(&log);
        bench.close();
    });
}

#[test]
fn batches_that_the_topic_recompresses_and_restamps() {
    check("rewritten", false, |bench| {
        for round in 0..logs::REWRITERS {
            let log = bench.open_with(round > 0, |config| logs::rewrite(config, round));
            logs::fill_compressed(&log);
            bench.close();
        }
    });
}

#[test]
fn idempotent_batches() {
    check("idempotent", false, |bench| {
        let log = bench.open(false);
        (0..60).for_each(|n| logs::append_idempotent(&log, 7 + n % 3, 0, n as i32 / 3 * 3));
        bench.close();
    });
}

#[test]
fn a_log_cut_by_retention() {
    check("trimmed", false, |bench| {
        let log = bench.open_with(false, |config| config.retention.bytes = 6_000);
        logs::fill_plain(&log);
        log.set_high_watermark(log.end_offset());
        assert!(log.apply_retention(logs::NOW_MS).unwrap().segments > 0);
        log.empty_trash(i64::MAX).unwrap();
        bench.close();
    });
}

#[test]
fn a_compacted_log() {
    check("compacted", true, |bench| {
        let log = bench.open_with(false, logs::compacted);
        for round in 0..3 {
            logs::fill_keyed(&log, round);
            logs::compact(&log);
        }
        logs::fill_keyed(&log, 3);
        bench.close();
    });
}

#[test]
fn a_recovered_log() {
    check("recovered", false, |bench| {
        let log = bench.open(false);
        logs::fill_plain(&log);
        let end_before = log.end_offset();
        drop(log);
        tear_tail(bench.dir());
        let log: std::sync::Arc<Log> = bench.open(false);
        assert!(log.end_offset() < end_before, "the torn batch is cut");
        logs::append_idempotent(&log, 5, 0, 0);
        bench.close();
    });
}

/// Cuts the last segment in the middle of its last batch, and takes its indexes away.
fn tear_tail(dir: &Path) {
    let mut segments: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    let last = segments.last().unwrap();
    let file = std::fs::File::options().write(true).open(last).unwrap();
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
    for index in ["index", "timeindex"] {
        let _ = std::fs::remove_file(last.with_extension(index));
    }
}
