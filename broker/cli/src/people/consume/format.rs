//! A record as text: its value, everything about it in a line, JSON, or what a template says.

use millrace_client::ConsumerRecord;
use millrace_protocol::records::TimestampType;
use serde_json::{Map, Value, json};

use crate::people::payload;
use crate::people::screen::Screen;
use crate::people::units;

/// How records are printed.
#[derive(Debug, Clone)]
pub(super) enum Printer {
    /// The value and a line end.
    Value,
    /// Everything in a line.
    Verbose,
    /// A JSON object in a line.
    Json,
    /// As told.
    Template(Template),
}

impl Printer {
    pub(super) fn new(template: Option<Template>, verbose: bool, screen: &Screen<'_>) -> Self {
        match template {
            Some(template) => Self::Template(template),
            None if screen.is_json() => Self::Json,
            None if verbose => Self::Verbose,
            None => Self::Value,
        }
    }

    /// Prints a record.
    pub(super) fn print(&self, record: &ConsumerRecord, screen: &mut Screen<'_>) {
        match self {
            Self::Value => screen.io().line(record.value.as_deref().unwrap_or(b"null")),
            Self::Verbose => {
                let line = verbose(record, screen);
                screen.line(line);
            }
            Self::Json => screen.json_line(&json_record(record)),
            Self::Template(template) => screen.io().print(template.render(record)),
        }
    }
}

fn verbose(record: &ConsumerRecord, screen: &Screen<'_>) -> String {
    let paint = screen.paint();
    let place = format!("{}@{}", record.partition, record.offset);
    let time = units::moment(record.timestamp_ms);
    let mut line = format!("{}  {}", paint.name(&place), paint.faint(&time));
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        line.push_str(&format!("  {} {}", paint.faint(name), payload::quoted(bytes.as_deref())));
    }
    for header in &record.headers {
        let name = format!("{}:", String::from_utf8_lossy(&header.key));
        line.push_str(&format!("  {} {}", paint.faint(&name), payload::quoted(header.value.as_deref())));
    }
    line
}

fn json_record(record: &ConsumerRecord) -> Value {
    let kind = match record.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let mut fields = Map::new();
    fields.insert("topic".to_owned(), json!(&*record.partition.topic));
    fields.insert("partition".to_owned(), json!(record.partition.partition));
    fields.insert("offset".to_owned(), json!(record.offset));
    fields.insert("timestamp_ms".to_owned(), json!(record.timestamp_ms));
    fields.insert("timestamp_type".to_owned(), json!(kind));
    payload::put(&mut fields, "key", record.key.as_deref());
    payload::put(&mut fields, "value", record.value.as_deref());
    let headers = record.headers.iter().map(|header| (&header.key[..], header.value.as_deref()));
    fields.insert("headers".to_owned(), payload::headers(headers));
    Value::Object(fields)
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    TimeMs,
    Time,
    Key,
    Value,
    Headers,
    KeyLength,
    ValueLength,
}

/// A template in the manner of kcat's: see the help of `--format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => {
                    let name = letters.next().ok_or("a % at the end stands for nothing; %% is a %")?;
                    if name == '%' {
                        plain.push(b'%');
                        continue;
                    }
                    let piece = field(name).ok_or_else(|| format!("%{name} stands for nothing"))?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                }
                '\\' => plain.push(escaped(&mut letters)?),
                other => plain.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    fn render(&self, record: &ConsumerRecord) -> Vec<u8> {
        let mut out = Vec::new();
        let text = |out: &mut Vec<u8>, text: String| out.extend_from_slice(text.as_bytes());
        let length = |bytes: &Option<bytes::Bytes>| {
            bytes.as_ref().map_or("-1".to_owned(), |bytes| bytes.len().to_string())
        };
        for piece in &self.0 {
            match piece {
                Piece::Text(bytes) => out.extend_from_slice(bytes),
                Piece::Topic => out.extend_from_slice(record.partition.topic.as_bytes()),
                Piece::Partition => text(&mut out, record.partition.partition.to_string()),
                Piece::Offset => text(&mut out, record.offset.to_string()),
                Piece::TimeMs => text(&mut out, record.timestamp_ms.to_string()),
                Piece::Time => text(&mut out, units::rfc3339(record.timestamp_ms)),
                Piece::Key => out.extend_from_slice(record.key.as_deref().unwrap_or_default()),
                Piece::Value => out.extend_from_slice(record.value.as_deref().unwrap_or_default()),
                Piece::Headers => headers(record, &mut out),
                Piece::KeyLength => text(&mut out, length(&record.key)),
                Piece::ValueLength => text(&mut out, length(&record.value)),
            }
        }
        out
    }
}

fn field(name: char) -> Option<Piece> {
    Some(match name {
        't' => Piece::Topic,
        'p' => Piece::Partition,
        'o' => Piece::Offset,
        'T' => Piece::TimeMs,
        'd' => Piece::Time,
        'k' => Piece::Key,
        'v' | 's' => Piece::Value,
        'h' => Piece::Headers,
        'K' => Piece::KeyLength,
        'V' | 'S' => Piece::ValueLength,
        _ => return None,
    })
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    Ok(match letters.next() {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = letters.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?
        }
        Some(other) => return Err(format!("\\{other} stands for nothing")),
        None => return Err("a \\ at the end stands for nothing".to_owned()),
    })
}

/// `name=value,name=value`.
fn headers(record: &ConsumerRecord, out: &mut Vec<u8>) {
    for (at, header) in record.headers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&header.key);
        out.push(b'=');
        out.extend_from_slice(header.value.as_deref().unwrap_or(b"null"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Io;
    use crate::people::screen::{Format, OutputArgs};
    use bytes::Bytes;
    use expect_test::expect;
    use millrace_client::TopicPartition;
    use millrace_protocol::records::Header;

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            partition: TopicPartition::new("orders", 2),
            offset: 41,
            timestamp_ms: 1_769_860_800_123,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: Some(0),
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(b"a \"value\"")),
            headers: vec![
                Header { key: Bytes::from_static(b"trace"), value: Some(Bytes::from_static(b"\xff")) },
                Header { key: Bytes::from_static(b"empty"), value: None },
            ],
        }
    }

    fn rendered(template: &str) -> String {
        String::from_utf8_lossy(&Template::parse(template).unwrap().render(&record())).into_owned()
    }

    #[test]
    fn templates() {
        assert_eq!(rendered(r"%t/%p@%o %T %k=%v\n"), "orders/2@41 1769860800123 k=a \"value\"\n");
        assert_eq!(
            rendered(r"%d|%K|%S|%h|%%|\x41\t\\"),
            "2026-01-31T12:00:00.123Z|1|9|trace=\u{fffd},empty=null|%|A\t\\"
        );
        let refused = [
            ("%x", "%x stands"),
            ("100%", "a % at the end"),
            (r"\q", "\\q stands"),
            (r"\xzz", "\\xzz is no byte"),
        ];
        for (template, reason) in refused {
            let error = Template::parse(template).unwrap_err();
            assert!(error.starts_with(reason), "{template}: {error}");
        }
    }

    fn printed(output: Format, verbose: bool) -> String {
        let (mut io, seen) = Io::captured(b"");
        let mut screen = Screen::new(&mut io, &OutputArgs { output, ..Default::default() });
        let printer = Printer::new(None, verbose, &screen);
        printer.print(&record(), &mut screen);
        printer.print(&ConsumerRecord { value: None, ..record() }, &mut screen);
        io.flush();
        seen.out()
    }

    #[test]
    fn values_and_json() {
        expect![[r#"
            a "value"
            null
        "#]]
        .assert_eq(&printed(Format::Table, false));
        expect![[r#"
            {"headers":[{"key":"trace","value_hex":"ff"},{"key":"empty","value":null}],"key":"k","offset":41,"partition":2,"timestamp_ms":1769860800123,"timestamp_type":"CreateTime","topic":"orders","value":"a \"value\""}
            {"headers":[{"key":"trace","value_hex":"ff"},{"key":"empty","value":null}],"key":"k","offset":41,"partition":2,"timestamp_ms":1769860800123,"timestamp_type":"CreateTime","topic":"orders","value":null}
        "#]]
        .assert_eq(&printed(Format::Json, false));
        let verbose = printed(Format::Table, true);
        assert!(verbose.starts_with("orders-2@41  2026-01-31 "), "{verbose}");
        assert!(verbose.contains(r#"key "k"  value "a \"value\""  trace: 0xff  empty: null"#), "{verbose}");
    }
}
