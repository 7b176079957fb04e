//! Bytes of a fetch to records and batches: where reading starts, what is hidden, what is damaged. No broker.

use super::*;
use millrace_protocol::records::{BatchBuilder, BatchOptions, Compression, ProducerStamp};

const COMMITTED: Reading = Reading { check_crcs: true, isolation: IsolationLevel::ReadCommitted };
const EVERYTHING: Reading = Reading { isolation: IsolationLevel::ReadUncommitted, ..COMMITTED };

fn batch(base_offset: i64, count: usize, change: impl FnOnce(&mut BatchOptions)) -> Vec<u8> {
    let mut options = BatchOptions { base_offset, leader_epoch: 4, ..BatchOptions::default() };
    change(&mut options);
    let mut builder = BatchBuilder::new(options);
    for number in 0..count as i64 {
        builder.append(1_000, Some(b"k"), Some(format!("{}", base_offset + number).as_bytes()), &[]);
    }
    builder.build().unwrap().to_vec()
}

fn transactional(id: i64) -> impl FnOnce(&mut BatchOptions) {
    move |options| {
        options.transactional = true;
        options.producer = Some(ProducerStamp { id, epoch: 0, base_sequence: 0 });
    }
}

fn marker(base_offset: i64, id: i64, kind: i16) -> Vec<u8> {
    let mut options = BatchOptions { base_offset, control: true, ..BatchOptions::default() };
    transactional(id)(&mut options);
    let mut builder = BatchBuilder::new(options);
    let key = [[0, 0], kind.to_be_bytes()].concat();
    builder.append(1_000, Some(&key), Some(&[0; 6]), &[]);
    builder.build().unwrap().to_vec()
}

fn fetched(parts: &[Vec<u8>], aborted: Vec<AbortedTransaction>, reading: Reading) -> Fetched {
    Fetched::new(TopicPartition::new("t", 0), 1, parts.concat().into(), aborted, reading)
}

fn at(next: i64) -> Progress {
    Progress { next, leader_epoch: None }
}

fn offsets(fetched: &mut Fetched, progress: &mut Progress, max: usize) -> Vec<i64> {
    let mut out = Vec::new();
    fetched.take_records(progress, max, &mut out).unwrap();
    out.iter().map(|record| record.offset).collect()
}

#[test]
fn records_come_a_few_at_a_time_from_where_they_were_asked() {
    let parts = [batch(0, 5, |_| {}), batch(5, 5, |options| options.compression = Compression::Zstd)];
    let mut fetched = fetched(&parts, Vec::new(), EVERYTHING);
    let mut progress = at(3);
    assert_eq!(offsets(&mut fetched, &mut progress, 3), [3, 4, 5]);
    assert_eq!(progress, Progress { next: 6, leader_epoch: Some(4) });
    assert_eq!(offsets(&mut fetched, &mut progress, 100), [6, 7, 8, 9]);
    assert_eq!(fetched.take_records(&mut progress, 1, &mut Vec::new()), Ok(false));
    assert_eq!(progress.next, 10);
}

#[test]
fn a_batch_that_is_cut_is_left_for_the_next_fetch() {
    let mut bytes = [batch(0, 3, |_| {}), batch(3, 3, |_| {})].concat();
    bytes.truncate(bytes.len() - 1);
    assert_eq!(end_of(&Bytes::from(bytes.clone())), Some(3));
    assert_eq!(end_of(&Bytes::from(bytes[..50].to_vec())), None);
    let mut fetched = fetched(&[bytes], Vec::new(), EVERYTHING);
    let mut progress = at(0);
    assert_eq!(offsets(&mut fetched, &mut progress, 100), [0, 1, 2]);
    assert_eq!(progress.next, 3);
}

#[test]
fn batches_come_whole_and_hide_what_was_read() {
    let parts = [batch(0, 3, |_| {}), batch(3, 3, |_| {})];
    let mut fetched = fetched(&parts, Vec::new(), EVERYTHING);
    let mut progress = at(1);
    assert_eq!(offsets(&mut fetched, &mut progress, 1), [1]);
    let mut seen = Vec::new();
    while let Some(batch) = fetched.take_batch(&mut progress).unwrap() {
        seen.push(batch.records().map(|record| record.unwrap().offset).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec![2], vec![3, 4, 5]]);
    assert_eq!(progress.next, 6);
}

#[test]
fn aborted_transactions_are_seen_only_by_those_who_want_everything() {
    let parts = [
        batch(0, 2, transactional(1)),
        batch(2, 1, transactional(2)),
        marker(3, 1, ABORT),
        batch(4, 1, transactional(1)),
        marker(5, 1, 1),
        marker(6, 2, 1),
        batch(7, 1, |_| {}),
        marker(8, 1, 1),
    ];
    let aborted = || vec![AbortedTransaction { producer_id: 1, first_offset: 0 }];
    for (reading, expected) in [(COMMITTED, vec![2, 4, 7]), (EVERYTHING, vec![0, 1, 2, 4, 7])] {
        let mut fetched = fetched(&parts, aborted(), reading);
        let mut progress = at(0);
        assert_eq!(offsets(&mut fetched, &mut progress, 100), expected);
        assert_eq!(progress.next, 9, "past the marker at the end");
    }
}

#[test]
fn damage_is_told_after_what_comes_before_it() {
    let mut broken = batch(3, 3, |_| {});
    // A byte of the last value.
    let last = broken.len() - 2;
    broken[last] ^= 1;
    let parts = [batch(0, 3, |_| {}), broken];
    let mut damaged = fetched(&parts, Vec::new(), EVERYTHING);
    let mut progress = at(0);
    let mut out = Vec::new();
    assert_eq!(damaged.take_records(&mut progress, 100, &mut out), Ok(true));
    assert_eq!(out.len(), 3);
    assert!(matches!(damaged.take_records(&mut progress, 100, &mut out), Err(RecordsError::Crc { .. })));
    assert_eq!(progress.next, 3, "and nothing behind it is passed over");
    let trusting = Reading { check_crcs: false, ..EVERYTHING };
    assert_eq!(offsets(&mut fetched(&parts, Vec::new(), trusting), &mut at(0), 100).len(), 6);
}
