//! Sequences as clients send them, retries included.

use std::path::Path;

use millrace_protocol::records::Attributes;
use proptest::prelude::*;

use super::*;
use crate::disk::sim::SimDisk;
use crate::disk::{Disk, OpenMode, read_file};

fn batch(producer_id: i64, epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset,
        length: 100,
        leader_epoch: 0,
        crc: 0,
        attributes: Attributes::default(),
        last_offset_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: base_offset,
        producer_id,
        producer_epoch: epoch,
        base_sequence,
        record_count: count,
    }
}

/// Checks and, when it may be appended, appends.
fn append(producers: &mut Producers, header: BatchHeader) -> Result<Option<i64>, LogError> {
    let retry = producers.check(&header, &[])?;
    if retry.is_none() {
        producers.update(&header, 100);
    }
    Ok(retry.map(|mark| mark.first_offset()))
}

#[test]
fn sequences_must_follow_one_another() {
    let mut producers = Producers::default();
    assert!(matches!(append(&mut producers, batch(1, 0, 0, 10, 0)), Ok(None)));
    assert!(matches!(append(&mut producers, batch(1, 0, 10, 1, 10)), Ok(None)));
    let error = append(&mut producers, batch(1, 0, 12, 1, 11)).unwrap_err();
    assert!(matches!(error, LogError::OutOfOrderSequence { producer_id: 1, last: 10, found: 12 }));
    let error = append(&mut producers, batch(1, 0, 9, 1, 11)).unwrap_err();
    assert!(matches!(error, LogError::OutOfOrderSequence { .. }));
}

#[test]
fn a_retry_of_one_of_the_last_five_gets_its_first_answer() {
    let mut producers = Producers::default();
    for n in 0..6 {
        append(&mut producers, batch(1, 0, n * 2, 2, i64::from(n) * 2)).unwrap();
    }
    for n in 1..6 {
        assert_eq!(append(&mut producers, batch(1, 0, n * 2, 2, 99)).unwrap(), Some(i64::from(n) * 2));
    }
    assert!(append(&mut producers, batch(1, 0, 0, 2, 99)).is_err());
    assert!(append(&mut producers, batch(1, 0, 10, 1, 99)).is_err(), "half of a batch is no retry of it");
}

#[test]
fn epochs_begin_at_zero_and_never_go_back() {
    let mut producers = Producers::default();
    append(&mut producers, batch(1, 3, 7, 1, 0)).unwrap();
    assert!(matches!(
        append(&mut producers, batch(1, 2, 8, 1, 1)).unwrap_err(),
        LogError::InvalidProducerEpoch { current: 3, found: 2, .. }
    ));
    assert!(matches!(
        append(&mut producers, batch(1, 4, 8, 1, 1)).unwrap_err(),
        LogError::OutOfOrderSequence { last: -1, found: 8, .. }
    ));
    assert_eq!(append(&mut producers, batch(1, 4, 0, 1, 1)).unwrap(), None);
    assert_eq!(append(&mut producers, batch(1, 4, 1, 1, 2)).unwrap(), None);
}

#[test]
fn sequences_wrap() {
    let mut producers = Producers::default();
    append(&mut producers, batch(1, 0, i32::MAX - 1, 4, 0)).unwrap();
    assert_eq!(append(&mut producers, batch(1, 0, 2, 1, 4)).unwrap(), None);
    assert_eq!(append(&mut producers, batch(1, 0, i32::MAX - 1, 4, 9)).unwrap(), Some(0));
}

#[test]
fn batches_of_one_append_follow_one_another_too() {
    let producers = Producers::default();
    let first = batch(1, 0, 0, 5, 0);
    assert!(producers.check(&batch(1, 0, 5, 1, 5), &[first]).is_ok());
    assert!(producers.check(&batch(1, 0, 6, 1, 5), &[first]).is_err());
}

#[test]
fn idle_producers_are_forgotten() {
    let mut producers = Producers::default();
    for id in 0..100 {
        producers.update(&batch(id, 0, 0, 1, id), 100);
    }
    producers.expire(60, 50);
    assert_eq!(producers.len(), 89);
    for id in 100..200 {
        producers.update(&batch(id, 0, 0, 1, id), 100);
    }
    assert!(producers.len() <= 100);
    let ids: Vec<i64> = producers.summaries().iter().map(|summary| summary.producer_id).collect();
    assert!(ids.contains(&199) && !ids.contains(&11), "the one idle longest goes first: {ids:?}");
}

#[test]
fn what_a_snapshot_forgets_the_log_fills_in() {
    let headers: Vec<BatchHeader> = (0..7).map(|n| batch(1, 0, n * 3, 3, i64::from(n) * 3)).collect();
    let mut live = Producers::default();
    headers.iter().for_each(|header| live.update(header, 10));
    let mut restored = Producers::decode(&live.encode()).unwrap();
    assert_ne!(restored.by_id, live.by_id);
    restored.backfill(&headers[..6]);
    assert_eq!(restored.by_id, live.by_id);
}

#[test]
fn damaged_snapshots_are_refused() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    let path = Path::new("/d/00000000000000000009.snapshot");
    let mut producers = Producers::default();
    producers.update(&batch(5, 1, 0, 9, 0), 10);
    write_snapshot(&disk, path, &producers).unwrap();
    assert_eq!(read_snapshot(&disk, path).unwrap().summaries(), producers.summaries());
    let good = read_file(&disk, path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(Producers::decode(&bad).is_err(), "byte {at}");
        assert!(Producers::decode(&good[..at]).is_err(), "cut at {at}");
    }
    disk.open(path, OpenMode::Truncate).unwrap();
    assert!(matches!(read_snapshot(&disk, path), Err(LogError::BadFile { .. })));
}

proptest! {
    #[test]
    fn garbage_is_no_snapshot(bytes: Vec<u8>) {
        let _ = Producers::decode(&bytes);
    }
}
