//! Records of `__consumer_offsets`: one closed enum over Kafka's types, and its bytes as key and value
//! of a log record (Kafka's `GroupCoordinatorRecordSerde`).
//!
//! It must never know what a record means.

use bytes::Bytes;
use millrace_protocol::messages::group_records::{
    GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use millrace_protocol::wire::{DecodeError, EncodeError, Reader, Writer};
use millrace_protocol::{LogRecord, Message};

/// The type under which Kafka wrote offsets before 0.8.2.
const OLD_OFFSET_COMMIT_TYPE: i16 = 0;
/// Keys have one version each: what stands in front of them is their type.
const KEY_VERSION: i16 = 0;
/// Version of an offset as Kafka 4.1 writes it.
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version with a time of expiry of its own.
const EXPIRING_OFFSET_COMMIT_VERSION: i16 = 1;
/// Version of a group as Kafka 4.1 writes it.
const GROUP_METADATA_VERSION: i16 = 3;

/// Bytes that are not a record of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordDecodeError {
    /// The fields of the key do not parse.
    #[error("the key does not parse: {0}")]
    Key(DecodeError),
    /// The fields of the value do not parse.
    #[error("the value does not parse: {0}")]
    Value(DecodeError),
}

/// A record; without a value it is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {
    /// An offset was committed, or forgotten.
    OffsetCommit(OffsetCommitKey, Option<OffsetCommitValue>),
    /// A group has a new generation, or was removed.
    GroupMetadata(GroupMetadataKey, Option<GroupMetadataValue>),
}

impl GroupRecord {
    /// Forget the offset of a partition.
    #[must_use]
    pub fn offset_tombstone(group: &str, topic: &str, partition: i32) -> Self {
        Self::OffsetCommit(OffsetCommitKey { group: group.into(), topic: topic.into(), partition }, None)
    }

    /// Forget a group.
    #[must_use]
    pub fn group_tombstone(group: &str) -> Self {
        Self::GroupMetadata(GroupMetadataKey { group: group.into() }, None)
    }

    /// Key and value of the log record.
    ///
    /// # Errors
    /// [`EncodeError`] when a text is longer than the format can say.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), EncodeError> {
        match self {
            Self::OffsetCommit(key, value) => {
                let version = match value {
                    Some(value) if value.expire_timestamp >= 0 => EXPIRING_OFFSET_COMMIT_VERSION,
                    _ => OFFSET_COMMIT_VERSION,
                };
                Ok((encode_key(key)?, encode_value(value.as_ref(), version)?))
            }
            Self::GroupMetadata(key, value) => {
                Ok((encode_key(key)?, encode_value(value.as_ref(), GROUP_METADATA_VERSION)?))
            }
        }
    }

    /// Reads a record; `None` when it is of a type that does not concern classic groups. Nothing of
    /// what is returned keeps `key` or `value` alive.
    ///
    /// # Errors
    /// [`RecordDecodeError`] when the type is known and the fields do not parse.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, RecordDecodeError> {
        let mut reader = Reader::new(key);
        let kind = reader.read_i16().map_err(RecordDecodeError::Key)?;
        if kind == OffsetCommitKey::RECORD_TYPE || kind == OLD_OFFSET_COMMIT_TYPE {
            let key = OffsetCommitKey::decode(&mut reader, KEY_VERSION).map_err(RecordDecodeError::Key)?;
            return Ok(Some(Self::OffsetCommit(key, decode_value(value)?)));
        }
        if kind == GroupMetadataKey::RECORD_TYPE {
            let key = GroupMetadataKey::decode(&mut reader, KEY_VERSION).map_err(RecordDecodeError::Key)?;
            let mut value: Option<GroupMetadataValue> = decode_value(value)?;
            for member in value.iter_mut().flat_map(|value| &mut value.members) {
                member.subscription = Bytes::copy_from_slice(&member.subscription);
                member.assignment = Bytes::copy_from_slice(&member.assignment);
            }
            return Ok(Some(Self::GroupMetadata(key, value)));
        }
        Ok(None)
    }

    /// Bytes of key and value, or `None` when they cannot be written.
    pub(crate) fn size_bytes(&self) -> Option<usize> {
        let (key, value) = self.encode().ok()?;
        Some(key.len() + value.map_or(0, |value| value.len()))
    }
}

fn encode_key<K: LogRecord>(key: &K) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::default();
    writer.write_i16(K::RECORD_TYPE);
    key.encode(&mut writer, KEY_VERSION)?;
    writer.finish_whole()
}

fn encode_value<V: Message>(value: Option<&V>, version: i16) -> Result<Option<Bytes>, EncodeError> {
    let Some(value) = value else { return Ok(None) };
    let mut writer = Writer::default();
    writer.write_i16(version);
    value.encode(&mut writer, version)?;
    writer.finish_whole().map(Some)
}

fn decode_value<V: Message>(value: Option<Bytes>) -> Result<Option<V>, RecordDecodeError> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = Reader::new(value);
    let version = reader.read_i16().map_err(RecordDecodeError::Value)?;
    V::decode(&mut reader, version).map(Some).map_err(RecordDecodeError::Value)
}

#[cfg(test)]
mod tests {
    use millrace_protocol::messages::group_records::MemberMetadata;

    use super::*;

    fn there_and_back(record: &GroupRecord) -> GroupRecord {
        let (key, value) = record.encode().unwrap();
        GroupRecord::decode(key, value).unwrap().unwrap()
    }

    fn offset(expire_timestamp: i64) -> GroupRecord {
        GroupRecord::OffsetCommit(
            OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 },
            Some(OffsetCommitValue {
                offset: 42,
                leader_epoch: if expire_timestamp < 0 { 7 } else { -1 },
                metadata: "note".into(),
                commit_timestamp: 1000,
                expire_timestamp,
                ..OffsetCommitValue::default()
            }),
        )
    }

    #[test]
    fn records_come_back_as_they_were() {
        let group = GroupRecord::GroupMetadata(
            GroupMetadataKey { group: "g".into() },
            Some(GroupMetadataValue {
                protocol_type: "consumer".into(),
                generation: 5,
                protocol: Some("range".into()),
                leader: Some("m".into()),
                current_state_timestamp: 9,
                members: vec![MemberMetadata { member_id: "m".into(), ..MemberMetadata::default() }],
            }),
        );
        let tombstones = [GroupRecord::offset_tombstone("g", "t", 1), GroupRecord::group_tombstone("g")];
        for record in [offset(-1), offset(5000), group].iter().chain(&tombstones) {
            assert_eq!(there_and_back(record), *record);
        }
    }

    #[test]
    fn versions_are_those_of_kafka_4_1() {
        let version = |record: &GroupRecord| record.encode().unwrap().1.unwrap()[..2].to_vec();
        assert_eq!(version(&offset(-1)), [0, 4]);
        assert_eq!(version(&offset(5000)), [0, 1]);
        assert_eq!(offset(-1).encode().unwrap().0[..], *b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
    }

    #[test]
    fn other_types_are_passed_over_and_garbage_is_refused() {
        assert_eq!(GroupRecord::decode(Bytes::from_static(&[0, 3, 0, 1, b'g']), None), Ok(None));
        let cut = GroupRecord::decode(Bytes::from_static(&[0, 2, 0, 9]), None);
        assert!(matches!(cut, Err(RecordDecodeError::Key(_))), "{cut:?}");
        let newer = GroupRecord::decode(Bytes::from_static(&[0, 2, 0, 0]), Some(Bytes::from_static(&[0, 9])));
        assert!(matches!(newer, Err(RecordDecodeError::Value(_))), "{newer:?}");
    }
}
