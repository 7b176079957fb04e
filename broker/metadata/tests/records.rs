//! Record values byte for byte as Kafka 4.1's `MetadataRecordSerde` writes them.
#![allow(clippy::panic, reason = "a test says what is wrong and stops")]

use bytes::Bytes;
use millrace_metadata::{MetadataRecord, RecordDecodeError};
use millrace_protocol::Uuid;
use millrace_protocol::messages::metadata_records as r;
use proptest::prelude::*;

fn ids() -> (Uuid, Uuid) {
    let counting = |first: u8| Uuid(std::array::from_fn(|at| first + u8::try_from(at).expect("16 bytes")));
    (counting(0), counting(16))
}

/// Records with the bytes that Kafka gave for them.
fn oracle() -> Vec<(MetadataRecord, &'static str)> {
    let (topic_id, directory) = ids();
    let config = |value: Option<&str>| r::ConfigRecord {
        resource_type: 2,
        resource_name: "logss".to_owned(),
        name: "retention.ms".to_owned(),
        value: value.map(str::to_owned),
    };
    vec![
        (
            r::TopicRecord { name: "logss".to_owned(), topic_id }.into(),
            "010200066c6f677373000102030405060708090a0b0c0d0e0f00",
        ),
        (
            r::PartitionRecord {
                partition_id: 3,
                topic_id,
                replicas: vec![1, 2],
                isr: vec![1],
                leader: 1,
                leader_epoch: 4,
                partition_epoch: 5,
                directories: vec![directory, directory],
                ..Default::default()
            }
            .into(),
            "01030100000003000102030405060708090a0b0c0d0e0f0300000001000000020200000001010100000001000000040000000503101112131415161718191a1b1c1d1e1f101112131415161718191a1b1c1d1e1f00",
        ),
        (
            r::PartitionChangeRecord {
                partition_id: 3,
                topic_id,
                isr: Some(vec![1, 2]),
                leader: 2,
                ..Default::default()
            }
            .into(),
            "01050100000003000102030405060708090a0b0c0d0e0f020009030000000100000002010400000002",
        ),
        (config(Some("1000")).into(), "01040002066c6f6773730d726574656e74696f6e2e6d73053130303000"),
        (config(None).into(), "01040002066c6f6773730d726574656e74696f6e2e6d730000"),
        (r::RemoveTopicRecord { topic_id }.into(), "010900000102030405060708090a0b0c0d0e0f00"),
        (
            r::RegisterBrokerRecord {
                broker_id: 1,
                incarnation_id: directory,
                broker_epoch: 7,
                end_points: vec![r::BrokerEndpoint {
                    name: "PLAINTEXT".to_owned(),
                    host: "127.0.0.1".to_owned(),
                    port: 9092,
                    security_protocol: 0,
                }],
                features: vec![r::BrokerFeature {
                    name: "metadata.version".to_owned(),
                    min_supported_version: 27,
                    max_supported_version: 27,
                }],
                rack: Some("r1".to_owned()),
                fenced: false,
                log_dirs: vec![directory],
                ..Default::default()
            }
            .into(),
            "0100030000000100101112131415161718191a1b1c1d1e1f0000000000000007020a504c41494e544558540a3132372e302e302e31238400000002116d657461646174612e76657273696f6e001b001b00037231000001001102101112131415161718191a1b1c1d1e1f",
        ),
        (
            r::UnregisterBrokerRecord { broker_id: 1, broker_epoch: 7 }.into(),
            "01010000000001000000000000000700",
        ),
        (
            r::FeatureLevelRecord { name: "metadata.version".to_owned(), feature_level: 27 }.into(),
            "010c00116d657461646174612e76657273696f6e001b00",
        ),
        (
            r::ProducerIdsRecord { broker_id: 1, broker_epoch: 7, next_producer_id: 1000 }.into(),
            "010f0000000001000000000000000700000000000003e800",
        ),
        (
            r::BrokerRegistrationChangeRecord {
                broker_id: 1,
                broker_epoch: 7,
                fenced: -1,
                log_dirs: vec![directory],
                ..Default::default()
            }
            .into(),
            "011102000000010000000000000007020001ff021102101112131415161718191a1b1c1d1e1f",
        ),
        (r::NoOpRecord {}.into(), "01140000"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Bytes {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn records_are_written_and_read_as_kafka_does() {
    for (record, bytes) in oracle() {
        assert_eq!(hex(&record.encode().expect("encodes")), bytes, "{record:?}");
        assert_eq!(MetadataRecord::decode(from_hex(bytes)), Ok(record));
    }
}

#[test]
fn what_is_not_a_known_record_is_told_apart() {
    let decode = |hex: &str| MetadataRecord::decode(from_hex(hex));
    assert_eq!(decode("02140000"), Err(RecordDecodeError::FrameVersion(2)));
    assert_eq!(decode("01630000"), Err(RecordDecodeError::UnknownType(99)));
    assert_eq!(decode("0114000000"), Err(RecordDecodeError::TrailingBytes(1)));
    assert!(matches!(decode("01140100"), Err(RecordDecodeError::Fields(_))));
    assert!(matches!(decode("0102"), Err(RecordDecodeError::Fields(_))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
        let mut value = bytes;
        if known && value.len() > 2 {
            value[0] = 1;
            value[1] %= 21;
            value[2] %= 4;
        }
        if let Ok(record) = MetadataRecord::decode(value.into()) {
            let again = MetadataRecord::decode(record.encode().expect("what was read can be written"));
            // Fields of newer versions are dropped when the version written here has none.
            prop_assert!(again.is_ok());
        }
    }
}
