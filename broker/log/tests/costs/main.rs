//! What appends, reads, starts and idle partitions cost: calls to the disk, allocations, memory. Counted, not
//! timed, so that the figures hold on any machine; `benches/` has the times.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocator;
mod disk;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_log::{
    AppendOptions, Intervals, Log, LogConfig, LogManager, ManagerConfig, Origin, ReadRequest, TopicPartition,
    WantedLog,
};
use millrace_protocol::Uuid;
use millrace_protocol::records::{BatchBuilder, BatchOptions, ProducerStamp};

use self::allocator::measure;
use self::disk::CountingDisk;

const NOW_MS: i64 = 1_700_000_000_000;
const CLIENT: AppendOptions = AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: NOW_MS };

fn open(disk: &CountingDisk, dir: &Path, open_files_max: usize) -> LogManager {
    let config = ManagerConfig {
        dirs: vec![dir.to_owned()],
        node_id: 1,
        cluster_id: None,
        open_files_max,
        threads_per_dir: 1,
        dedupe_bytes_max: 1 << 20,
        intervals: Intervals::default(),
    };
    LogManager::open(Arc::new(disk.clone()), config, NOW_MS).unwrap()
}

fn one_log(logs: &LogManager) -> Arc<Log> {
    logs.create(&TopicPartition::new("t", 0), Uuid([1; 16]), Arc::default(), NOW_MS).unwrap()
}

fn batch(records: usize, producer: Option<ProducerStamp>) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for n in 0..records {
        builder.append(NOW_MS, Some(format!("key {n}").as_bytes()), Some(&[b'v'; 20]), &[]);
    }
    builder.build().unwrap()
}

#[test]
fn an_append_is_one_write_and_its_allocations_do_not_grow_with_its_records() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let logs = open(&disk, dir.path(), 100);
    let log = one_log(&logs);
    // The first append opens the file and notes the leader epoch.
    log.append(batch(1, None), &CLIENT).unwrap();
    let mut sequence = 0;
    let mut cost_of = |records: usize| {
        let stamp = ProducerStamp { id: 9, epoch: 0, base_sequence: sequence };
        sequence += records as i32;
        let bytes = batch(records, Some(stamp));
        disk.take_calls();
        let cost = measure(|| log.append(bytes, &CLIENT).unwrap());
        assert_eq!(disk.take_calls(), ["write"], "an append of {records} records");
        cost.allocations
    };
    (0..3).for_each(|_| {
        cost_of(10);
    });
    let (small, large) = (cost_of(1), cost_of(5_000));
    assert!(large <= small && small <= 4, "{small} allocations for a record, {large} for five thousand");
}

#[test]
fn a_reader_at_the_end_of_the_log_costs_no_look_into_it() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let logs = open(&disk, dir.path(), 100);
    let log = one_log(&logs);
    for n in 0..20 {
        log.append(batch(10, None), &CLIENT).unwrap();
        disk.take_calls();
        let request =
            ReadRequest { offset: n * 10, max_bytes: 1 << 20, upper_bound: i64::MAX, min_one_batch: true };
        let mut found = 0;
        let cost = measure(|| found = log.read(&request).unwrap().len_bytes());
        assert!(found > 0);
        if n > 0 {
            assert_eq!(disk.take_calls(), Vec::<&str>::new(), "read {n}: the bytes leave by sendfile");
            assert!(cost.allocations <= 2, "read {n}: {} allocations", cost.allocations);
        }
    }
}

/// A thousand partitions of an idempotent producer, closed cleanly.
fn thousand(disk: &CountingDisk, dir: &Path) -> Vec<WantedLog> {
    let config = Arc::new(LogConfig::default());
    let wanted: Vec<WantedLog> = (0..1000)
        .map(|index| WantedLog {
            partition: TopicPartition::new("a-topic-with-a-name", index),
            topic_id: Uuid([1; 16]),
            config: Arc::clone(&config),
        })
        .collect();
    let logs = open(disk, dir, 100);
    for log in logs.create_all(&wanted, NOW_MS) {
        let log = log.unwrap();
        for base_sequence in 0..7 {
            let stamp = ProducerStamp { id: 1, epoch: 0, base_sequence };
            log.append(batch(1, Some(stamp)), &CLIENT).unwrap();
        }
        log.set_high_watermark(log.end_offset());
    }
    logs.close().unwrap();
    wanted
}

#[test]
fn a_thousand_idle_partitions_cost_little() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let wanted = thousand(&disk, dir.path());
    let logs = open(&disk, dir.path(), 100);
    disk.take_calls();
    let mut opened = Vec::new();
    let cost = measure(|| opened = logs.create_all(&wanted, NOW_MS));
    let calls = disk.take_calls();
    assert!(opened.iter().all(|log| log.as_ref().unwrap().end_offset() == 7));
    eprintln!("{} bytes and {} calls for each partition", cost.kept_bytes / 1000, calls.len() / 1000);
    assert!(cost.kept_bytes / 1000 < 4096, "{} bytes kept for each", cost.kept_bytes / 1000);
    assert!(
        calls.len() / 1000 <= 14,
        "{} calls for each: {:?}",
        calls.len() / 1000,
        &calls[..calls.len() / 1000]
    );
    assert!(logs.pool().open_count() <= 100);
    assert!(disk.open_files() <= 100, "{} files are open", disk.open_files());
    // What nobody uses is not touched again.
    logs.maintenance(NOW_MS + 10_000);
    disk.take_calls();
    logs.maintenance(NOW_MS + 20_000);
    assert_eq!(disk.take_calls(), Vec::<&str>::new());
    logs.close().unwrap();
    let calls = disk.take_calls();
    assert!(calls.len() < 30, "closing what was not used touches no log: {calls:?}");
}

/// After a kill: what was right on the disk is not written again, and nothing waits for it.
#[test]
fn a_recovery_writes_only_what_is_wrong() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let wanted = thousand(&disk, dir.path());
    // The stop was clean, and this start takes the marker away: the next one recovers.
    let mut calls = Vec::new();
    for _ in 0..3 {
        let logs = open(&disk, dir.path(), 100);
        disk.take_calls();
        let opened = logs.create_all(&wanted, NOW_MS);
        assert!(opened.iter().all(|log| log.as_ref().unwrap().end_offset() == 7));
        calls = disk.take_calls();
    }
    let count = |call| calls.iter().filter(|made| **made == call).count();
    eprintln!("{} calls for each partition: {:?}", calls.len() / 1000, &calls[..calls.len() / 1000]);
    assert_eq!((count("write"), count("set_len"), count("sync"), count("remove")), (0, 0, 0, 0));
    assert!(calls.len() / 1000 <= 16, "{} calls for each", calls.len() / 1000);
}

#[test]
fn a_log_that_rests_gives_memory_back() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let logs = open(&disk, dir.path(), 100);
    let log = one_log(&logs);
    let bytes = batch(100, None);
    let cost = measure(|| {
        for _ in 0..1_500 {
            log.append(bytes.clone(), &CLIENT).unwrap();
        }
        for offset in [5, 70_000] {
            let request =
                ReadRequest { offset, max_bytes: 10_000, upper_bound: i64::MAX, min_one_batch: true };
            assert!(log.read(&request).unwrap().len_bytes() > 0);
        }
        log.set_high_watermark(log.end_offset());
        for minute in 1..=3 {
            logs.maintenance(NOW_MS + minute * 60_000);
        }
        disk.take_calls();
    });
    assert!(cost.kept_bytes < 1024, "{} bytes kept", cost.kept_bytes);
    log.append(bytes, &CLIENT).unwrap();
    assert_eq!(log.offset_for_timestamp(NOW_MS).unwrap().unwrap().offset, 0);
}

#[test]
fn those_who_wait_for_the_disk_share_one_sync() {
    let (disk, dir) = (CountingDisk::default(), tempfile::tempdir().unwrap());
    let logs = open(&disk, dir.path(), 100);
    let log = one_log(&logs);
    let put = || log.append(batch(1, None), &CLIENT).unwrap().last_offset + 1;
    put();
    log.flush(i64::MAX).unwrap();
    disk.take_calls();
    std::thread::scope(|scope| {
        let held = disk.hold_syncs();
        let (log, first) = (&log, put());
        scope.spawn(move || log.flush(first).unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while disk.count_of("sync") == 0 {
            assert!(Instant::now() < deadline, "the first flush does not reach the disk");
            std::thread::yield_now();
        }
        // All of these are written while the first sync works, and need another.
        let ends: Vec<i64> = (0..20).map(|_| put()).collect();
        for end in ends {
            scope.spawn(move || assert!(log.flush(end).unwrap() >= end));
        }
        drop(held);
    });
    assert_eq!(disk.count_of("sync"), 2, "one for the first, one for all others");
    assert_eq!(log.recovery_point(), 22);
}
