//! Records of `__consumer_offsets` as JSON (`OffsetsMessageFormatter`, `GroupMetadataMessageFormatter`).

use bytes::{Buf, Bytes};
use millrace_client::ConsumerRecord;
use millrace_protocol::messages::group_records::{
    GroupMetadataKey, GroupMetadataValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
use millrace_protocol::wire::DecodeError;
use millrace_protocol::{LogRecord, decode_from_bytes};

use crate::kafka::throwable::Throwable;

/// Which records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Committed offsets, also those with the key of Kafka 0.8.
    Offsets,
    /// What groups are made of.
    GroupMetadata,
}

impl Kind {
    fn takes(self, record_type: i16) -> bool {
        match self {
            Self::Offsets => record_type == 0 || record_type == OffsetCommitValue::RECORD_TYPE,
            Self::GroupMetadata => record_type == GroupMetadataValue::RECORD_TYPE,
        }
    }
}

/// Appends the record's JSON to `out`, with no end of line, as Kafka's formatter does; nothing of a record
/// of another kind.
///
/// # Errors
/// `RuntimeException` when key or value cannot be read.
pub(super) fn write(kind: Kind, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Throwable> {
    let Some(key) = &record.key else { return Ok(()) };
    let text = json(kind, key.clone(), record.value.clone()).map_err(|error| {
        let message = format!("Could not read record at offset {} due to: {error}", record.offset);
        Throwable::new("java.lang.RuntimeException", message)
    })?;
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
    Ok(())
}

fn json(kind: Kind, mut key: Bytes, value: Option<Bytes>) -> Result<Option<String>, DecodeError> {
    let record_type = number(&mut key)?;
    if !kind.takes(record_type) {
        return Ok(None);
    }
    let key = match kind {
        Kind::Offsets => {
            let key: OffsetCommitKey = decode_from_bytes(key, 0)?;
            format!(
                r#"{{"group":{},"topic":{},"partition":{}}}"#,
                quoted(&key.group),
                quoted(&key.topic),
                key.partition
            )
        }
        Kind::GroupMetadata => {
            let key: GroupMetadataKey = decode_from_bytes(key, 0)?;
            format!(r#"{{"group":{}}}"#, quoted(&key.group))
        }
    };
    let value = match value {
        None => "null".to_owned(),
        Some(mut value) => {
            let version = number(&mut value)?;
            let data = match kind {
                Kind::Offsets => offset_json(&decode_from_bytes(value, version)?, version),
                Kind::GroupMetadata => group_json(&decode_from_bytes(value, version)?, version),
            };
            format!(r#"{{"version":{version},"data":{data}}}"#)
        }
    };
    Ok(Some(format!(r#"{{"key":{{"type":{record_type},"data":{key}}},"value":{value}}}"#)))
}

fn number(bytes: &mut Bytes) -> Result<i16, DecodeError> {
    if bytes.len() < 2 {
        return Err(DecodeError::Truncated { needed: 2, remaining: bytes.len() });
    }
    Ok(bytes.get_i16())
}

fn offset_json(value: &OffsetCommitValue, version: i16) -> String {
    let mut fields = vec![format!(r#""offset":{}"#, value.offset)];
    if version >= 3 {
        fields.push(format!(r#""leaderEpoch":{}"#, value.leader_epoch));
    }
    fields.push(format!(r#""metadata":{}"#, quoted(&value.metadata)));
    fields.push(format!(r#""commitTimestamp":{}"#, value.commit_timestamp));
    if version == 1 {
        fields.push(format!(r#""expireTimestamp":{}"#, value.expire_timestamp));
    }
    if version >= 4 && !value.topic_id.is_zero() {
        fields.push(format!(r#""topicId":"{}""#, value.topic_id));
    }
    format!("{{{}}}", fields.join(","))
}

fn group_json(value: &GroupMetadataValue, version: i16) -> String {
    let mut fields = vec![
        format!(r#""protocolType":{}"#, quoted(&value.protocol_type)),
        format!(r#""generation":{}"#, value.generation),
        format!(r#""protocol":{}"#, optional(value.protocol.as_deref())),
        format!(r#""leader":{}"#, optional(value.leader.as_deref())),
    ];
    if version >= 2 {
        fields.push(format!(r#""currentStateTimestamp":{}"#, value.current_state_timestamp));
    }
    let members: Vec<String> = value.members.iter().map(|member| member_json(member, version)).collect();
    fields.push(format!(r#""members":[{}]"#, members.join(",")));
    format!("{{{}}}", fields.join(","))
}

fn member_json(member: &MemberMetadata, version: i16) -> String {
    let mut fields = vec![format!(r#""memberId":{}"#, quoted(&member.member_id))];
    if version >= 3 {
        fields.push(format!(r#""groupInstanceId":{}"#, optional(member.group_instance_id.as_deref())));
    }
    fields.push(format!(r#""clientId":{}"#, quoted(&member.client_id)));
    fields.push(format!(r#""clientHost":{}"#, quoted(&member.client_host)));
    if version >= 1 {
        fields.push(format!(r#""rebalanceTimeout":{}"#, member.rebalance_timeout));
    }
    fields.push(format!(r#""sessionTimeout":{}"#, member.session_timeout));
    fields.push(format!(r#""subscription":"{}""#, base64(&member.subscription)));
    fields.push(format!(r#""assignment":"{}""#, base64(&member.assignment)));
    format!("{{{}}}", fields.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

/// Jackson's form of bytes: base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = 0u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_padding() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn offsets_are_json_and_other_kinds_nothing() {
        let key = Bytes::from_static(b"\0\x01\0\x01g\0\x01t\0\0\0\x05");
        let value = Bytes::from_static(b"\0\x03\0\0\0\0\0\0\0\x2a\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\x07");
        assert_eq!(
            json(Kind::Offsets, key.clone(), Some(value)).unwrap().unwrap(),
            r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":5}},"value":{"version":3,"data":{"offset":42,"leaderEpoch":-1,"metadata":"","commitTimestamp":7}}}"#
        );
        assert_eq!(json(Kind::GroupMetadata, key.clone(), None).unwrap(), None);
        assert!(json(Kind::Offsets, key.slice(..5), None).is_err());
    }
}
