//! Compaction of whole logs: what stays, what goes, and what a crash in the middle of it leaves.

use std::collections::BTreeMap;

use millrace_protocol::records::{BatchBuilder, BatchOptions, Compression, ProducerStamp};
use proptest::prelude::*;

use crate::config::CleanupPolicy;
use crate::testing::*;
use crate::{Cleaned, Log, LogConfig, LogError, OffsetMap, ReadRequest};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn compacted(config: &mut LogConfig) {
    config.retention.policy = CleanupPolicy { delete: false, compact: true };
    config.segment.bytes = 400;
    config.segment.index_interval_bytes = 100;
}

/// Compacts everything that may be, at `now_ms`, as the manager does.
fn compact_at(log: &Log, now_ms: i64) -> Option<Cleaned> {
    log.set_high_watermark(log.end_offset());
    log.flush_sealed().unwrap();
    let cleanable = log.cleanable(now_ms).unwrap()?;
    Some(log.compact(&cleanable, &mut OffsetMap::new(1 << 20), now_ms).unwrap())
}

/// What a reader that replays the log ends up with: the last value of each key.
fn state(log: &Log) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for record in log.records_from(log.start_offset(), 300) {
        let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
        match record.value {
            Some(_) => state.insert(key, value_of(&record)),
            None => state.remove(&key),
        };
    }
    state
}

fn offsets(log: &Log) -> Vec<i64> {
    log.records_from(log.start_offset(), 1 << 20).iter().map(|record| record.offset).collect()
}

#[test]
fn only_the_last_record_of_each_key_stays() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    for n in 0..60 {
        let (key, value) = (format!("key {}", n % 7), format!("value {n}"));
        log.append(keyed_batch(NOW_MS, &[(&key, Some(&value))]), &CLIENT).unwrap();
    }
    let before = state(&log);
    let cleaned = compact_at(&log, NOW_MS).unwrap();
    assert!(cleaned.bytes_after < cleaned.bytes_before && !cleaned.incomplete, "{cleaned:?}");
    assert_eq!(state(&log), before);
    let compacted: Vec<i64> =
        offsets(&log).into_iter().filter(|offset| *offset < cleaned.cleaned_to).collect();
    assert_eq!(compacted.len(), 7, "{compacted:?}");
    assert_eq!(log.end_offset(), 60);
    assert_eq!(compact_at(&log, NOW_MS), None, "there is nothing dirty now");
    for offset in 0..60 {
        let found = log.records_from(offset, 200);
        assert!(
            found.iter().all(|record| record.offset >= offset) && !found.is_empty(),
            "a read in a gap goes on after it"
        );
    }
}

#[test]
fn segments_that_shrank_are_joined_the_next_time() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    let write = || {
        for n in 0..60 {
            log.append(keyed_batch(NOW_MS, &[(&format!("key {}", n % 7), Some("value"))]), &CLIENT).unwrap();
        }
        log.roll(NOW_MS).unwrap();
        compact_at(&log, NOW_MS).unwrap();
        log.segment_count()
    };
    let first = write();
    let second = write();
    assert!(second < first * 3 / 2, "{first}, then {second}: old segments do not pile up");
    assert_eq!(offsets(&log).len(), 7);
}

#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    log.append(keyed_batch(NOW_MS, &[("a", Some("1")), ("b", Some("1"))]), &CLIENT).unwrap();
    log.append(keyed_batch(NOW_MS, &[("a", None)]), &CLIENT).unwrap();
    log.roll(NOW_MS).unwrap();
    log.append(keyed_batch(NOW_MS, &[("c", Some("1"))]), &CLIENT).unwrap();
    compact_at(&log, NOW_MS).unwrap();
    assert_eq!(offsets(&log), [1, 2, 3], "the tombstone is seen by who reads slowly");
    log.roll(NOW_MS).unwrap();
    compact_at(&log, NOW_MS + DAY_MS - 1).unwrap();
    assert_eq!(offsets(&log), [1, 2, 3]);
    log.append(keyed_batch(NOW_MS, &[("d", Some("1"))]), &CLIENT).unwrap();
    log.roll(NOW_MS).unwrap();
    compact_at(&log, NOW_MS + DAY_MS).unwrap();
    assert_eq!(offsets(&log), [1, 3, 4]);
}

#[test]
fn the_active_segment_and_what_is_not_committed_stay() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    for _ in 0..3 {
        log.append(keyed_batch(NOW_MS, &[("a", Some("1"))]), &CLIENT).unwrap();
        log.roll(NOW_MS).unwrap();
    }
    log.append(keyed_batch(NOW_MS, &[("a", Some("1"))]), &CLIENT).unwrap();
    log.flush_sealed().unwrap();
    log.set_high_watermark(1);
    let cleanable = log.cleanable(NOW_MS).unwrap().unwrap();
    assert_eq!((cleanable.first_dirty, cleanable.end), (0, 1));
    log.set_high_watermark(4);
    assert_eq!(log.cleanable(NOW_MS).unwrap().unwrap().end, 3);
}

#[test]
fn lags_decide_when() {
    let bench = Bench::with(|config| {
        compacted(config);
        config.compaction.min_lag_ms = 1_000;
        config.compaction.max_lag_ms = 10_000;
    });
    let log = bench.open();
    for n in 0..3 {
        log.append(keyed_batch(NOW_MS + n * 1_000, &[("a", Some("1"))]), &CLIENT).unwrap();
        log.roll(NOW_MS).unwrap();
    }
    log.set_high_watermark(3);
    assert_eq!(log.cleanable(NOW_MS + 999).unwrap(), None, "all are too young");
    let cleanable = log.cleanable(NOW_MS + 2_000).unwrap().unwrap();
    assert_eq!((cleanable.end, cleanable.overdue), (2, false));
    assert!(log.cleanable(NOW_MS + 10_001).unwrap().unwrap().overdue);
}

#[test]
fn the_last_sequence_of_a_producer_survives_its_records() {
    let mut bench = Bench::with(compacted);
    let log = bench.open();
    let put = |log: &Log, id: i64, sequence: i32, key: &str| {
        let producer = Some(ProducerStamp { id, epoch: 2, base_sequence: sequence });
        let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
        builder.append(NOW_MS, Some(key.as_bytes()), Some(b"value"), &[]);
        log.append(builder.build().unwrap(), &CLIENT)
    };
    for sequence in 0..6 {
        put(&log, 1, sequence, "a").unwrap();
    }
    log.roll(NOW_MS).unwrap();
    for sequence in 0..6 {
        put(&log, 2, sequence, "a").unwrap();
    }
    log.roll(NOW_MS).unwrap();
    compact_at(&log, NOW_MS).unwrap();
    assert_eq!(offsets(&log), [11], "producer 1 has no record left");
    let path = bench.params.dir.join("00000000000000000012.snapshot");
    bench.disk.kill();
    crate::disk::Disk::remove_file(&bench.disk, &path).unwrap();
    bench.restart();
    bench.params.recovery_point = 12;
    let log = bench.open();
    assert!(put(&log, 1, 5, "a").unwrap().duplicate, "a retry of its last batch is still recognised");
    assert!(matches!(put(&log, 1, 9, "a"), Err(LogError::OutOfOrderSequence { last: 5, .. })));
    put(&log, 1, 6, "a").unwrap();
}

#[test]
fn compact_and_delete_work_together() {
    let bench = Bench::with(|config| {
        compacted(config);
        config.retention.policy.delete = true;
        config.retention.ms = DAY_MS;
    });
    let log = bench.open();
    for (age_days, key) in [(3, "old"), (0, "a"), (0, "a")] {
        log.append(keyed_batch(NOW_MS - age_days * DAY_MS, &[(key, Some("1"))]), &CLIENT).unwrap();
        log.roll(NOW_MS).unwrap();
    }
    log.set_high_watermark(3);
    assert_eq!(log.apply_retention(NOW_MS).unwrap().segments, 1);
    compact_at(&log, NOW_MS).unwrap();
    assert_eq!((offsets(&log), log.start_offset()), (vec![2], 1));
}

#[test]
fn a_map_that_is_too_small_compacts_a_part_at_a_time() {
    let bench = Bench::with(|config| {
        compacted(config);
        config.segment.bytes = 20_000;
    });
    let log = bench.open();
    for n in 0..4000 {
        let key = format!("key {}", n % 2000);
        log.append(keyed_batch(NOW_MS, &[(&key, Some(&n.to_string()))]), &CLIENT).unwrap();
    }
    let before = state(&log);
    log.set_high_watermark(4000);
    log.flush_sealed().unwrap();
    let mut map = OffsetMap::new(0);
    let mut passes = 0;
    while let Some(cleanable) = log.cleanable(NOW_MS).unwrap() {
        let cleaned = log.compact(&cleanable, &mut map, NOW_MS).unwrap();
        assert!(cleaned.cleaned_to > cleanable.first_dirty, "each pass gets further");
        passes += 1;
    }
    assert!(passes > 2, "{passes} passes of about a thousand keys");
    assert_eq!(state(&log), before);
}

#[test]
fn compressed_batches_are_compacted_too() {
    for compression in Compression::ALL {
        let bench = Bench::with(compacted);
        let log = bench.open();
        for n in 0..30 {
            let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
            for key in 0..5 {
                builder.append(
                    NOW_MS,
                    Some(format!("k{}", (n + key) % 6).as_bytes()),
                    Some(b"some value"),
                    &[],
                );
            }
            log.append(builder.build().unwrap(), &CLIENT).unwrap();
        }
        let before = state(&log);
        let cleaned = compact_at(&log, NOW_MS).unwrap();
        assert!(cleaned.bytes_after < cleaned.bytes_before, "{compression}");
        assert_eq!(state(&log), before, "{compression}");
    }
}

#[test]
fn readers_and_writers_go_on_meanwhile() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..500 {
                let key = format!("key {}", n % 10);
                log.append(keyed_batch(NOW_MS, &[(&key, Some(&n.to_string()))]), &CLIENT).unwrap();
            }
        });
        while !writer.is_finished() {
            compact_at(&log, NOW_MS);
            let records = log.records_from(log.start_offset(), 1 << 10);
            assert!(records.windows(2).all(|pair| pair[0].offset < pair[1].offset));
            log.empty_trash(i64::MAX).unwrap();
        }
    });
    compact_at(&log, NOW_MS);
    let expected: BTreeMap<String, String> =
        (490..500).map(|n| (format!("key {}", n % 10), n.to_string())).collect();
    assert_eq!(state(&log), expected);
}

#[test]
fn a_batch_that_cannot_be_read_stops_compaction_and_changes_nothing() {
    let bench = Bench::with(compacted);
    let log = bench.open();
    for n in 0..20 {
        log.append(keyed_batch(NOW_MS, &[("a", Some(&format!("value {n}")))]), &CLIENT).unwrap();
    }
    log.set_high_watermark(20);
    log.flush_sealed().unwrap();
    let cleanable = log.cleanable(NOW_MS).unwrap().unwrap();
    bench.disk.fail(crate::disk::sim::Call::Read, ".log", 5, 2, 1);
    let before: Vec<String> = bench.files();
    assert!(log.compact(&cleanable, &mut OffsetMap::new(1 << 20), NOW_MS).is_err());
    bench.disk.heal();
    let live = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| name.ends_with(".log")).collect()
    };
    assert_eq!(live(bench.files()), live(before));
    assert_eq!(offsets(&log).len(), 20);
    compact_at(&log, NOW_MS).unwrap();
    assert!(offsets(&log).len() < 20);
}

/// Compacts a log on a machine that stops after `changes` changes of its disk. `None` when it did not come
/// to that.
fn stop_while_compacting(changes: usize, end: impl Fn(&crate::disk::sim::SimDisk)) -> Option<(Log, Log)> {
    let mut bench = Bench::with(compacted);
    let log = bench.open();
    for n in 0..40 {
        let records = [(format!("key {}", n % 5), Some(format!("value {n}"))), ("gone".to_owned(), None)];
        let records: Vec<_> = records.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
        log.append(keyed_batch(NOW_MS, &records), &CLIENT).unwrap();
    }
    log.set_high_watermark(log.end_offset());
    log.flush(i64::MAX).unwrap();
    bench.params.recovery_point = log.recovery_point();
    let cleanable = log.cleanable(NOW_MS).unwrap().unwrap();
    bench.disk.halt_after(changes);
    let _ = log.compact(&cleanable, &mut OffsetMap::new(1 << 20), NOW_MS);
    if !bench.disk.is_halted() {
        return None;
    }
    end(&bench.disk);
    bench.restart();
    let reopened = bench.open();
    Some((log, reopened))
}

#[test]
fn a_stop_at_any_moment_of_a_compaction_loses_no_key() {
    let expected: BTreeMap<String, String> =
        (35..40).map(|n| (format!("key {}", n % 5), format!("value {n}"))).collect();
    let mut stops = 0;
    while let Some((_, log)) = stop_while_compacting(stops, |disk| disk.kill()) {
        assert_eq!(state(&log), expected, "stopped after {stops} changes");
        assert_eq!(log.end_offset(), 80, "stopped after {stops} changes");
        for seed in 0..4 {
            let (_, log) = stop_while_compacting(stops, |disk| disk.crash(seed)).unwrap();
            assert_eq!(state(&log), expected, "power failed after {stops} changes, seed {seed}");
            assert_eq!(log.end_offset(), 80, "power failed after {stops} changes, seed {seed}");
            compact_at(&log, NOW_MS).unwrap();
            assert_eq!(
                state(&log),
                expected,
                "power failed after {stops} changes, seed {seed}, compacted again"
            );
            assert!(log.max_timestamp().unwrap().is_some());
            let first = log.offset_for_timestamp(NOW_MS).unwrap().unwrap();
            assert_eq!(first.offset, offsets(&log)[0], "indexes are whole");
        }
        stops += 1;
    }
    assert!(stops > 30, "{stops} moments");
}

#[test]
fn a_renaming_that_fails_in_a_compaction_loses_no_key() {
    let mut failures = 0;
    for skip in 0.. {
        let mut bench = Bench::with(compacted);
        let log = bench.open();
        for n in 0..40 {
            let (key, value) = (format!("key {}", n % 5), format!("value {n}"));
            log.append(keyed_batch(NOW_MS, &[(&key, Some(&value))]), &CLIENT).unwrap();
        }
        let expected = state(&log);
        log.set_high_watermark(40);
        log.flush_sealed().unwrap();
        let cleanable = log.cleanable(NOW_MS).unwrap().unwrap();
        bench.disk.fail(crate::disk::sim::Call::Rename, "", 5, skip, 1);
        if log.compact(&cleanable, &mut OffsetMap::new(1 << 20), NOW_MS).is_ok() {
            break;
        }
        failures += 1;
        assert_eq!(state(&log), expected, "renaming {skip} failed");
        assert!(matches!(log.stopped(), Some(LogError::Offline(_))), "renaming {skip} failed");
        assert_eq!(log.apply_retention(i64::MAX).unwrap(), crate::Trimmed::default());
        assert_eq!(log.cleanable(NOW_MS).unwrap(), None);
        bench.disk.kill();
        bench.restart();
        bench.params.recovery_point = log.recovery_point();
        let log = bench.open();
        assert_eq!(state(&log), expected, "renaming {skip} failed, and a start");
        compact_at(&log, NOW_MS).unwrap();
        assert_eq!(state(&log), expected, "renaming {skip} failed, a start and a compaction");
    }
    assert!(failures > 5, "{failures}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is written, and however often it is compacted, restarted and compacted again: the last value
    /// of each key and the order of offsets stay.
    #[test]
    fn compaction_never_changes_what_a_replay_ends_up_with(
        steps in proptest::collection::vec((0u8..12, 0u8..6), 1..120),
        segment_bytes in 150u32..600,
    ) {
        let mut bench = Bench::with(|config| {
            compacted(config);
            config.segment.bytes = segment_bytes;
        });
        let mut log = bench.open();
        let mut expected = BTreeMap::new();
        let mut now_ms = NOW_MS;
        for (n, (step, key)) in steps.into_iter().enumerate() {
            let key = format!("key {key}");
            match step {
                0 => { compact_at(&log, now_ms); }
                1 => {
                    bench.params.recovery_point = log.recovery_point();
                    bench.params.cleaned_to = log.cleaned_to();
                    bench.disk.kill();
                    bench.restart();
                    log = bench.open();
                }
                2 => now_ms += DAY_MS,
                3 => {
                    log.append(keyed_batch(NOW_MS, &[(&key, None)]), &CLIENT).unwrap();
                    expected.remove(&key);
                }
                _ => {
                    let value = format!("value {n}");
                    log.append(keyed_batch(NOW_MS, &[(&key, Some(&value))]), &CLIENT).unwrap();
                    expected.insert(key, value);
                }
            }
            prop_assert_eq!(&state(&log), &expected);
        }
        let request = ReadRequest { offset: log.start_offset(), max_bytes: 1, upper_bound: i64::MAX, min_one_batch: true };
        prop_assert!(log.read(&request).is_ok());
    }
}
