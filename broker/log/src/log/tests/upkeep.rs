//! Retention, deletion, truncation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::testing::*;
use crate::{AppendOptions, EpochEnd, Log, LogError, Trimmed};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[test]
fn old_segments_go_by_time_and_the_last_one_is_replaced() {
    let bench = Bench::with(|config| config.retention.ms = DAY_MS);
    let log = bench.open();
    for age in [3, 2, 0] {
        log.append(batch_at(NOW_MS - age * DAY_MS, &["x"]), &CLIENT).unwrap();
        log.roll(NOW_MS).unwrap();
    }
    assert_eq!(log.apply_retention(NOW_MS).unwrap(), Trimmed::default(), "nothing is committed yet");
    log.set_high_watermark(3);
    assert_eq!(log.apply_retention(NOW_MS).unwrap().segments, 2);
    assert_eq!((log.start_offset(), log.end_offset()), (2, 3));
    let later = NOW_MS + 2 * DAY_MS;
    assert_eq!(log.apply_retention(later).unwrap().segments, 1);
    assert_eq!((log.start_offset(), log.end_offset(), log.segment_count()), (3, 3, 1));
    assert_eq!(log.put(&["goes on"]).base_offset, 3);
}

/// A log of one old record without a timestamp, so that retention asks the disk for its age: meanwhile
/// something happens. Retention has seen one segment, and that all of it may go.
fn retention_while(happens: impl FnOnce(&Log) + Send + 'static) -> Arc<Log> {
    let bench = Bench::with(|config| config.retention.ms = DAY_MS);
    let log = Arc::new(bench.open());
    log.append(batch_at(-1, &["old"]), &CLIENT).unwrap();
    log.set_high_watermark(1);
    let (happened, same) = (Arc::new(AtomicBool::new(false)), Arc::clone(&log));
    bench.disk.meanwhile(".log", {
        let happened = Arc::clone(&happened);
        move || {
            happens(&same);
            same.set_high_watermark(same.end_offset());
            happened.store(true, Ordering::Relaxed);
        }
    });
    log.apply_retention(NOW_MS + 3 * DAY_MS).unwrap();
    assert!(happened.load(Ordering::Relaxed));
    log
}

#[test]
fn what_is_appended_while_retention_decides_stays() {
    let quiet = retention_while(|_| {});
    assert_eq!((quiet.start_offset(), quiet.values()), (1, vec![]), "without it all goes");
    let log = retention_while(|log| {
        log.put(&["new"]);
    });
    assert_eq!(log.values(), ["old", "new"], "the segment is not all old any more");
    let log = retention_while(|log| {
        log.put(&["new"]);
        log.roll(NOW_MS).unwrap();
        log.put(&["newer"]);
    });
    assert_eq!(log.values(), ["old", "new", "newer"], "nor is it where it was sealed meanwhile");
    let log = retention_while(|log| log.roll(NOW_MS).unwrap());
    assert_eq!((log.start_offset(), log.segment_count()), (1, 1), "a roll alone changes nothing");
    assert_eq!(log.put(&["goes on"]).base_offset, 1);
}

#[test]
fn a_log_that_is_too_large_loses_its_oldest_segments() {
    let size = batch(&["0123456789"]).len();
    let bench = Bench::with(|config| {
        config.segment.bytes = size as u32;
        config.retention.bytes = 3 * size as i64;
        config.retention.ms = -1;
    });
    let log = bench.open();
    (0..10).for_each(|_| {
        log.put(&["0123456789"]);
    });
    log.set_high_watermark(10);
    let trimmed = log.apply_retention(NOW_MS).unwrap();
    assert_eq!((trimmed.segments, trimmed.bytes), (7, 7 * size as u64));
    assert_eq!((log.start_offset(), log.size_bytes()), (7, 3 * size as u64));
}

#[test]
fn files_are_renamed_first_and_removed_later() {
    let bench = Bench::with(|config| config.retention.file_delete_delay_ms = 1000);
    let log = bench.open();
    log.put(&["old"]);
    log.roll(NOW_MS).unwrap();
    log.put(&["new"]);
    log.set_high_watermark(2);
    log.delete_records(1).unwrap();
    let slice = log.records_from(1, 1000);
    assert_eq!(slice.len(), 1);
    assert_eq!(log.apply_retention(NOW_MS).unwrap().segments, 1);
    assert!(bench.files().contains(&"00000000000000000000.log.deleted".to_owned()), "{:?}", bench.files());
    assert_eq!(log.empty_trash(NOW_MS + 999).unwrap(), 0);
    assert_eq!(log.empty_trash(NOW_MS + 1000).unwrap(), 1);
    assert!(bench.files().iter().all(|name| !name.contains("deleted")));
}

#[test]
fn what_a_reader_holds_survives_deletion() {
    let bench = Bench::new();
    let log = bench.open();
    log.put(&["held"]);
    let request =
        crate::ReadRequest { offset: 0, max_bytes: 1000, upper_bound: i64::MAX, min_one_batch: true };
    let slice = log.read(&request).unwrap();
    log.roll(NOW_MS).unwrap();
    log.set_high_watermark(1);
    log.delete_records(1).unwrap();
    log.apply_retention(NOW_MS).unwrap();
    log.empty_trash(i64::MAX).unwrap();
    assert_eq!(slice.read_to_bytes().unwrap().len(), batch(&["held"]).len());
    assert!(matches!(log.read(&request), Err(LogError::OffsetOutOfRange { log_start: 1, .. })));
}

#[test]
fn deleted_records_stay_deleted() {
    let mut bench = Bench::new();
    let log = bench.open();
    log.put(&["a"]);
    log.put(&["b"]);
    log.set_high_watermark(1);
    assert!(matches!(log.delete_records(2), Err(LogError::OffsetOutOfRange { .. })), "not committed");
    assert_eq!(log.delete_records(1).unwrap(), 1);
    assert_eq!(log.delete_records(0).unwrap(), 1, "the start never goes back");
    assert_eq!(log.values(), ["b"]);
    log.close().unwrap();
    bench.restart();
    bench.params.log_start_offset = 1;
    assert_eq!(bench.open_clean().values(), ["b"]);
    bench.restart();
    bench.params.log_start_offset = 9;
    let log = bench.open();
    assert_eq!((log.start_offset(), log.end_offset()), (9, 9), "a log behind its start begins anew");
}

#[test]
fn truncation_gives_up_batches_epochs_and_sequences() {
    let bench = Bench::with(|config| config.segment.bytes = 400);
    let log = bench.open();
    for n in 0..20 {
        let options = AppendOptions { leader_epoch: n / 10, ..CLIENT };
        log.append(producer_batch(1, n, &[&format!("value {n}")]), &options).unwrap();
    }
    log.set_high_watermark(20);
    log.flush(i64::MAX).unwrap();
    let before = log.records_from(0, 1000);
    for end in [25, 20, 15, 9, 4, 0] {
        log.truncate_to(end, NOW_MS).unwrap();
        let end = end.min(20);
        assert_eq!((log.end_offset(), log.high_watermark()), (end, end));
        assert!(log.recovery_point() <= end);
        assert_eq!(log.records_from(0, 1000), before[..end as usize]);
    }
    assert_eq!(log.end_offset_for_epoch(1), EpochEnd { epoch: -1, end_offset: -1 });
    assert_eq!(log.producers(), []);
    assert_eq!(log.append(producer_batch(1, 0, &["again"]), &CLIENT).unwrap().base_offset, 0);
}

#[test]
fn sequences_go_back_with_the_log() {
    let bench = Bench::with(|config| config.segment.bytes = 400);
    let log = bench.open();
    for n in 0..12 {
        log.append(producer_batch(1, n, &["x"]), &CLIENT).unwrap();
    }
    log.truncate_to(7, NOW_MS).unwrap();
    assert_eq!(log.producers()[0].last_sequence, 6);
    for n in 2..7 {
        assert!(log.append(producer_batch(1, n, &["x"]), &CLIENT).unwrap().duplicate, "{n}");
    }
    assert_eq!(log.append(producer_batch(1, 7, &["y"]), &CLIENT).unwrap().base_offset, 7);
}

#[test]
fn a_follower_begins_anew_where_its_leader_begins() {
    let mut bench = Bench::new();
    let log = bench.open();
    log.put(&["a", "b"]);
    log.truncate_fully(100, NOW_MS).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.size_bytes()), (100, 100, 0));
    assert_eq!(log.put(&["c"]).base_offset, 100);
    log.close().unwrap();
    bench.restart();
    let log = bench.open_clean();
    assert_eq!((log.start_offset(), log.end_offset()), (100, 101));
}

#[test]
fn idle_producers_are_forgotten() {
    let log = Bench::new().open();
    log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap();
    log.expire_producers(NOW_MS + DAY_MS - 1);
    assert_eq!(log.producers().len(), 1);
    log.expire_producers(NOW_MS + DAY_MS);
    assert_eq!(log.producers(), []);
}
