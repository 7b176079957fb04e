//! Appending, reading, finding.

use std::sync::Arc;

use millrace_protocol::records::{BatchHeader, Batches, TimestampType};

use crate::testing::*;
use crate::{AppendOptions, LogConfig, LogError, Origin, ReadRequest};

fn read(offset: i64, max_bytes: usize) -> ReadRequest {
    ReadRequest { offset, max_bytes, upper_bound: i64::MAX, min_one_batch: true }
}

#[test]
fn records_are_read_as_they_were_appended() {
    let log = Bench::new().open();
    let info = log.put(&["a", "b"]);
    assert_eq!((info.base_offset, info.last_offset, info.log_append_time_ms), (0, 1, -1));
    assert_eq!(log.put(&["c"]).base_offset, 2);
    assert_eq!((log.start_offset(), log.end_offset()), (0, 3));
    assert_eq!(log.values(), ["a", "b", "c"]);
    let records = log.records_from(1, 1 << 20);
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_fetch_inside_a_batch_returns_the_whole_batch() {
    let log = Bench::new().open();
    log.put(&["a", "b", "c"]);
    let bytes = log.read(&read(2, 1 << 20)).unwrap().read_to_bytes().unwrap();
    assert_eq!(BatchHeader::parse(&bytes).unwrap().base_offset, 0);
}

#[test]
fn only_the_first_batch_may_exceed_the_limit() {
    let log = Bench::new().open();
    for _ in 0..3 {
        log.put(&["0123456789"]);
    }
    let batch_bytes = batch(&["0123456789"]).len();
    let sizes = |max_bytes, min_one_batch| {
        let request = ReadRequest { min_one_batch, ..read(0, max_bytes) };
        log.read(&request).unwrap().len_bytes()
    };
    assert_eq!(sizes(1, true), batch_bytes);
    assert_eq!(sizes(1, false), 0);
    assert_eq!(sizes(batch_bytes, false), batch_bytes);
    assert_eq!(sizes(3 * batch_bytes, false), 3 * batch_bytes);
}

#[test]
fn slices_hold_whole_batches_only() {
    let bench = Bench::with(|config| config.segment.index_interval_bytes = 100);
    let log = bench.open();
    (0..200).for_each(|n| {
        log.put(&[&format!("value {n}")]);
    });
    for max_bytes in [1, 100, 777, 5000, 1 << 20] {
        for offset in (0..200).step_by(17) {
            let slice = log.read(&read(offset, max_bytes)).unwrap();
            let mut end = 0;
            for batch in Batches::new(slice.read_to_bytes().unwrap()) {
                end += batch.unwrap().bytes.len();
            }
            assert_eq!(end, slice.len_bytes());
            assert!(end <= max_bytes.max(batch(&["value 100"]).len()));
        }
        let offsets: Vec<i64> = log.records_from(0, max_bytes).iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..200).collect::<Vec<i64>>());
    }
}

#[test]
fn nothing_is_read_at_or_above_the_upper_bound() {
    let log = Bench::new().open();
    for n in 0..20 {
        log.put(&[&n.to_string()]);
    }
    for upper_bound in 0..=20 {
        let mut count = 0;
        let mut offset = 0;
        loop {
            let request = ReadRequest { upper_bound, ..read(offset, 200) };
            let bytes = log.read(&request).unwrap().read_to_bytes().unwrap();
            let headers: Vec<_> = Batches::new(bytes).map(|batch| batch.unwrap().header).collect();
            let Some(last) = headers.last() else { break };
            offset = last.next_offset();
            count += headers.len() as i64;
        }
        assert_eq!(count, upper_bound);
    }
}

#[test]
fn offsets_outside_the_log_are_refused() {
    let log = Bench::new().open();
    log.put(&["a"]);
    assert!(log.read(&read(1, 100)).unwrap().range.is_none());
    for requested in [-1, 2] {
        let error = log.read(&read(requested, 100)).unwrap_err();
        assert!(matches!(error, LogError::OffsetOutOfRange { log_start: 0, log_end: 1, .. }), "{error}");
    }
}

#[test]
fn segments_roll_by_size_and_reads_cross_them_without_a_gap() {
    let bench = Bench::with(|config| config.segment.bytes = 300);
    let log = bench.open();
    for n in 0..50 {
        log.put(&[&format!("value {n}")]);
    }
    assert!(log.segment_count() > 10, "{}", log.segment_count());
    assert_eq!(log.records_from(0, 1 << 20).len(), 50);
    assert_eq!(log.records_from(33, 10).len(), 17);
    let too_large = log.try_put(&[&"x".repeat(300)]).unwrap_err();
    assert!(matches!(too_large, LogError::RecordListTooLarge { segment_bytes: 300, .. }));
}

#[test]
fn segments_roll_by_time_of_the_records() {
    let log = Bench::with(|config| config.segment.ms = 1000).open();
    let at = |timestamp_ms| log.append(batch_at(timestamp_ms, &["x"]), &CLIENT).unwrap();
    at(NOW_MS - 5000);
    at(NOW_MS - 4000);
    assert_eq!(log.segment_count(), 1);
    at(NOW_MS - 3999);
    assert_eq!(log.segment_count(), 2);
    log.roll(NOW_MS).unwrap();
    log.roll(NOW_MS).unwrap();
    assert_eq!(log.segment_count(), 3, "an empty segment does not roll");
}

#[test]
fn a_full_index_rolls() {
    let bench = Bench::with(|config| {
        config.segment.index_interval_bytes = 0;
        config.segment.index_bytes = 80;
    });
    let log = bench.open();
    (0..25).for_each(|_| {
        log.put(&["x"]);
    });
    assert_eq!(log.segment_count(), 3);
    assert_eq!(log.records_from(0, 1000).len(), 25);
}

#[test]
fn log_append_time_is_stamped_on_every_record() {
    let bench = Bench::with(|config| config.message.timestamp_type = TimestampType::LogAppendTime);
    let log = bench.open();
    let info = log.append(batch_at(5, &["a", "b"]), &CLIENT).unwrap();
    assert_eq!(info.log_append_time_ms, NOW_MS);
    assert!(log.records_from(0, 1000).iter().all(|record| record.timestamp_ms == NOW_MS));
}

#[test]
fn a_retry_gets_its_first_answer_and_is_not_written_again() {
    let log = Bench::new().open();
    log.put(&["x"]);
    let first = log.append(producer_batch(7, 0, &["a", "b"]), &CLIENT).unwrap();
    let second = log.append(producer_batch(7, 2, &["c"]), &CLIENT).unwrap();
    let retry = log.append(producer_batch(7, 0, &["a", "b"]), &CLIENT).unwrap();
    assert_eq!(
        (retry.base_offset, retry.last_offset, retry.duplicate),
        (first.base_offset, first.last_offset, true)
    );
    assert!(!second.duplicate);
    assert_eq!(log.values(), ["x", "a", "b", "c"]);
    let error = log.append(producer_batch(7, 9, &["d"]), &CLIENT).unwrap_err();
    assert!(matches!(error, LogError::OutOfOrderSequence { last: 2, found: 9, .. }), "{error}");
    let summary = &log.producers()[0];
    assert_eq!((summary.producer_id, summary.epoch, summary.last_sequence), (7, 0, 2));
}

#[test]
fn a_replica_keeps_offsets_and_epochs() {
    let leader = Bench::new().open();
    for epoch in 0..3 {
        for value in ["a", "b"] {
            leader.append(batch(&[value]), &AppendOptions { leader_epoch: epoch, ..CLIENT }).unwrap();
        }
    }
    let bytes = leader.read(&read(0, 1 << 20)).unwrap().read_to_bytes().unwrap();
    let follower = Bench::new().open();
    let replica = AppendOptions { origin: Origin::Replica, leader_epoch: -1, now_ms: NOW_MS };
    follower.append(bytes.clone(), &replica).unwrap();
    assert_eq!(follower.read(&read(0, 1 << 20)).unwrap().read_to_bytes().unwrap(), bytes);
    let error = follower.append(bytes, &replica).unwrap_err();
    assert!(matches!(error, LogError::UnexpectedOffset { base_offset: 0, log_end: 6 }), "{error}");
    for epoch in 0..3 {
        assert_eq!(follower.end_offset_for_epoch(epoch), leader.end_offset_for_epoch(epoch));
        assert_eq!(follower.end_offset_for_epoch(epoch).end_offset, i64::from(epoch) * 2 + 2);
    }
    assert_eq!(leader.epoch_at(3), 1);
}

#[test]
fn several_batches_are_one_append() {
    let log = Bench::new().open();
    log.put(&["x"]);
    let both = [&batch(&["a", "b"])[..], &batch(&["c"])[..]].concat();
    let coordinator = AppendOptions { origin: Origin::Coordinator, ..CLIENT };
    let info = log.append(both.into(), &coordinator).unwrap();
    assert_eq!((info.base_offset, info.last_offset), (1, 3));
    assert_eq!(log.values(), ["x", "a", "b", "c"]);
    assert_eq!(log.append(bytes::Bytes::new(), &coordinator).unwrap().base_offset, -1);
}

#[test]
fn times_find_the_first_record_at_or_after_them() {
    let bench = Bench::with(|config| {
        config.segment.bytes = 400;
        config.segment.index_interval_bytes = 1;
    });
    let log = bench.open();
    let times = [10, 20, 15, 30, 30, 5, 40, 25, 50, 60, 55, 70];
    for pair in times.chunks(2) {
        let mut both = millrace_protocol::records::BatchBuilder::new(Default::default());
        for &timestamp_ms in pair {
            both.append(timestamp_ms, None, Some(&[b'x'; 50]), &[]);
        }
        log.append(both.build().unwrap(), &CLIENT).unwrap();
    }
    assert!(log.segment_count() > 1);
    for wanted in 0..75 {
        let expected = times.iter().position(|&time| time >= wanted).map(|at| (at as i64, times[at]));
        let found = log.offset_for_timestamp(wanted).unwrap();
        assert_eq!(found.map(|found| (found.offset, found.timestamp_ms)), expected, "{wanted}");
    }
    let latest = log.max_timestamp().unwrap().unwrap();
    assert_eq!((latest.offset, latest.timestamp_ms), (11, 70));
}

#[test]
fn a_compacted_topic_wants_keys() {
    let log = Bench::with(|config| config.retention.policy.compact = true).open();
    assert!(matches!(log.try_put(&["no key"]), Err(LogError::RefusedRecords { .. })));
    log.append(keyed_batch(NOW_MS, &[("k", Some("v")), ("k", None)]), &CLIENT).unwrap();
}

#[test]
fn settings_change_while_the_log_is_open() {
    let log = Bench::new().open();
    log.put(&["x"]);
    let mut config = LogConfig::default();
    config.message.max_bytes = 10;
    log.update_config(Arc::new(config));
    assert!(matches!(log.try_put(&["x"]), Err(LogError::RecordTooLarge { max_bytes: 10, .. })));
}
