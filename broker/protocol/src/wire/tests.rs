//! Primitive values there and back, and the lengths that lie.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const CLASSIC: Version = Version { number: 0, flexible: false };
const FLEXIBLE: Version = Version { number: 0, flexible: true };

fn round_trip<T: Value + PartialEq + std::fmt::Debug>(value: &T, version: Version) {
    let mut writer = Writer::default();
    value.write(&mut writer, version).unwrap();
    let mut reader = Reader::new(writer.finish().0);
    assert_eq!(&T::read(&mut reader, version).unwrap(), value);
    assert_eq!(reader.remaining(), 0);
}

proptest! {
    #[test]
    fn values_survive(text in ".{0,40}", numbers in prop::collection::vec(any::<i32>(), 0..20), id: [u8; 16], null: bool) {
        for version in [CLASSIC, FLEXIBLE] {
            round_trip(&text, version);
            round_trip(&numbers, version);
            round_trip(&(!null).then(|| text.clone()), version);
            round_trip(&(!null).then(|| numbers.clone()), version);
            round_trip(&Uuid(id), version);
        }
        prop_assert_eq!(Uuid(id).to_string().parse(), Ok(Uuid(id)));
    }

    #[test]
    fn varints_survive(value: u32) {
        let mut writer = Writer::default();
        writer.write_uvarint(value);
        prop_assert_eq!(Reader::new(writer.finish().0).read_uvarint(), Ok(value));
    }
}

#[test]
fn a_length_beyond_the_input_is_refused_before_anything_is_reserved() {
    let mut reader = Reader::new(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1]));
    assert_eq!(
        Vec::<i32>::read(&mut reader, CLASSIC),
        Err(DecodeError::BadLength { length: 0x7fff_ffff, remaining: 1 })
    );
    let mut reader = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]));
    assert!(matches!(String::read(&mut reader, FLEXIBLE), Err(DecodeError::BadLength { .. })));
}

#[test]
fn a_varint_of_six_bytes_is_refused() {
    let mut reader = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]));
    assert_eq!(reader.read_uvarint(), Err(DecodeError::VarintTooLong));
}

#[test]
fn tagged_fields_must_ascend_and_fit() {
    let mut reader = Reader::new(Bytes::from_static(&[2, 1, 0, 1, 0]));
    assert!(matches!(
        reader.read_tagged_fields(|_, _| Ok(false)),
        Err(DecodeError::BadTaggedField { tag: 1, .. })
    ));
    let mut reader = Reader::new(Bytes::from_static(&[1, 0, 9, 0]));
    assert!(matches!(reader.read_tagged_fields(|_, _| Ok(false)), Err(DecodeError::Truncated { .. })));
}

#[test]
fn an_id_is_shown_as_kafka_shows_it() {
    // `Uuid.fromString("4L6g3nShT-eMCtK--X86sw")` in Kafka's documentation of cluster ids.
    let id: Uuid = "4L6g3nShT-eMCtK--X86sw".parse().unwrap();
    assert_eq!(id.to_string(), "4L6g3nShT-eMCtK--X86sw");
    assert!("short".parse::<Uuid>().is_err());
}

#[test]
fn a_hole_counts_but_is_not_there() {
    let mut writer = Writer::default();
    writer.write_i8(1);
    RecordSet::External(100).write(&mut writer, CLASSIC).unwrap();
    writer.write_i8(2);
    assert_eq!(writer.total_len(), 1 + 4 + 100 + 1);
    let (bytes, holes) = writer.finish();
    assert_eq!(&bytes[..], [1, 0, 0, 0, 100, 2]);
    assert_eq!(holes, [Hole { position: 5, length: 100 }]);
}
