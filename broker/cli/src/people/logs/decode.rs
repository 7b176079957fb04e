//! Keys and values of `__consumer_offsets` and `__cluster_metadata`, and control records, as JSON. What
//! is not known (a newer record, another program's) is shown by its number and in hexadecimal digits.

use bytes::Bytes;
use millrace_protocol::messages::group_records as g;
use millrace_protocol::messages::metadata_records as m;
use millrace_protocol::wire::{DecodeError, Reader};
use millrace_protocol::{LogRecord, Message, decode_from_bytes};
use serde_json::{Value, json};

use super::shown::Shown;
use crate::people::payload;

/// Kafka's frame in front of a metadata record (`AbstractApiMessageSerde`).
const FRAME_VERSION: u32 = 1;

/// What keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    /// Bytes.
    Bytes,
    /// Those of `__consumer_offsets`.
    Offsets,
    /// Those of `__cluster_metadata`.
    Metadata,
}

impl Decoder {
    /// What a topic's keys and values are.
    pub(super) fn for_topic(topic: Option<&str>) -> Self {
        match topic {
            Some("__consumer_offsets") => Self::Offsets,
            Some("__cluster_metadata") => Self::Metadata,
            _ => Self::Bytes,
        }
    }

    /// The record decoded; `None` where key and value are bytes.
    pub(super) fn decode(self, key: Option<&[u8]>, value: Option<&[u8]>, is_control: bool) -> Option<Value> {
        if is_control {
            return Some(control(key, value));
        }
        match self {
            Self::Bytes => None,
            Self::Offsets => Some(offsets(key, value)),
            Self::Metadata => Some(metadata(value)),
        }
    }
}

/// A decoded record as one line: what it is, then what it says.
pub(super) fn text(decoded: &Value) -> String {
    let Value::Object(fields) = decoded else { return decoded.to_string() };
    let mut words = Vec::with_capacity(fields.len());
    for name in ["type", "control", "undecodable"] {
        words.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
    }
    for name in ["coordinator_epoch", "key", "key_hex", "value", "value_hex", "data", "hex"] {
        words.extend(fields.get(name).map(ToString::to_string));
    }
    words.join(" ")
}

fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A version in front, then the message. Newer versions are read as far as they are known.
fn versioned<M: Message + Shown>(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(copied(bytes));
    let version = reader.read_i16()?;
    M::decode(&mut reader, version.min(M::VERSIONS.last)).map(|message| message.shown())
}

fn or_hex(decoded: Result<Value, DecodeError>, bytes: &[u8]) -> Value {
    decoded.unwrap_or_else(|error| json!({ "undecodable": error.to_string(), "hex": payload::hex(bytes) }))
}

/// The first two bytes of a key name the type of the record.
fn offsets(key: Option<&[u8]>, value: Option<&[u8]>) -> Value {
    let Some(key) = key else { return json!({ "key": null, "value": value.map(payload::hex) }) };
    let number = key.get(..2).map(|number| i16::from_be_bytes([number[0], number[1]]));
    match number {
        // 0 was the first version of the offset key.
        Some(0 | 1) => json!({
            "type": "OffsetCommit",
            "key": or_hex(keyed::<g::OffsetCommitKey>(key), key),
            "value": value.map(|value| or_hex(versioned::<g::OffsetCommitValue>(value), value)),
        }),
        Some(2) => json!({
            "type": "GroupMetadata",
            "key": or_hex(keyed::<g::GroupMetadataKey>(key), key),
            "value": value.map(|value| or_hex(group_metadata(value), value)),
        }),
        _ => json!({
            "type": number.map_or("unknown", group_record_name),
            "number": number,
            "key_hex": payload::hex(key),
            "value_hex": value.map(payload::hex),
        }),
    }
}

/// A key is always written in its only version.
fn keyed<M: LogRecord + Shown>(key: &[u8]) -> Result<Value, DecodeError> {
    decode_from_bytes::<M>(copied(&key[2..]), 0).map(|key| key.shown())
}

fn group_metadata(value: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(copied(value));
    let version = reader.read_i16()?;
    let known = version.min(g::GroupMetadataValue::VERSIONS.last);
    let group = g::GroupMetadataValue::decode(&mut reader, known)?;
    let consumers = group.protocol_type == "consumer";
    let members: Vec<Value> = group.members.iter().map(|one| member(one, consumers)).collect();
    Ok(json!({
        "protocol_type": group.protocol_type,
        "generation": group.generation,
        "protocol": group.protocol,
        "leader": group.leader,
        "current_state_timestamp": group.current_state_timestamp,
        "members": members,
    }))
}

/// Blobs of protocols other than the consumers' are their members' business.
fn member(member: &g::MemberMetadata, consumers: bool) -> Value {
    let blob = |bytes: &Bytes, decode: fn(&[u8]) -> Result<Value, DecodeError>| match consumers {
        true if !bytes.is_empty() => or_hex(decode(bytes), bytes),
        _ => json!(payload::hex(bytes)),
    };
    json!({
        "member_id": member.member_id,
        "group_instance_id": member.group_instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "rebalance_timeout": member.rebalance_timeout,
        "session_timeout": member.session_timeout,
        "subscription": blob(&member.subscription, versioned::<g::ConsumerProtocolSubscription>),
        "assignment": blob(&member.assignment, versioned::<g::ConsumerProtocolAssignment>),
    })
}

/// Types of `__consumer_offsets` that are not decoded here
/// (`org.apache.kafka.coordinator.group.generated.CoordinatorRecordType`).
fn group_record_name(number: i16) -> &'static str {
    match number {
        3 => "ConsumerGroupMetadata",
        4 => "ConsumerGroupPartitionMetadata",
        5 => "ConsumerGroupMemberMetadata",
        6 => "ConsumerGroupTargetAssignmentMetadata",
        7 => "ConsumerGroupTargetAssignmentMember",
        8 => "ConsumerGroupCurrentMemberAssignment",
        9 => "ShareGroupPartitionMetadata",
        10 => "ShareGroupMemberMetadata",
        11 => "ShareGroupMetadata",
        12 => "ShareGroupTargetAssignmentMetadata",
        13 => "ShareGroupTargetAssignmentMember",
        14 => "ShareGroupCurrentMemberAssignment",
        15 => "ShareGroupStatePartitionMetadata",
        16 => "ConsumerGroupRegularExpression",
        17..=23 => "StreamsGroup",
        _ => "unknown",
    }
}

fn metadata(value: Option<&[u8]>) -> Value {
    let Some(value) = value else { return Value::Null };
    or_hex(metadata_record(value), value)
}

macro_rules! metadata_records {
    ($($name:ident),*) => {
        fn metadata_body(kind: u32, version: i16, reader: &mut Reader) -> Option<Result<(&'static str, Value), DecodeError>> {
            $(if kind == u32::from(m::$name::RECORD_TYPE.unsigned_abs()) {
                let known = version.min(m::$name::VERSIONS.last);
                return Some(m::$name::decode(reader, known).map(|record| (m::$name::NAME, record.shown())));
            })*
            None
        }
    };
}

metadata_records!(
    RegisterBrokerRecord,
    UnregisterBrokerRecord,
    TopicRecord,
    PartitionRecord,
    ConfigRecord,
    PartitionChangeRecord,
    FenceBrokerRecord,
    UnfenceBrokerRecord,
    RemoveTopicRecord,
    FeatureLevelRecord,
    ProducerIdsRecord,
    BrokerRegistrationChangeRecord,
    NoOpRecord
);

fn metadata_record(value: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(copied(value));
    let frame = reader.read_uvarint()?;
    let (kind, version) = (reader.read_uvarint()?, reader.read_uvarint()?);
    let version = i16::try_from(version).unwrap_or(i16::MAX);
    let body = if frame == FRAME_VERSION { metadata_body(kind, version, &mut reader) } else { None };
    match body {
        Some(body) => {
            let (name, fields) = body?;
            Ok(json!({ "type": name, "version": version, "data": fields }))
        }
        None => Ok(json!({
            "type": metadata_record_name(kind),
            "number": kind,
            "version": version,
            "hex": payload::hex(&reader.into_rest()),
        })),
    }
}

/// Types of `__cluster_metadata` that are not decoded here
/// (`org.apache.kafka.common.metadata.MetadataRecordType`).
fn metadata_record_name(number: u32) -> &'static str {
    match number {
        10 => "DelegationTokenRecord",
        11 => "UserScramCredentialRecord",
        14 => "ClientQuotaRecord",
        18 => "AccessControlEntryRecord",
        19 => "RemoveAccessControlEntryRecord",
        21 => "ZkMigrationStateRecord",
        22 => "RemoveUserScramCredentialRecord",
        23 => "BeginTransactionRecord",
        24 => "EndTransactionRecord",
        25 => "AbortTransactionRecord",
        26 => "RemoveDelegationTokenRecord",
        27 => "RegisterControllerRecord",
        _ => "unknown",
    }
}

/// Version and type of a control record make its key (`ControlRecordType`).
fn control(key: Option<&[u8]>, value: Option<&[u8]>) -> Value {
    let number = key.and_then(|key| key.get(2..4)).map(|number| i16::from_be_bytes([number[0], number[1]]));
    let name = match number {
        Some(0) => "ABORT",
        Some(1) => "COMMIT",
        Some(2) => "LEADER_CHANGE",
        Some(3) => "SNAPSHOT_HEADER",
        Some(4) => "SNAPSHOT_FOOTER",
        Some(5) => "KRAFT_VERSION",
        Some(6) => "KRAFT_VOTERS",
        _ => "unknown",
    };
    let coordinator = |value: &[u8]| {
        let epoch = value.get(2..6)?;
        Some(i32::from_be_bytes([epoch[0], epoch[1], epoch[2], epoch[3]]))
    };
    match (number, value) {
        (Some(0 | 1), Some(value)) => json!({ "control": name, "coordinator_epoch": coordinator(value) }),
        _ => json!({ "control": name, "hex": value.map(payload::hex) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_protocol::encode_to_bytes;
    use millrace_protocol::wire::Writer;

    fn framed<M: Message>(prefix: i16, version: i16, message: &M) -> Vec<u8> {
        [&prefix.to_be_bytes()[..], &encode_to_bytes(message, version).unwrap()].concat()
    }

    #[test]
    fn committed_offsets() {
        let key = g::OffsetCommitKey { group: "billing".into(), topic: "orders".into(), partition: 3 };
        let value = g::OffsetCommitValue { offset: 42, metadata: "m".into(), ..Default::default() };
        let (key, value) = (framed(1, 0, &key), framed(3, 3, &value));
        let decoded = Decoder::Offsets.decode(Some(&key), Some(&value), false).unwrap();
        assert_eq!(decoded["type"], "OffsetCommit");
        assert_eq!(decoded["key"], json!({ "group": "billing", "topic": "orders", "partition": 3 }));
        assert_eq!((&decoded["value"]["offset"], &decoded["value"]["metadata"]), (&json!(42), &json!("m")));
        let tombstone = Decoder::Offsets.decode(Some(&key), None, false).unwrap();
        assert_eq!(tombstone["value"], Value::Null);
    }

    #[test]
    fn groups_with_their_members() {
        let subscription =
            g::ConsumerProtocolSubscription { topics: vec!["orders".into()], ..Default::default() };
        let member = g::MemberMetadata {
            member_id: "a-1".into(),
            subscription: framed(1, 1, &subscription).into(),
            ..Default::default()
        };
        let value = g::GroupMetadataValue {
            protocol_type: "consumer".into(),
            generation: 7,
            members: vec![member],
            ..Default::default()
        };
        let key = framed(2, 0, &g::GroupMetadataKey { group: "billing".into() });
        let decoded = Decoder::Offsets.decode(Some(&key), Some(&framed(3, 3, &value)), false).unwrap();
        assert_eq!(decoded["key"]["group"], "billing");
        assert_eq!(decoded["value"]["members"][0]["subscription"]["topics"], json!(["orders"]));
        assert_eq!(decoded["value"]["members"][0]["assignment"], "");
    }

    #[test]
    fn metadata_and_what_is_not_known() {
        let record = m::TopicRecord { name: "orders".into(), ..Default::default() };
        let mut writer = Writer::default();
        for number in [1, 2, 0] {
            writer.write_uvarint(number);
        }
        record.encode(&mut writer, 0).unwrap();
        let value = writer.finish_whole().unwrap();
        let decoded = Decoder::Metadata.decode(None, Some(&value), false).unwrap();
        assert_eq!((&decoded["type"], &decoded["data"]["name"]), (&json!("TopicRecord"), &json!("orders")));
        let quota = Decoder::Metadata.decode(None, Some(&[1, 14, 0, 0xab]), false).unwrap();
        assert_eq!((&quota["type"], &quota["hex"]), (&json!("ClientQuotaRecord"), &json!("ab")));
        let cut = Decoder::Metadata.decode(None, Some(&value[..5]), false).unwrap();
        assert!(cut["undecodable"].is_string(), "{cut}");
        let later = Decoder::Offsets.decode(Some(&[0, 5, 1]), Some(&[2]), false).unwrap();
        assert_eq!(later["type"], "ConsumerGroupMemberMetadata");
    }

    #[test]
    fn a_line_says_first_what_it_is() {
        let key = framed(1, 0, &g::OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 0 });
        let tombstone = Decoder::Offsets.decode(Some(&key), None, false).unwrap();
        assert_eq!(text(&tombstone), r#"OffsetCommit {"group":"g","partition":0,"topic":"t"} null"#);
        let later = Decoder::Metadata.decode(None, Some(&[1, 14, 0, 0xab]), false).unwrap();
        assert_eq!(text(&later), r#"ClientQuotaRecord "ab""#);
    }

    #[test]
    fn control_records() {
        let commit = Decoder::Bytes.decode(Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0, 9]), true).unwrap();
        assert_eq!(commit, json!({ "control": "COMMIT", "coordinator_epoch": 9 }));
        assert_eq!(Decoder::Bytes.decode(Some(b"k"), Some(b"v"), false), None);
    }
}
