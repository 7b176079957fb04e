//! The rules, one by one.

use super::*;
use crate::config::CleanupPolicy;

const NOW_MS: i64 = 1_700_000_000_000;
const CLIENT: AppendOptions = AppendOptions { origin: Origin::Client, leader_epoch: 3, now_ms: NOW_MS };

fn planned(bytes: Bytes, options: &AppendOptions, config: &LogConfig) -> Result<Plan, LogError> {
    plan(bytes, options, config, &mut { usize::MAX })
}

fn batch_of(options: BatchOptions, records: &[(i64, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (timestamp_ms, key) in records {
        builder.append(*timestamp_ms, key.map(str::as_bytes), Some(b"some value"), &[]);
    }
    builder.build().unwrap()
}

fn good() -> Bytes {
    batch_of(BatchOptions::default(), &[(NOW_MS - 5, Some("a")), (NOW_MS, Some("b"))])
}

fn bent(bend: impl Fn(&mut BatchHeader)) -> Bytes {
    let bytes = good();
    let mut header = BatchHeader::parse(&bytes).unwrap();
    bend(&mut header);
    Bytes::from([&header.to_bytes_with_crc(&bytes[61..])[..], &bytes[61..]].concat())
}

#[test]
fn a_good_batch_passes_untouched() {
    let bytes = good();
    let plan = planned(bytes.clone(), &CLIENT, &LogConfig::default()).unwrap();
    assert_eq!(plan.bytes.as_ptr(), bytes.as_ptr(), "the payload is not copied");
    assert_eq!((plan.batches.len(), plan.record_count, plan.max_timestamp_ms), (1, 2, NOW_MS));
    assert_eq!((plan.append_time_ms, plan.batches[0].restamped), (-1, false));
}

#[test]
fn clients_are_held_to_every_rule_and_leaders_are_trusted() {
    let config = LogConfig::default();
    let refused = [
        bent(|header| header.attributes = header.attributes.with_control(true)),
        bent(|header| header.record_count = 1),
        bent(|header| (header.record_count, header.last_offset_delta) = (0, 0)),
        bent(|header| (header.producer_id, header.producer_epoch) = (1, 0)),
    ];
    for bytes in refused {
        let error = planned(bytes.clone(), &CLIENT, &config).unwrap_err();
        assert!(matches!(error, LogError::InvalidRecord(_)), "{error}");
        planned(bytes, &AppendOptions { origin: Origin::Replica, ..CLIENT }, &config).unwrap();
    }
    let mut corrupt = good().to_vec();
    corrupt[80] ^= 1;
    let replica = AppendOptions { origin: Origin::Replica, ..CLIENT };
    assert!(matches!(planned(corrupt.into(), &replica, &config), Err(LogError::CorruptMessage(_))));
    assert!(matches!(planned(good().slice(..40), &CLIENT, &config), Err(LogError::CorruptMessage(_))));
}

#[test]
fn size_is_bounded() {
    let mut config = LogConfig::default();
    config.message.max_bytes = 50;
    let error = planned(good(), &CLIENT, &config).unwrap_err();
    assert!(matches!(error, LogError::RecordTooLarge { max_bytes: 50, .. }));
}

#[test]
fn timestamps_are_bounded_where_the_producer_sets_them() {
    let mut config = LogConfig::default();
    config.message.timestamp_before_max_ms = 1_000;
    config.message.timestamp_after_max_ms = 10;
    let at = |timestamp_ms| batch_of(BatchOptions::default(), &[(timestamp_ms, None), (NOW_MS, None)]);
    for (timestamp_ms, accepted) in [
        (NOW_MS - 1_000, true),
        (NOW_MS - 1_001, false),
        (NOW_MS + 10, true),
        (NOW_MS + 11, false),
        (-1, true),
    ] {
        assert_eq!(
            planned(at(timestamp_ms), &CLIENT, &config).is_ok(),
            accepted,
            "{}",
            timestamp_ms - NOW_MS
        );
    }
    let stamped_by_the_client =
        batch_of(BatchOptions { log_append_time_ms: Some(NOW_MS), ..BatchOptions::default() }, &[(0, None)]);
    assert!(matches!(
        planned(stamped_by_the_client, &CLIENT, &config),
        Err(LogError::RefusedRecords { timestamps: true, .. })
    ));
    config.message.timestamp_type = TimestampType::LogAppendTime;
    planned(at(5), &CLIENT, &config).unwrap();
}

#[test]
fn log_append_time_restamps_the_header() {
    let mut config = LogConfig::default();
    config.message.timestamp_type = TimestampType::LogAppendTime;
    let plan = planned(batch_of(BatchOptions::default(), &[(5, None)]), &CLIENT, &config).unwrap();
    assert_eq!((plan.append_time_ms, plan.max_timestamp_ms), (NOW_MS, NOW_MS));
    assert!(plan.batches[0].restamped);
    assert_eq!(plan.batches[0].header.attributes.timestamp_type(), TimestampType::LogAppendTime);
}

#[test]
fn compacted_topics_want_keys() {
    let mut config = LogConfig::default();
    config.retention.policy = CleanupPolicy { delete: false, compact: true };
    for codec in Compression::ALL {
        let options = || BatchOptions { compression: codec, ..BatchOptions::default() };
        planned(batch_of(options(), &[(NOW_MS, Some("k"))]), &CLIENT, &config).unwrap();
        let error = planned(batch_of(options(), &[(NOW_MS, Some("k")), (NOW_MS, None)]), &CLIENT, &config)
            .unwrap_err();
        assert!(matches!(&error, LogError::RefusedRecords { records, .. } if records[0].0 == 1), "{error}");
    }
}

#[test]
fn compression_type_is_applied_and_records_survive() {
    for from in Compression::ALL {
        for to in Compression::ALL {
            let mut config = LogConfig::default();
            config.message.compression = CompressionPolicy::Codec(to);
            let producer = Some(ProducerStamp { id: 4, epoch: 1, base_sequence: 7 });
            let options = BatchOptions { compression: from, producer, ..BatchOptions::default() };
            let bytes = batch_of(options, &[(NOW_MS, Some("a")), (NOW_MS - 3, None)]);
            let plan = planned(bytes.clone(), &CLIENT, &config).unwrap();
            let batch = Batch::parse(&plan.bytes).unwrap();
            batch.validate().unwrap();
            assert_eq!(batch.header.attributes.compression().unwrap(), to);
            assert_eq!((batch.header.producer_id, batch.header.base_sequence), (4, 7));
            let before: Vec<_> = Batch::parse(&bytes).unwrap().records(1000).unwrap().collect();
            assert_eq!(batch.records(1000).unwrap().collect::<Vec<_>>(), before, "{from} to {to}");
        }
    }
}

fn zeros(timestamp_ms: i64, size_bytes: usize) -> Bytes {
    let options = BatchOptions { compression: Compression::Gzip, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(timestamp_ms, Some(b"k"), Some(&vec![0; size_bytes]), &[]);
    builder.build().unwrap()
}

/// One budget serves several appends, for keys as for codecs.
#[test]
fn a_budget_is_used_up() {
    let mut compacted = LogConfig::default();
    compacted.retention.policy = CleanupPolicy { delete: false, compact: true };
    let mut recompressed = LogConfig::default();
    recompressed.message.compression = CompressionPolicy::Codec(Compression::Lz4);
    for config in [compacted, recompressed] {
        let mut budget_bytes = 100_000;
        plan(zeros(NOW_MS, 60_000), &CLIENT, &config, &mut budget_bytes).unwrap();
        assert!((39_000..40_000).contains(&budget_bytes), "{budget_bytes}");
        let error = plan(zeros(NOW_MS, 60_000), &CLIENT, &config, &mut budget_bytes).unwrap_err();
        assert!(matches!(error, LogError::DecompressedTooLarge { .. }), "{error}");
        assert_eq!(budget_bytes, 0);
    }
    let mut budget_bytes = 0;
    plan(zeros(NOW_MS, 60_000), &CLIENT, &LogConfig::default(), &mut budget_bytes).unwrap();
}

/// A batch that its header refuses is not decompressed in full just to say which record is at fault.
#[test]
fn naming_late_records_has_a_limit() {
    let config = LogConfig::default();
    let late_ms = NOW_MS + 2 * config.message.timestamp_after_max_ms;
    let mut budget_bytes = 100 << 20;
    let error = plan(zeros(late_ms, 1000), &CLIENT, &config, &mut budget_bytes).unwrap_err();
    assert!(matches!(error, LogError::RefusedRecords { timestamps: true, count: 1, .. }), "{error}");
    let error = plan(zeros(late_ms, 64 << 20), &CLIENT, &config, &mut budget_bytes).unwrap_err();
    assert!(matches!(error, LogError::InvalidTimestamp { .. }), "{error}");
    assert!(budget_bytes > 90 << 20, "{budget_bytes}");
}

#[test]
fn plain_batches_are_not_looked_into() {
    let (plain, packed) = (good(), zeros(NOW_MS, 1000));
    let mut config = LogConfig::default();
    assert!(!looks_into(&plain, NOW_MS, &config) && !looks_into(&packed, NOW_MS, &config));
    let late_ms = NOW_MS + 2 * config.message.timestamp_after_max_ms;
    assert!(looks_into(&zeros(late_ms, 1000), NOW_MS, &config));
    config.message.compression = CompressionPolicy::Codec(Compression::Gzip);
    assert!(looks_into(&plain, NOW_MS, &config) && !looks_into(&packed, NOW_MS, &config));
    let mut config = LogConfig::default();
    config.retention.policy.compact = true;
    assert!(!looks_into(&plain, NOW_MS, &config) && looks_into(&packed, NOW_MS, &config));
    let mut config = LogConfig::default();
    config.message.timestamp_before_max_ms = 1000;
    assert!(!looks_into(&plain, NOW_MS, &config) && looks_into(&packed, NOW_MS, &config));
}
