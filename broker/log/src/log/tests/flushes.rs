//! Flushes: when they are owed, and what becomes of those that fail.

use crate::disk::sim::Call;
use crate::testing::*;
use crate::{AppendOptions, LogError};

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;
const TOO_MANY_FILES: i32 = 24;

#[test]
fn a_retry_waits_for_the_flush_that_its_first_append_waits_for() {
    let bench = Bench::with(|config| config.flush.messages = 2);
    let log = bench.open();
    let put = |sequence| log.append(producer_batch(1, sequence, &["x"]), &CLIENT).unwrap();
    put(0);
    assert!(put(1).flush_due, "the first append waits");
    let retry = put(1);
    assert!(retry.duplicate && retry.flush_due, "{retry:?}");
    // A flush that began before an append covers what was there, and may end before the one that is waited
    // for: the number of records that are not on the disk says nothing about a retry.
    log.flush(2).unwrap();
    assert!(!put(1).flush_due, "it is on the disk");
    assert!(!put(2).flush_due);
    assert!(put(2).flush_due, "one record, and it is not on the disk");
    log.flush(i64::MAX).unwrap();
    assert!(!put(2).flush_due);

    let log = Bench::new().open();
    log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap();
    assert!(!log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap().flush_due, "nobody asks for flushes");
}

#[test]
fn a_clock_that_was_set_back_stops_no_flush() {
    let bench = Bench::with(|config| config.flush.ms = 10_000);
    let log = bench.open();
    log.put(&["a"]);
    assert!(!log.flush_if_due(NOW_MS + 9_999).unwrap());
    let back = NOW_MS - 3_600_000;
    assert!(log.flush_if_due(back).unwrap());
    log.put(&["b"]);
    assert!(!log.flush_if_due(back + 9_999).unwrap(), "from then on as ever");
    assert!(log.flush_if_due(back + 10_000).unwrap());

    let log = Bench::new().open();
    log.put(&["a"]);
    assert!(!log.flush_if_due(back).unwrap(), "without flush.ms there is no time for it");
}

#[test]
fn a_flush_that_lost_nothing_is_tried_again() {
    let cases = [
        (Call::Open, "leader-epoch-checkpoint", NO_SPACE),
        (Call::Write, "leader-epoch-checkpoint", NO_SPACE),
        (Call::Sync, "leader-epoch-checkpoint", NO_SPACE),
        (Call::Rename, "leader-epoch-checkpoint", NO_SPACE),
        (Call::Open, "0.log", TOO_MANY_FILES),
        (Call::Open, ".index", TOO_MANY_FILES),
    ];
    for (call, path_part, errno) in cases {
        let bench = Bench::with(|config| config.segment.index_interval_bytes = 1);
        let log = bench.open();
        for leader_epoch in 0..3 {
            log.append(batch(&["x"]), &AppendOptions { leader_epoch, ..CLIENT }).unwrap();
        }
        log.roll(NOW_MS).unwrap();
        log.put(&["y"]);
        // The files are opened again.
        log.view.read().segments.iter().for_each(|segment| segment.release());
        bench.disk.fail(call, path_part, errno, 0, 1);
        let error = log.flush(i64::MAX).unwrap_err();
        assert!(matches!(error, LogError::Storage { .. }), "{call:?} {path_part}: {error}");
        assert_eq!((log.stopped().is_none(), log.recovery_point()), (true, 0), "{call:?} {path_part}");
        log.put(&["z"]);
        assert_eq!(log.flush(i64::MAX).unwrap(), 5, "{call:?} {path_part}");
        bench.disk.crash(0);
    }
}

#[test]
fn a_sync_that_failed_is_never_tried_again() {
    for path_part in ["0.log", ".index"] {
        let bench = Bench::with(|config| config.segment.index_interval_bytes = 1);
        let log = bench.open();
        (0..3).for_each(|_| {
            log.put(&["x"]);
        });
        log.roll(NOW_MS).unwrap();
        bench.disk.fail(Call::Sync, path_part, IO_ERROR, 0, 1);
        assert!(matches!(log.flush(i64::MAX), Err(LogError::Storage { .. })), "{path_part}");
        assert!(matches!(log.flush(i64::MAX), Err(LogError::Offline(_))), "{path_part}");
        assert!(matches!(log.try_put(&["y"]), Err(LogError::Offline(_))), "{path_part}");
        assert_eq!(log.recovery_point(), 0);
    }
}

#[test]
fn a_flush_brings_no_file_back() {
    let bench = Bench::with(|config| config.retention.file_delete_delay_ms = 0);
    let log = bench.open();
    log.put(&["old"]);
    log.roll(NOW_MS).unwrap();
    log.put(&["new"]);
    log.set_high_watermark(2);
    // A flush that is under way has these in hand.
    let segments = log.view.read().segments.clone();
    log.delete_records(1).unwrap();
    assert_eq!(log.apply_retention(NOW_MS).unwrap().segments, 1);
    assert_eq!(log.empty_trash(NOW_MS).unwrap(), 1);
    segments[0].release();
    let gone = segments[0].sync_log().unwrap_err();
    assert!(matches!(gone, LogError::Storage { kind: std::io::ErrorKind::NotFound, .. }), "{gone}");
    assert!(bench.files().iter().all(|name| !name.contains("deleted")), "{:?}", bench.files());
}
