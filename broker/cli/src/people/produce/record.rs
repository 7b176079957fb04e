//! A line to a record. Pure.

use bytes::Bytes;
use millrace_protocol::records::Header;
use serde_json::{Map, Value};

use crate::people::payload;
use crate::people::session::nearest;

/// What a JSON line may name. The last ones come from `millrace consume` and have no meaning here.
const FIELDS: [&str; 12] = [
    "key",
    "key_hex",
    "value",
    "value_hex",
    "headers",
    "partition",
    "timestamp_ms",
    "topic",
    "offset",
    "timestamp_type",
    "time",
    "leader_epoch",
];

/// A record to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<Header>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp_ms: Option<i64>,
}

/// How lines become records.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) key: Option<Vec<u8>>,
    pub(super) separator: Option<Vec<u8>>,
    pub(super) headers: Vec<Header>,
    pub(super) partition: Option<i32>,
    pub(super) tombstones: bool,
    pub(super) is_json: bool,
}

impl Shape {
    /// The record of a line.
    pub(super) fn record(&self, line: Vec<u8>) -> Result<Owned, String> {
        let mut record = if self.is_json { self.json_record(&line)? } else { self.line_record(line)? };
        if self.key.is_some() {
            record.key.clone_from(&self.key);
        }
        if self.tombstones && record.value.as_ref().is_some_and(Vec::is_empty) {
            record.value = None;
        }
        record.partition = self.partition.or(record.partition);
        Ok(record)
    }

    fn line_record(&self, line: Vec<u8>) -> Result<Owned, String> {
        let headers = self.headers.clone();
        let Some(separator) = &self.separator else {
            return Ok(Owned { value: Some(line), headers, ..Owned::default() });
        };
        let Some(at) = line.windows(separator.len()).position(|window| window == &separator[..]) else {
            let separator = String::from_utf8_lossy(separator);
            return Err(format!("no {separator:?} between key and value"));
        };
        let value = line[at + separator.len()..].to_vec();
        Ok(Owned { key: Some(line[..at].to_vec()), value: Some(value), headers, ..Owned::default() })
    }

    fn json_record(&self, line: &[u8]) -> Result<Owned, String> {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let near =
                nearest(unknown, FIELDS).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
            return Err(format!("a record has no '{unknown}'{near}"));
        }
        let number = |fields: &mut Map<String, Value>, name: &str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("'{name}' is no whole number")),
        };
        let partition = number(&mut fields, "partition")?
            .map(|number| i32::try_from(number).map_err(|_| format!("there is no partition {number}")))
            .transpose()?;
        let mut headers = self.headers.clone();
        headers.extend(fields.remove("headers").map_or(Ok(Vec::new()), headers_from_json)?);
        Ok(Owned {
            key: payload::take(&mut fields, "key")?,
            value: payload::take(&mut fields, "value")?,
            headers,
            partition,
            timestamp_ms: number(&mut fields, "timestamp_ms")?,
        })
    }
}

/// A header's key and value, as JSON has them.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// `{"name": "value"}`, or a list of `{"key": ..., "value": ...}`, where names repeat.
fn headers_from_json(value: Value) -> Result<Vec<Header>, String> {
    let pairs: Vec<Pair> = match value {
        Value::Null => Vec::new(),
        Value::Object(fields) => {
            let pair = |(name, value): (String, Value)| {
                let mut field = Map::from_iter([("value".to_owned(), value)]);
                Ok((Some(name.into_bytes()), payload::take(&mut field, "value")?))
            };
            fields.into_iter().map(pair).collect::<Result<_, String>>()?
        }
        Value::Array(list) => {
            let pair = |value| match value {
                Value::Object(mut fields) => {
                    Ok((payload::take(&mut fields, "key")?, payload::take(&mut fields, "value")?))
                }
                _ => Err("a header is an object with 'key' and 'value'".to_owned()),
            };
            list.into_iter().map(pair).collect::<Result<_, String>>()?
        }
        _ => return Err("'headers' is an object or a list".to_owned()),
    };
    let header = |(key, value): Pair| {
        let key = key.ok_or_else(|| "a header has a 'key'".to_owned())?;
        Ok(Header { key: Bytes::from(key), value: value.map(Bytes::from) })
    };
    pairs.into_iter().map(header).collect()
}

/// `NAME=VALUE`.
pub(super) fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once('=').ok_or("a header is NAME=VALUE")?;
    if name.is_empty() {
        return Err("a header is NAME=VALUE".to_owned());
    }
    let copied = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Ok(Header { key: copied(name), value: Some(copied(value)) })
}

/// A text that is not empty; `\t` and `\n` as people type them.
pub(super) fn separator(text: &str) -> Result<String, String> {
    match text.replace("\\t", "\t") {
        text if text.is_empty() => Err("a separator is not empty".to_owned()),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(record: &Owned) -> (Option<&str>, Option<&str>) {
        let utf8 = |bytes: &Vec<u8>| std::str::from_utf8(bytes).map(str::to_owned).ok();
        let leak = |text: String| -> &'static str { text.leak() };
        (record.key.as_ref().and_then(utf8).map(leak), record.value.as_ref().and_then(utf8).map(leak))
    }

    #[test]
    fn lines() {
        let plain = Shape::default();
        assert_eq!(text(&plain.record(b"a:b".to_vec()).unwrap()), (None, Some("a:b")));
        let keyed = Shape { separator: Some(b"::".to_vec()), ..Shape::default() };
        assert_eq!(text(&keyed.record(b"k::v::w".to_vec()).unwrap()), (Some("k"), Some("v::w")));
        assert_eq!(keyed.record(b"k:v".to_vec()).unwrap_err(), "no \"::\" between key and value");
        let fixed = Shape { key: Some(b"k".to_vec()), tombstones: true, ..Shape::default() };
        assert_eq!(text(&fixed.record(Vec::new()).unwrap()), (Some("k"), None));
    }

    #[test]
    fn json() {
        let shape = Shape { is_json: true, headers: vec![header("a=1").unwrap()], ..Shape::default() };
        let line =
            r#"{"key":"k","value":{"n":1},"headers":{"b":"2"},"partition":3,"timestamp_ms":9,"offset":1}"#;
        let record = shape.record(line.as_bytes().to_vec()).unwrap();
        assert_eq!(text(&record), (Some("k"), Some("{\"n\":1}")));
        assert_eq!(record.headers, [header("a=1").unwrap(), header("b=2").unwrap()]);
        assert_eq!((record.partition, record.timestamp_ms), (Some(3), Some(9)));
        let list = r#"{"value":null,"headers":[{"key":"b","value":null},{"key":"b","value_hex":"ff"}]}"#;
        let record = shape.record(list.as_bytes().to_vec()).unwrap();
        assert_eq!(record.headers[1], Header { key: Bytes::from_static(b"b"), value: None });
        assert_eq!(record.headers[2].value, Some(Bytes::from_static(b"\xff")));
        assert_eq!(record.value, None);
        let refused = [
            ("x", "no JSON object"),
            ("[]", "no JSON object"),
            (r#"{"vlaue":"x"}"#, "a record has no 'vlaue'; did you mean 'value'?"),
            (r#"{"partition":"x"}"#, "'partition' is no whole number"),
            (r#"{"headers":[1]}"#, "a header is an object"),
        ];
        for (line, reason) in refused {
            let error = shape.record(line.as_bytes().to_vec()).unwrap_err();
            assert!(error.starts_with(reason), "{line}: {error}");
        }
    }
}
