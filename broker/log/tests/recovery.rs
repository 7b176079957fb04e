//! Recovery on the system's disk: whatever a stop at any byte leaves of a log's files, it opens, keeps every
//! batch that is whole and intact before the first that is not, and goes on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use millrace_log::disk::OsDisk;
use millrace_log::{AppendOptions, FilePool, Log, LogConfig, OpenLog, Origin, ReadRequest, TopicPartition};
use millrace_protocol::records::{BatchBuilder, BatchHeader, BatchOptions, Batches, ProducerStamp};

const NOW_MS: i64 = 1_700_000_000_000;
const BATCHES: i32 = 24;
const RECORDS: i32 = 2;
/// How many batches at the end are cut and damaged byte by byte.
const LAST: usize = 3;

fn open(dir: &Path, recovery_point: i64) -> Log {
    open_after(dir, recovery_point, false)
}

fn open_clean(dir: &Path) -> Log {
    open_after(dir, 0, true)
}

fn open_after(dir: &Path, recovery_point: i64, clean: bool) -> Log {
    let mut config = LogConfig::default();
    config.segment.bytes = 900;
    config.segment.index_interval_bytes = 100;
    let params = OpenLog {
        partition: TopicPartition::new("t", 0),
        dir: dir.to_owned(),
        config: Arc::new(config),
        recovery_point,
        log_start_offset: -1,
        high_watermark: -1,
        cleaned_to: 0,
        clean,
        now_ms: NOW_MS,
    };
    Log::open(&FilePool::new(Arc::new(OsDisk), 16), params).unwrap()
}

fn batch(number: i32) -> Bytes {
    let stamp = ProducerStamp { id: 5, epoch: 0, base_sequence: number * RECORDS };
    let mut builder = BatchBuilder::new(BatchOptions { producer: Some(stamp), ..BatchOptions::default() });
    for n in 0..RECORDS {
        let value = format!("value {number}.{n}");
        builder.append(NOW_MS + i64::from(number), Some(b"key"), Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

fn append(log: &Log, number: i32) -> i64 {
    let options = AppendOptions { origin: Origin::Client, leader_epoch: number / 10, now_ms: NOW_MS };
    let appended = log.append(batch(number), &options).unwrap();
    assert!(!appended.duplicate, "batch {number}");
    appended.base_offset
}

/// The files of a log of [`BATCHES`] batches whose process was killed, and its flushed end.
struct Killed {
    dir: tempfile::TempDir,
    flushed: i64,
}

impl Killed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = open(&dir.path().join("t-0"), 0);
        (0..BATCHES).for_each(|number| {
            append(&log, number);
        });
        log.flush_sealed().unwrap();
        let flushed = log.recovery_point();
        assert!(log.segment_count() > 2 && flushed > 0);
        Self { dir, flushed }
    }

    /// A copy of the files as the stop left them.
    fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let copy = tempfile::tempdir().unwrap();
        let dir = copy.path().join("t-0");
        fs::create_dir(&dir).unwrap();
        for entry in fs::read_dir(self.dir.path().join("t-0")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
        }
        (copy, dir)
    }
}

fn last_segment(dir: &Path) -> PathBuf {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

/// Where the batches of a segment begin, its end last, and the first one's number.
fn batches_of(segment: &Path) -> (Vec<u64>, i32) {
    let bytes = Bytes::from(fs::read(segment).unwrap());
    let first = BatchHeader::parse(&bytes).unwrap().base_offset as i32 / RECORDS;
    let mut starts = vec![0];
    for batch in Batches::new(bytes) {
        starts.push(starts[starts.len() - 1] + batch.unwrap().header.size_bytes() as u64);
    }
    (starts, first)
}

fn values(log: &Log) -> Vec<String> {
    let mut values = Vec::new();
    let mut offset = log.start_offset();
    while offset < log.end_offset() {
        let request = ReadRequest { offset, max_bytes: 300, upper_bound: i64::MAX, min_one_batch: true };
        for batch in Batches::new(log.read(&request).unwrap().read_to_bytes().unwrap()) {
            let batch = batch.unwrap();
            batch.validate().unwrap();
            offset = batch.header.next_offset();
            for record in batch.records(1 << 20).unwrap() {
                values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
    }
    values
}

/// The log holds `batches` batches and nothing else, and is a log that can be gone on with.
fn check(dir: &Path, recovery_point: i64, batches: i32, what: &str) {
    let log = open(dir, recovery_point);
    let expected: Vec<String> =
        (0..batches).flat_map(|number| (0..RECORDS).map(move |n| format!("value {number}.{n}"))).collect();
    assert_eq!(values(&log), expected, "{what}");
    assert_eq!(log.latest_epoch(), (batches - 1) / 10, "{what}");
    let producers = log.producers();
    assert_eq!(producers[0].last_sequence, batches * RECORDS - 1, "{what}");
    let by_time = log.offset_for_timestamp(NOW_MS + i64::from(batches) - 1).unwrap().unwrap();
    assert_eq!(by_time.offset, i64::from((batches - 1) * RECORDS), "{what}");
    let base_offset = append(&log, batches);
    assert_eq!(base_offset, i64::from(batches * RECORDS), "{what}");
    assert_eq!(values(&log).len(), expected.len() + RECORDS as usize, "{what}");
}

/// Epochs below the recovery point are known, which recovery does not read.
fn check_epochs(dir: &Path, what: &str) {
    for name in ["leader-epoch-checkpoint", "leader-epoch-checkpoint.tmp"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let log = open(dir, i64::MAX);
    assert_eq!(log.epoch_at(0), 0, "{what}");
    assert_eq!(log.end_offset_for_epoch(0).end_offset, i64::from(10 * RECORDS), "{what}");
    assert_eq!(log.end_offset_for_epoch(1).end_offset, i64::from(20 * RECORDS), "{what}");
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_batches() {
    let killed = Killed::new();
    let (starts, first) = batches_of(&last_segment(&killed.dir.path().join("t-0")));
    let end = starts[starts.len() - 1];
    for cut in starts[starts.len() - 1 - LAST]..=end {
        let (_copy, dir) = killed.copy();
        fs::File::options().write(true).open(last_segment(&dir)).unwrap().set_len(cut).unwrap();
        let whole = starts.iter().filter(|&&start| start > 0 && start <= cut).count() as i32;
        check(&dir, killed.flushed, first + whole, &format!("cut at {cut} of {end}"));
    }
}

#[test]
fn a_log_damaged_at_any_byte_of_its_last_batches() {
    let killed = Killed::new();
    let (starts, first) = batches_of(&last_segment(&killed.dir.path().join("t-0")));
    for at in starts[starts.len() - 1 - LAST]..starts[starts.len() - 1] {
        let batch = starts.partition_point(|&start| start <= at) - 1;
        let in_batch = at - starts[batch];
        // Base offset and leader epoch lie outside the checksum.
        if in_batch < 8 || (12..16).contains(&in_batch) {
            continue;
        }
        let (_copy, dir) = killed.copy();
        let file = fs::File::options().read(true).write(true).open(last_segment(&dir)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
        check(
            &dir,
            killed.flushed,
            first + batch as i32,
            &format!("byte {in_batch} of batch {batch} damaged"),
        );
    }
}

#[test]
fn rubbish_behind_the_last_batch_goes() {
    let killed = Killed::new();
    for rubbish in [vec![0; 1], vec![0; 5_000], vec![0xff; 100], batch(0)[..40].to_vec()] {
        let (_copy, dir) = killed.copy();
        let segment = last_segment(&dir);
        let end = fs::metadata(&segment).unwrap().len();
        fs::File::options().write(true).open(&segment).unwrap().write_all_at(&rubbish, end).unwrap();
        check(&dir, killed.flushed, BATCHES, &format!("{} bytes of rubbish", rubbish.len()));
    }
}

#[test]
fn indexes_snapshots_and_checkpoints_that_are_damaged_or_gone_are_made_again() {
    let killed = Killed::new();
    for kind in ["index", "timeindex", "snapshot", "leader-epoch-checkpoint"] {
        for damage in ["removed", "emptied", "overwritten"] {
            let (_copy, dir) = killed.copy();
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let is_kind = path.extension().is_some_and(|extension| extension == kind)
                    || path.file_name().is_some_and(|name| name == kind);
                match damage {
                    _ if !is_kind => {}
                    "removed" => fs::remove_file(&path).unwrap(),
                    "emptied" => fs::write(&path, []).unwrap(),
                    _ => fs::write(&path, [0xee; 48]).unwrap(),
                }
            }
            check(&dir, 0, BATCHES, &format!("{kind} {damage}, recovered from the start"));
            if kind == "leader-epoch-checkpoint" {
                check_epochs(&dir, &format!("{kind} {damage}"));
            }
        }
    }
}

#[test]
fn an_index_that_does_not_fit_is_not_believed_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("t-0");
    let log = open(&dir, 0);
    (0..BATCHES).for_each(|number| {
        append(&log, number);
    });
    log.close().unwrap();
    let index = last_segment(&dir).with_extension("index");
    for entry in [[0, 0, 0, 1, 0xee, 0xee, 0xee, 0xee], [0, 0, 0, 9, 0, 0, 0, 0], [0, 0, 0, 3, 0, 0, 0, 7]] {
        fs::write(&index, entry).unwrap();
        let log = open_clean(&dir);
        assert_eq!(log.end_offset(), i64::from(BATCHES * RECORDS), "{entry:?}");
        assert_eq!(values(&log).len() as i32, BATCHES * RECORDS, "{entry:?}");
    }
}
