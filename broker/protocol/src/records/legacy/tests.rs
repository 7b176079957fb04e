//! Message sets to batches and back.

use bytes::Bytes;
use proptest::prelude::*;

use super::message::{Fields, write};
use super::*;
use crate::records::{Batch, Header, compress};

type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn some_records() -> Vec<Plain> {
    vec![
        (1000, Some(b"k1".to_vec()), Some(b"v1".to_vec())),
        (1005, None, Some(vec![b'x'; 300])),
        (999, Some(b"k3".to_vec()), None),
    ]
}

fn message_set(magic: i8, records: &[Plain]) -> Vec<u8> {
    let mut out = Vec::new();
    for (offset, (timestamp_ms, key, value)) in records.iter().enumerate() {
        let (key, value) = (key.as_deref(), value.as_deref());
        write(
            &mut out,
            &Fields { offset: offset as i64, magic, attributes: 0, timestamp_ms: *timestamp_ms, key, value },
        );
    }
    out
}

fn wrapped(magic: i8, codec: Compression, attributes: u8, records: &[Plain]) -> Vec<u8> {
    let mut packed = compress(codec, &message_set(magic, records)).unwrap();
    if magic == 0 && codec == Compression::Lz4 {
        crate::records::break_header_checksum(&mut packed);
    }
    let mut out = Vec::new();
    let attributes = attributes | codec.bits();
    write(
        &mut out,
        &Fields { offset: 2, magic, attributes, timestamp_ms: 7777, key: None, value: Some(&packed) },
    );
    out
}

fn plain(batch: &Bytes) -> Vec<Plain> {
    let batch = Batch::parse(batch).unwrap();
    batch.validate().unwrap();
    let own = |bytes: Bytes| bytes.to_vec();
    batch
        .records(1 << 20)
        .unwrap()
        .map(|r| r.unwrap())
        .map(|r| (r.timestamp_ms, r.key.map(own), r.value.map(own)))
        .collect()
}

#[test]
fn plain_sets_become_one_batch() {
    assert_eq!(plain(&to_batch(&message_set(1, &some_records()), &mut { 1 << 20 }).unwrap()), some_records());
    let without_time: Vec<Plain> = some_records().into_iter().map(|(_, k, v)| (-1, k, v)).collect();
    assert_eq!(plain(&to_batch(&message_set(0, &some_records()), &mut { 1 << 20 }).unwrap()), without_time);
    assert!(to_batch(b"", &mut 0).unwrap().is_empty());
}

#[test]
fn compressed_wrappers_keep_their_codec() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        for magic in [0, 1] {
            let batch = to_batch(&wrapped(magic, codec, 0, &some_records()), &mut { 1 << 20 }).unwrap();
            assert_eq!(Batch::parse(&batch).unwrap().header.attributes.compression().unwrap(), codec);
            assert_eq!(plain(&batch).len(), 3, "{codec} v{magic}");
        }
    }
    let stamped = to_batch(&wrapped(1, Compression::Gzip, 0x08, &some_records()), &mut { 1 << 20 }).unwrap();
    assert!(plain(&stamped).iter().all(|(timestamp_ms, ..)| *timestamp_ms == 7777));
}

#[test]
fn what_is_wrong_is_named() {
    let mut corrupt = message_set(1, &some_records());
    *corrupt.last_mut().unwrap() ^= 1;
    assert!(to_batch(&corrupt, &mut { 1 << 20 }).is_err());
    let cut = message_set(1, &some_records());
    assert!(matches!(to_batch(&cut[..cut.len() - 1], &mut { 1 << 20 }), Err(RecordsError::Short { .. })));
    let bomb = wrapped(1, Compression::Gzip, 0, &[(0, None, Some(vec![0; 1 << 20]))]);
    assert_eq!(to_batch(&bomb, &mut { 1000 }), Err(RecordsError::TooLarge { limit_bytes: 1000 }));
    let zstd = wrapped(1, Compression::Zstd, 0, &some_records());
    assert_eq!(to_batch(&zstd, &mut { 1 << 20 }), Err(RecordsError::UnsupportedCodec(Compression::Zstd)));
}

/// What was read is taken from the budget, and a set that is too large takes the rest.
#[test]
fn one_budget_serves_many_sets() {
    let set = wrapped(1, Compression::Gzip, 0, &[(0, None, Some(vec![0; 6000]))]);
    let mut budget_bytes = 10_000;
    to_batch(&set, &mut budget_bytes).unwrap();
    assert!((3000..4000).contains(&budget_bytes), "{budget_bytes}");
    assert!(matches!(to_batch(&set, &mut budget_bytes), Err(RecordsError::TooLarge { .. })));
    assert_eq!(budget_bytes, 0);
}

fn room(bytes: usize) -> Room {
    Room { first_bytes: bytes, rest_bytes: bytes }
}

fn batch_at(base_offset: i64, compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { compression, base_offset, ..BatchOptions::default() });
    let headers = [Header { key: Bytes::from_static(b"h"), value: None }];
    for (timestamp_ms, key, value) in some_records() {
        builder.append(timestamp_ms, key.as_deref(), value.as_deref(), &headers);
    }
    builder.build().unwrap()
}

#[test]
fn batches_go_down_and_come_back() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let set = from_batches(batch_at(40, codec), 1, 0, &mut room(1 << 20)).unwrap();
        assert_eq!(magic(&set), Some(1));
        assert_eq!(plain(&to_batch(&set, &mut { 1 << 20 }).unwrap()), some_records(), "{codec}");
        let old = from_batches(batch_at(40, codec), 0, 0, &mut room(1 << 20)).unwrap();
        assert_eq!(plain(&to_batch(&old, &mut { 1 << 20 }).unwrap()).len(), 3, "{codec} v0");
    }
}

fn offsets(mut set: &[u8]) -> Vec<i64> {
    let mut offsets = Vec::new();
    while let Some((head, _)) = set.split_first_chunk::<12>() {
        offsets.push(i64::from_be_bytes(head[..8].try_into().unwrap()));
        set = &set[12 + u32::from_be_bytes(head[8..].try_into().unwrap()) as usize..];
    }
    offsets
}

#[test]
fn offsets_survive_on_the_way_down() {
    assert_eq!(
        offsets(&from_batches(batch_at(40, Compression::None), 1, 41, &mut room(1 << 20)).unwrap()),
        [41, 42]
    );
    let wrapper = from_batches(batch_at(40, Compression::Gzip), 1, 41, &mut room(1 << 20)).unwrap();
    assert_eq!(offsets(&wrapper), [42]);
    let inner = |set: &Bytes| {
        let message = Message::take(&mut &set[..]).unwrap();
        offsets(&open_wrapper(&message, Compression::Gzip, 1 << 20).unwrap())
    };
    assert_eq!(inner(&wrapper), [0, 1, 2]);
    assert_eq!(
        inner(&from_batches(batch_at(40, Compression::Gzip), 0, 0, &mut room(1 << 20)).unwrap()),
        [40, 41, 42]
    );
}

#[test]
fn cut_batches_are_left_out_and_zstd_is_refused() {
    let whole = batch_at(0, Compression::None);
    let cut = [&whole[..], &whole[..50]].concat();
    assert_eq!(
        from_batches(cut.into(), 1, 0, &mut room(1 << 20)).unwrap(),
        from_batches(whole, 1, 0, &mut room(1 << 20)).unwrap()
    );
    let zstd = batch_at(0, Compression::Zstd);
    assert_eq!(
        from_batches(zstd, 1, 0, &mut room(1 << 20)),
        Err(RecordsError::UnsupportedCodec(Compression::Zstd))
    );
}

fn zeros(codec: Compression, base_offset: i64, size_bytes: usize) -> Bytes {
    let options = BatchOptions { compression: codec, base_offset, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(0, None, Some(&vec![0; size_bytes]), &[]);
    builder.build().unwrap()
}

/// A first batch may be large, however well it was compressed; those behind it share what is left.
#[test]
fn a_first_batch_has_room_of_its_own() {
    let batches: Vec<_> = (0..4).map(|at| zeros(Compression::Gzip, at, 50_000)).collect();
    let batches = Bytes::from(batches.concat());
    let mut room = Room { first_bytes: 60_000, rest_bytes: 120_000 };
    let set = from_batches(batches.clone(), 1, 0, &mut room).unwrap();
    assert_eq!(offsets(&set), [0, 1], "the first, and one of 70000 bytes that are left");
    assert_eq!((room.first_bytes, room.rest_bytes), (0, 0));
    assert!(
        from_batches(batches.clone(), 1, 0, &mut room).unwrap().is_empty(),
        "nothing for other partitions"
    );
    let mut small = Room { first_bytes: 40_000, rest_bytes: 10_000 };
    assert_eq!(from_batches(batches, 1, 0, &mut small), Err(RecordsError::TooLarge { limit_bytes: 40_000 }));
}

/// What cannot be converted is told only to who has read what stands before it.
#[test]
fn good_batches_before_a_bad_one_are_converted() {
    let batches = [batch_at(0, Compression::Gzip), batch_at(3, Compression::Zstd)].concat();
    assert_eq!(offsets(&from_batches(batches.into(), 1, 0, &mut room(1 << 20)).unwrap()), [2]);
}

proptest! {
    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in -1i8..3) {
        if bytes.len() > MAGIC_AT {
            bytes[MAGIC_AT] = magic as u8;
        }
        let _ = to_batch(&bytes, &mut { 10_000 });
        let _ = from_batches(bytes.into(), 1, 0, &mut room(10_000));
    }
}
