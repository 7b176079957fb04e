//! Batches as producers write them, as logs patch them, and as attackers bend them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn header(key: &str, value: Option<&str>) -> Header {
    Header {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|v| Bytes::copy_from_slice(v.as_bytes())),
    }
}

fn small_batch(compression: Compression) -> Bytes {
    let producer = Some(ProducerStamp { id: 9, epoch: 1, base_sequence: 100 });
    let mut builder = BatchBuilder::new(BatchOptions { compression, producer, ..BatchOptions::default() });
    builder.append(1_000, Some(b"a"), Some(b"one"), &[header("h", Some("x")), header("n", None)]);
    builder.append(2_000, None, Some(b""), &[]);
    builder.append(1_500, Some(b"c"), None, &[]);
    builder.build().unwrap()
}

#[test]
fn a_batch_reads_as_it_was_built() {
    for codec in Compression::ALL {
        let batch = Batch::parse(&small_batch(codec)).unwrap();
        batch.validate().unwrap();
        assert_eq!(batch.header.attributes.compression().unwrap(), codec);
        assert_eq!((batch.header.base_timestamp, batch.header.max_timestamp), (1_000, 2_000));
        assert_eq!((batch.header.last_offset(), batch.header.last_sequence()), (2, 102));
        let records: Vec<Record> = batch.records(1 << 20).unwrap().map(|record| record.unwrap()).collect();
        assert_eq!(records.len(), 3);
        assert_eq!(records[0].headers, [header("h", Some("x")), header("n", None)]);
        assert_eq!((records[1].key.clone(), records[1].value.clone()), (None, Some(Bytes::new())));
        assert_eq!((records[2].offset, records[2].timestamp_ms, records[2].value.clone()), (2, 1_500, None));
    }
}

#[test]
fn offset_and_epoch_lie_outside_the_checksum() {
    let bytes = small_batch(Compression::None);
    let mut header = BatchHeader::parse(&bytes).unwrap();
    (header.base_offset, header.leader_epoch) = (1 << 40, 7);
    let patched = [&header.to_bytes()[..], &bytes[BATCH_HEADER_BYTES..]].concat();
    let batch = Batch::parse(&patched.into()).unwrap();
    batch.validate().unwrap();
    assert_eq!(batch.records(100).unwrap().next().unwrap().unwrap().offset, 1 << 40);
}

#[test]
fn log_append_time_needs_a_new_checksum_and_speaks_for_all_records() {
    let bytes = small_batch(Compression::Lz4);
    let mut header = BatchHeader::parse(&bytes).unwrap();
    header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
    header.max_timestamp = 5_555;
    let stamped =
        [&header.to_bytes_with_crc(&bytes[BATCH_HEADER_BYTES..])[..], &bytes[BATCH_HEADER_BYTES..]].concat();
    let batch = Batch::parse(&stamped.into()).unwrap();
    batch.validate().unwrap();
    assert!(batch.records(1000).unwrap().all(|record| record.unwrap().timestamp_ms == 5_555));
}

#[test]
fn concatenated_batches_are_walked_and_a_cut_one_is_told() {
    let one = small_batch(Compression::None);
    let bytes = Bytes::from([&one[..], &one[..], &one[..30]].concat());
    let mut batches = Batches::new(bytes.clone());
    assert!(batches.next().unwrap().is_ok());
    assert!(batches.next().unwrap().is_ok());
    assert_eq!(batches.next().unwrap().unwrap_err(), RecordsError::Short { needed: 61, available: 30 });
    assert!(batches.next().is_none());
    assert_eq!(Batches::new(bytes).whole().count(), 2);
}

#[test]
fn each_flaw_has_its_name() {
    let good = small_batch(Compression::None);
    let bend = |at: usize, with: &[u8]| {
        let mut bytes = good.to_vec();
        bytes[at..at + with.len()].copy_from_slice(with);
        let header = BatchHeader::parse(&bytes)?;
        let fixed = header.to_bytes_with_crc(&bytes[BATCH_HEADER_BYTES..]);
        bytes[..BATCH_HEADER_BYTES].copy_from_slice(&fixed);
        let batch = Batch::parse(&bytes.into())?;
        batch.validate()?;
        batch.records(1 << 20)?.collect::<Result<Vec<_>, _>>().map(|_| ())
    };
    assert_eq!(bend(0, &[0; 8]), Ok(()));
    assert_eq!(bend(8, &(-1i32).to_be_bytes()), Err(RecordsError::Length(-1)));
    assert_eq!(bend(8, &48i32.to_be_bytes()), Err(RecordsError::Length(48)));
    assert!(matches!(bend(8, &i32::MAX.to_be_bytes()), Err(RecordsError::Short { .. })));
    assert_eq!(bend(16, &[1]), Err(RecordsError::Magic(1)));
    assert_eq!(bend(22, &[7]), Err(RecordsError::UnknownCodec(7)));
    assert!(matches!(bend(23, &(-1i32).to_be_bytes()), Err(RecordsError::InvalidBatch(_))));
    assert!(matches!(bend(57, &(-1i32).to_be_bytes()), Err(RecordsError::InvalidBatch(_))));
    assert!(matches!(bend(57, &4i32.to_be_bytes()), Err(RecordsError::InvalidBatch(_))));
    assert!(matches!(bend(57, &2i32.to_be_bytes()), Err(RecordsError::InvalidBatch(_))));
    let mut corrupt = good.to_vec();
    corrupt[70] ^= 1;
    let error = Batch::parse(&corrupt.into()).unwrap().validate().unwrap_err();
    assert!(matches!(error, RecordsError::Crc { .. }));
}

#[test]
fn records_may_be_kept_at_their_offsets() {
    let batch = Batch::parse(&small_batch(Compression::None)).unwrap();
    let body = batch.body(1000).unwrap();
    let mut builder =
        BatchBuilder::new(BatchOptions { delete_horizon_ms: Some(9_000), ..BatchOptions::default() });
    for record in body.refs().map(|record| record.unwrap()).filter(|record| record.offset != 1) {
        builder.append_ref(&record).unwrap();
    }
    let kept = Batch::parse(&builder.build_spanning(batch.header.last_offset_delta).unwrap()).unwrap();
    kept.validate().unwrap();
    assert_eq!(kept.header.delete_horizon_ms(), Some(9_000));
    let records: Vec<_> =
        kept.records(1000).unwrap().map(|r| r.unwrap()).map(|r| (r.offset, r.timestamp_ms)).collect();
    assert_eq!(records, [(0, 1_000), (2, 1_500)]);
}

type Fields = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn any_fields() -> impl Strategy<Value = Vec<Fields>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    let headers = proptest::collection::vec((bytes(), proptest::option::of(bytes())), 0..3);
    let record = (0i64..1 << 45, proptest::option::of(bytes()), proptest::option::of(bytes()), headers);
    proptest::collection::vec(record, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_records_round_trip(fields in any_fields(), codec in proptest::sample::select(Compression::ALL.to_vec())) {
        let mut builder = BatchBuilder::new(BatchOptions { compression: codec, ..BatchOptions::default() });
        for (timestamp_ms, key, value, headers) in &fields {
            let headers: Vec<Header> = headers.iter().map(|(key, value)| Header {
                key: Bytes::from(key.clone()),
                value: value.clone().map(Bytes::from),
            }).collect();
            builder.append(*timestamp_ms, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = Batch::parse(&builder.build().unwrap()).unwrap();
        batch.validate().unwrap();
        let read: Vec<Fields> = batch.records(1 << 20).unwrap().map(|r| r.unwrap()).map(|r| {
            let headers = r.headers.iter().map(|h| (h.key.to_vec(), h.value.as_ref().map(|v| v.to_vec()))).collect();
            (r.timestamp_ms, r.key.map(|k| k.to_vec()), r.value.map(|v| v.to_vec()), headers)
        }).collect();
        prop_assert_eq!(read, fields);
    }

    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), length in 0i32..200) {
        if bytes.len() > 22 {
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[MAGIC_AT] = 2;
            bytes[22] &= 0xf8;
        }
        for batch in Batches::new(bytes.into()).flatten() {
            let _ = batch.validate();
            if let Ok(records) = batch.records(10_000) {
                let _ = records.count();
            }
        }
    }

    #[test]
    fn bent_batches_never_panic(at in 0usize..120, with: u8, codec in proptest::sample::select(Compression::ALL.to_vec())) {
        let mut bytes = small_batch(codec).to_vec();
        let at = at % bytes.len();
        bytes[at] = with;
        for batch in Batches::new(bytes.into()).flatten() {
            if let Ok(records) = batch.records(10_000) {
                let _ = records.count();
            }
        }
    }
}
