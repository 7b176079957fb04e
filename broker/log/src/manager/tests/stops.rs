//! A stop at any moment: a script of everything that changes a directory, ended after each of its changes in
//! turn, once by a kill and several times by a power failure.

use super::*;
use crate::testing::value_of;

/// What was promised when the machine stopped.
#[derive(Default)]
struct Promises {
    /// Records written to the partition that stays.
    written: i64,
    /// Of those, on the disk for good.
    flushed: i64,
    /// Records below it may be gone.
    start: i64,
    /// The other partition was deleted, and its name belongs to a new topic.
    replaced: bool,
}

const OLD: Uuid = Uuid([1; 16]);
const NEW: Uuid = Uuid([2; 16]);

fn settings() -> Arc<LogConfig> {
    let mut config = LogConfig::default();
    config.segment.bytes = 500;
    config.segment.index_interval_bytes = 100;
    config.retention.file_delete_delay_ms = 0;
    Arc::new(config)
}

/// Runs until the end or the first failure, noting what was promised on the way.
fn script(logs: &LogManager, promises: &mut Promises) -> Result<(), LogError> {
    let stays = logs.create(&part("stays", 0), TOPIC, settings(), NOW_MS)?;
    let other = logs.create(&part("other", 0), OLD, settings(), NOW_MS)?;
    for n in 0..24 {
        let value = format!("value {n}");
        stays.append(producer_batch(1, n, &[&value]), &CLIENT)?;
        promises.written += 1;
        other.append(batch(&["old", "older"]), &CLIENT)?;
        match n {
            5 | 17 => {
                stays.flush(i64::MAX)?;
                promises.flushed = promises.written;
            }
            8 => logs.maintenance(NOW_MS + 60_000),
            10 => {
                stays.set_high_watermark(stays.end_offset());
                promises.start = stays.delete_records(4)?;
                logs.maintenance(NOW_MS + 400_000);
            }
            14 => {
                logs.delete(&part("other", 0), NOW_MS)?;
                let new = logs.create(&part("other", 0), NEW, settings(), NOW_MS)?;
                promises.replaced = true;
                new.append(batch(&["new"]), &CLIENT)?;
                logs.maintenance(NOW_MS + 500_000);
                return finish(logs, &stays, promises);
            }
            _ => {}
        }
    }
    Ok(())
}

fn finish(logs: &LogManager, stays: &Log, promises: &mut Promises) -> Result<(), LogError> {
    for n in 15..30 {
        stays.append(producer_batch(1, n, &[&format!("value {n}")]), &CLIENT)?;
        promises.written += 1;
    }
    logs.close()?;
    promises.flushed = promises.written;
    Ok(())
}

/// What is found must keep the promises; `power` says that what was not flushed may be gone.
fn check(house: &House, promises: &Promises, power: bool, what: &str) {
    let logs = house.open();
    let stays = logs.create(&part("stays", 0), TOPIC, settings(), NOW_MS).unwrap();
    let end = stays.end_offset();
    let least = if power { promises.flushed } else { promises.written };
    // The last change may have been a record whose answer never came.
    assert!((least..=promises.written + 1).contains(&end), "{what}: end {end}, promised {least}");
    assert!(stays.start_offset() <= promises.start.max(0) + 1, "{what}: start {}", stays.start_offset());
    let records = stays.records_from(stays.start_offset(), 300);
    let expected: Vec<String> = (stays.start_offset()..end).map(|n| format!("value {n}")).collect();
    assert_eq!(records.iter().map(value_of).collect::<Vec<_>>(), expected, "{what}");
    assert_eq!(
        stays.append(producer_batch(1, end as i32, &["next"]), &CLIENT).unwrap().base_offset,
        end,
        "{what}"
    );
    let id = if promises.replaced { NEW } else { OLD };
    let other = logs.create(&part("other", 0), id, settings(), NOW_MS).unwrap();
    if promises.replaced {
        let values = other.values();
        assert!(values.len() <= 1 && values.iter().all(|value| value == "new"), "{what}: {values:?}");
    }
    logs.settle();
    logs.maintenance(NOW_MS + 1_000_000);
    logs.close().unwrap();
    drop((stays, other, logs));
    let logs = house.open();
    assert_eq!(
        logs.create(&part("stays", 0), TOPIC, settings(), NOW_MS).unwrap().end_offset(),
        end + 1,
        "{what}"
    );
}

/// A machine that stops after `changes` changes; `None` when the script ends before.
fn stopped_after(changes: usize) -> Option<(House, Promises)> {
    let house = House::new(&["/a"]);
    drop(house.open());
    house.disk.halt_after(changes);
    let mut promises = Promises::default();
    if let Ok(logs) = house.try_open() {
        let _ = script(&logs, &mut promises);
    }
    house.disk.is_halted().then_some((house, promises))
}

#[test]
fn a_stop_at_any_moment_keeps_what_was_promised() {
    let mut changes = 0;
    while let Some((house, promises)) = stopped_after(changes) {
        house.disk.kill();
        check(&house, &promises, false, &format!("killed after {changes} changes"));
        for seed in 0..3 {
            let (house, promises) = stopped_after(changes).unwrap();
            house.disk.crash(seed);
            check(&house, &promises, true, &format!("power failed after {changes} changes, seed {seed}"));
        }
        changes += 1;
    }
    assert!(changes > 150, "{changes} moments");
}
