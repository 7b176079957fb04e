//! Stops, clean and not; disks that fail.

use millrace_protocol::records::BATCH_HEADER_BYTES;
use proptest::prelude::*;

use crate::disk::sim::Call;
use crate::disk::{Disk, OpenMode, read_file};
use crate::testing::*;
use crate::{Log, LogError};

#[test]
fn a_clean_stop_needs_no_recovery() {
    let mut bench = Bench::with(|config| config.segment.bytes = 500);
    let log = bench.open();
    for n in 0..20 {
        log.append(producer_batch(1, n, &[&format!("value {n}")]), &CLIENT).unwrap();
    }
    log.close().unwrap();
    assert!(matches!(log.try_put(&["late"]), Err(LogError::Closed)));
    bench.disk.kill();
    bench.restart();
    let log = bench.open_clean();
    assert_eq!((log.end_offset(), log.recovery_point()), (20, 20));
    assert_eq!(log.records_from(0, 100).len(), 20);
    for n in 15..20 {
        let retry = log.append(producer_batch(1, n, &[&format!("value {n}")]), &CLIENT).unwrap();
        assert!(retry.duplicate, "the last five batches are known again");
        assert_eq!(retry.base_offset, i64::from(n));
    }
    assert_eq!(log.append(producer_batch(1, 20, &["next"]), &CLIENT).unwrap().base_offset, 20);
}

#[test]
fn a_killed_process_loses_nothing_it_wrote() {
    let mut bench = Bench::with(|config| config.segment.bytes = 500);
    let log = bench.open();
    for n in 0..30 {
        log.append(producer_batch(1, n, &[&format!("value {n}")]), &CLIENT).unwrap();
    }
    let files = bench.files();
    bench.disk.kill();
    bench.restart();
    let log = bench.open();
    assert_eq!(log.end_offset(), 30);
    assert_eq!(log.records_from(0, 100).len(), 30);
    assert!(log.append(producer_batch(1, 26, &["value 26"]), &CLIENT).unwrap().duplicate);
    assert!(files.iter().filter(|name| name.ends_with(".snapshot")).count() > 3);
}

/// The bytes of a log of ten batches, and where each begins.
fn ten_batches(bench: &Bench) -> (Vec<u8>, Vec<usize>) {
    let log = bench.open();
    let mut starts = Vec::new();
    for n in 0..10 {
        starts.push(log.size_bytes() as usize);
        log.append(producer_batch(5, n * 2, &[&format!("a{n}"), &format!("b{n}")]), &CLIENT).unwrap();
    }
    log.close().unwrap();
    let path = bench.params.dir.join("00000000000000000000.log");
    (read_file(&bench.disk, &path).unwrap(), starts)
}

fn open_with(bytes: &[u8]) -> Log {
    let bench = Bench::with(|config| config.segment.index_interval_bytes = 64);
    bench.disk.create_dir_all(&bench.params.dir).unwrap();
    let path = bench.params.dir.join("00000000000000000000.log");
    let file = bench.disk.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(&mut [std::io::IoSlice::new(bytes)], 0).unwrap();
    bench.open()
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_batch() {
    let bench = Bench::new();
    let (bytes, starts) = ten_batches(&bench);
    for cut in starts[7]..=bytes.len() {
        let log = open_with(&bytes[..cut]);
        let whole = starts.iter().skip(1).chain([&bytes.len()]).filter(|&&end| end <= cut).count();
        assert_eq!(log.end_offset(), whole as i64 * 2, "cut at {cut}");
        assert_eq!(log.records_from(0, 1 << 20).len(), whole * 2);
        assert_eq!(log.put(&["next"]).base_offset, whole as i64 * 2);
        assert_eq!(log.records_from(0, 1 << 20).len(), whole * 2 + 1);
    }
}

#[test]
fn a_log_damaged_at_any_byte_ends_before_the_damage() {
    let bench = Bench::new();
    let (bytes, starts) = ten_batches(&bench);
    for at in starts[7]..bytes.len() {
        let batch = starts.partition_point(|&start| start <= at) - 1;
        // Leader epochs lie outside the checksum, as does the base offset, of which only a step back shows.
        let unprotected = (at - starts[batch]) < 8 || (12..16).contains(&(at - starts[batch]));
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let log = open_with(&damaged);
            let read = log.records_from(0, 1 << 20);
            assert!(read.windows(2).all(|pair| pair[0].offset < pair[1].offset));
            if !unprotected {
                assert_eq!(log.end_offset(), batch as i64 * 2, "byte {at} of batch {batch}");
                assert_eq!(read.len(), batch * 2);
            }
        }
    }
}

#[test]
fn damage_in_an_older_segment_ends_the_log_there() {
    let mut bench = Bench::with(|config| config.segment.bytes = 300);
    let log = bench.open();
    for n in 0..20 {
        log.put(&[&format!("value {n}")]);
    }
    assert!(log.segment_count() > 4);
    bench.disk.kill();
    bench.restart();
    let mut logs: Vec<String> = bench.files().into_iter().filter(|name| name.ends_with(".log")).collect();
    logs.sort();
    let second: i64 = logs[1].trim_end_matches(".log").parse().unwrap();
    let path = bench.params.dir.join(&logs[1]);
    let file = bench.disk.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_all_at(&mut [std::io::IoSlice::new(&[0xff])], BATCH_HEADER_BYTES as u64 + 1).unwrap();
    let log = bench.open();
    assert_eq!((log.end_offset(), log.segment_count()), (second, 2));
    assert_eq!(log.records_from(0, 1000).len() as i64, second);
    log.put(&["next"]);
    assert_eq!(log.records_from(0, 1000).len() as i64, second + 1);
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let bench = Bench::new();
    let log = bench.open();
    log.put(&["first"]);
    bench.disk.set_capacity(bench.disk.used_bytes() + 20);
    let error = log.try_put(&["does not fit"]).unwrap_err();
    assert!(matches!(&error, LogError::Storage { kind: std::io::ErrorKind::StorageFull, .. }), "{error}");
    assert!(error.to_string().contains("00000000000000000000.log"), "{error}");
    assert_eq!(log.values(), ["first"]);
    bench.disk.heal();
    assert_eq!(log.put(&["second"]).base_offset, 1);
    assert_eq!(log.values(), ["first", "second"]);
}

#[test]
fn a_read_only_disk_still_serves() {
    let mut bench = Bench::new();
    let log = bench.open();
    log.put(&["first"]);
    log.close().unwrap();
    bench.disk.set_read_only();
    bench.restart();
    let log = bench.open_clean();
    assert_eq!(log.values(), ["first"]);
    let error = log.try_put(&["second"]).unwrap_err();
    assert!(
        matches!(&error, LogError::Storage { kind: std::io::ErrorKind::ReadOnlyFilesystem, .. }),
        "{error}"
    );
    bench.disk.heal();
    log.put(&["second"]);
}

#[test]
fn a_write_that_cannot_be_undone_takes_the_log_offline() {
    let bench = Bench::new();
    let log = bench.open();
    log.put(&["first"]);
    let io_error = 5;
    bench.disk.fail(Call::Write, ".log", io_error, 0, 1);
    bench.disk.fail(Call::SetLen, ".log", io_error, 0, 1);
    assert!(matches!(log.try_put(&["second"]), Err(LogError::Storage { .. })));
    bench.disk.heal();
    let error = log.try_put(&["third"]).unwrap_err();
    assert!(matches!(&error, LogError::Offline(_)) && error.is_storage(), "{error}");
    assert_eq!(log.values(), ["first"], "what was there is still served");
}

#[test]
fn a_failed_sync_takes_the_log_offline() {
    let bench = Bench::new();
    let log = bench.open();
    log.put(&["first"]);
    bench.disk.fail(Call::Sync, ".log", 5, 0, 1);
    assert!(log.flush(i64::MAX).is_err());
    assert_eq!(log.recovery_point(), 0);
    assert!(matches!(log.try_put(&["second"]), Err(LogError::Offline(_))));
    assert!(log.close().is_err());
}

#[test]
fn flush_messages_asks_for_a_flush() {
    let bench = Bench::with(|config| config.flush.messages = 3);
    let log = bench.open();
    assert!(!log.put(&["a", "b"]).flush_due);
    assert!(log.put(&["c"]).flush_due);
    assert_eq!(log.flush(3).unwrap(), 3);
    assert!(!log.put(&["d"]).flush_due);
}

#[test]
fn one_pass_serves_all_who_wait() {
    let bench = Bench::new();
    let log = bench.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let info = log.put(&["x"]);
                    assert!(log.flush(info.last_offset + 1).unwrap() > info.last_offset);
                }
            });
        }
    });
    assert_eq!(log.recovery_point(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Power fails at a random moment: what was flushed is there, what is there is a prefix of what was
    /// written, and the log goes on.
    #[test]
    fn a_power_failure_loses_nothing_that_was_flushed(seed: u64, steps in proptest::collection::vec(0u8..10, 1..60)) {
        let mut bench = Bench::with(|config| {
            config.segment.bytes = 600;
            config.segment.index_interval_bytes = 100;
        });
        let mut flushed = 0;
        let mut sequence = 0;
        {
            let log = bench.open();
            for step in steps {
                match step {
                    0 => flushed = log.flush(i64::MAX).unwrap(),
                    1 => log.flush_sealed().unwrap(),
                    2 => log.roll(NOW_MS).unwrap(),
                    _ => {
                        log.append(producer_batch(3, sequence, &[&format!("value {sequence}")]), &CLIENT).unwrap();
                        sequence += 1;
                    }
                }
            }
            bench.params.recovery_point = flushed;
        }
        bench.disk.crash(seed);
        bench.restart();
        let log = bench.open();
        prop_assert!(log.end_offset() >= flushed, "end {} flushed {flushed}", log.end_offset());
        let values = log.values();
        prop_assert_eq!(values.len() as i64, log.end_offset());
        for (n, value) in values.iter().enumerate() {
            prop_assert_eq!(value, &format!("value {n}"));
        }
        let next = log.end_offset();
        let info = log.append(producer_batch(3, next as i32, &["next"]), &CLIENT).unwrap();
        prop_assert_eq!((info.base_offset, info.duplicate), (next, false));
    }
}
