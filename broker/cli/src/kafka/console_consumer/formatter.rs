//! Records to text (`DefaultMessageFormatter` and its siblings in `org.apache.kafka.tools.consumer`).
//! Never reads anything and never prints.

use millrace_client::{ConsumerRecord, TimestampType};

use super::coordinator_records;
use super::deserializer::Deserializer;
use crate::io::Io;
use crate::kafka::log;
use crate::kafka::properties::Properties;
use crate::kafka::throwable::Throwable;

/// The class of the formatter that is used unless another is asked for.
pub(super) const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

/// Turns a record into what is printed of it.
#[derive(Debug)]
pub(super) enum Formatter {
    /// Fields and separators.
    Default(Box<Layout>),
    /// Nothing.
    Nothing,
    /// JSON of one kind of records of `__consumer_offsets`.
    Coordinator(coordinator_records::Kind),
}

impl Formatter {
    /// The formatter of a class name.
    ///
    /// # Errors
    /// `ClassNotFoundException`.
    pub(super) fn new(class: &str, properties: &Properties, io: &mut Io) -> Result<Self, Throwable> {
        let name = class.strip_prefix("org.apache.kafka.tools.consumer.").unwrap_or("");
        Ok(match name {
            // The second logs each record at a level that is not shown.
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => {
                Self::Default(Box::new(Layout::new(properties, io)))
            }
            "NoOpMessageFormatter" => Self::Nothing,
            "OffsetsMessageFormatter" => Self::Coordinator(coordinator_records::Kind::Offsets),
            "GroupMetadataMessageFormatter" => Self::Coordinator(coordinator_records::Kind::GroupMetadata),
            _ => return Err(Throwable::new("java.lang.ClassNotFoundException", class)),
        })
    }

    /// Appends to `out` what is printed of the record.
    ///
    /// # Errors
    /// `SerializationException` when bytes are not what a deserializer takes, `RuntimeException` when a
    /// record of `__consumer_offsets` cannot be read.
    pub(super) fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Throwable> {
        match self {
            Self::Default(layout) => layout.write(record, out),
            Self::Nothing => Ok(()),
            Self::Coordinator(kind) => coordinator_records::write(*kind, record, out),
        }
    }
}

/// Fields that may be printed, in their order.
const FIELDS: [&str; 8] =
    ["timestamp", "partition", "offset", "delivery", "epoch", "headers", "key", "value"];

/// What the default formatter prints.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of [`FIELDS`].
    fields: Vec<&'static str>,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key: Option<Deserializer>,
    value: Option<Deserializer>,
    headers: Option<Deserializer>,
}

impl Layout {
    fn new(properties: &Properties, io: &mut Io) -> Self {
        let is_wanted = |field: &&'static str| match properties.get(&format!("print.{field}")) {
            Some(value) => value.trim().eq_ignore_ascii_case("true"),
            None => *field == "value",
        };
        let bytes = |name: &str, default: &str| {
            properties.get(name).map_or(default, String::as_str).as_bytes().to_vec()
        };
        let mut deserializer = |name: &str| {
            let class = properties.get(name)?;
            let found = Deserializer::new(class);
            if found.is_none() {
                let logger = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
                log::error(io, logger, &format!("Unable to instantiate a deserializer from {class}"));
                io.error(Throwable::new("java.lang.ClassNotFoundException", class.as_str()).stack_trace());
            }
            found
        };
        Self {
            fields: FIELDS.into_iter().filter(is_wanted).collect(),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key: deserializer("key.deserializer"),
            value: deserializer("value.deserializer"),
            headers: deserializer("headers.deserializer"),
        }
    }

    fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Throwable> {
        for (at, field) in self.fields.iter().enumerate() {
            match *field {
                "timestamp" => {
                    let kind = match record.timestamp_type {
                        TimestampType::CreateTime => "CreateTime",
                        TimestampType::LogAppendTime => "LogAppendTime",
                    };
                    out.extend_from_slice(format!("{kind}:{}", record.timestamp_ms).as_bytes());
                }
                "partition" => {
                    out.extend_from_slice(format!("Partition:{}", record.partition.partition).as_bytes());
                }
                "offset" => out.extend_from_slice(format!("Offset:{}", record.offset).as_bytes()),
                // The tool drops both before it formats.
                "delivery" => out.extend_from_slice(b"Delivery:NOT_PRESENT"),
                "epoch" => out.extend_from_slice(b"Epoch:NOT_PRESENT"),
                "headers" => self.write_headers(record, out)?,
                "key" => self.write_bytes(self.key, record.key.as_deref(), out)?,
                _ => self.write_bytes(self.value, record.value.as_deref(), out)?,
            }
            let is_last = at + 1 == self.fields.len();
            out.extend_from_slice(if is_last { &self.line_separator } else { &self.key_separator });
        }
        Ok(())
    }

    fn write_headers(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Throwable> {
        if record.headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (at, header) in record.headers.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(&self.headers_separator);
            }
            out.extend_from_slice(&header.key);
            out.push(b':');
            self.write_bytes(self.headers, header.value.as_deref(), out)?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        deserializer: Option<Deserializer>,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), Throwable> {
        let bytes = bytes.unwrap_or(&self.null_literal);
        match deserializer {
            None => out.extend_from_slice(bytes),
            Some(deserializer) => out.extend_from_slice(deserializer.text(bytes)?.as_bytes()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use millrace_client::{Header, TopicPartition};

    use super::*;

    fn printed(properties: &[(&str, &str)], record: &ConsumerRecord) -> String {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let (mut io, _) = Io::captured(b"");
        let formatter = Formatter::new(DEFAULT, &properties.collect(), &mut io).unwrap();
        let mut out = Vec::new();
        formatter.write(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            partition: TopicPartition::new("t", 3),
            offset: 7,
            timestamp_ms: 1000,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: Some(2),
            key: None,
            value: Some(Bytes::from_static(b"v")),
            headers: vec![
                Header { key: Bytes::from_static(b"a"), value: Some(Bytes::from_static(b"1")) },
                Header { key: Bytes::from_static(b"b"), value: None },
            ],
        }
    }

    #[test]
    fn fields_stand_in_kafkas_order() {
        let all: Vec<(String, &str)> =
            FIELDS.iter().map(|field| (format!("print.{field}"), " True ")).collect();
        let mut all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        all.extend([("key.separator", "|"), ("null.literal", "-")]);
        assert_eq!(
            printed(&all, &record()),
            "CreateTime:1000|Partition:3|Offset:7|Delivery:NOT_PRESENT|Epoch:NOT_PRESENT|a:1,b:-|-|v\n"
        );
    }

    #[test]
    fn without_fields_nothing_is_printed() {
        assert_eq!(printed(&[("print.value", "false")], &record()), "");
        assert_eq!(printed(&[("print.value", "false"), ("print.key", "true")], &record()), "null\n");
    }
}
