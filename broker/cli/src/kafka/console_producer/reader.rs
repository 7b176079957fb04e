//! Lines to records, as `org.apache.kafka.tools.LineMessageReader` reads them: key and headers may stand
//! in front of the value. Never sends anything.

use std::io::BufRead;

use bytes::Bytes;
use millrace_client::Header;
use regex::Regex;

use crate::kafka::properties::Properties;
use crate::kafka::throwable::Throwable;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The key.
    pub(super) key: Option<String>,
    /// The value.
    pub(super) value: Option<String>,
    /// The headers.
    pub(super) headers: Vec<Header>,
}

/// How lines are read.
#[derive(Debug)]
pub(super) struct LineReader {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: u64,
}

impl LineReader {
    /// With the properties of `--property` and `--reader-config`.
    ///
    /// # Errors
    /// `KafkaException` when two separators are the same.
    pub(super) fn new(properties: &Properties) -> Result<Self, Throwable> {
        let text =
            |name: &str, default: &str| properties.get(name).cloned().unwrap_or_else(|| default.to_owned());
        let flag =
            |name: &str| properties.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let headers_separator = text("headers.separator", ",");
        let reader = Self {
            parse_key: flag("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: flag("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: Regex::new(&headers_separator).map_err(|error| {
                Throwable::new("java.util.regex.PatternSyntaxException", error.to_string())
            })?,
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: flag("ignore.error"),
            null_marker: properties.get("null.marker").cloned(),
            line_number: 0,
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<(), Throwable> {
        let separator = self.headers_separator.as_str();
        let mut pairs = vec![
            ("headers.delimiter and headers.separator", self.headers_delimiter.as_str(), separator),
            (
                "headers.delimiter and headers.key.separator",
                self.headers_delimiter.as_str(),
                self.headers_key_separator.as_str(),
            ),
            ("headers.separator and headers.key.separator", separator, self.headers_key_separator.as_str()),
        ];
        if let Some(marker) = &self.null_marker {
            pairs.extend([
                ("null.marker and key.separator", marker.as_str(), self.key_separator.as_str()),
                ("null.marker and headers.separator", marker, separator),
                ("null.marker and headers.delimiter", marker, &self.headers_delimiter),
                ("null.marker and headers.key.separator", marker, &self.headers_key_separator),
            ]);
        }
        match pairs.iter().find(|(_, left, right)| left == right) {
            Some((names, ..)) => Err(kafka_exception(format!("{names} may not be equal"))),
            None => Ok(()),
        }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// `KafkaException` when a separator is missing and `ignore.error` is not set.
    pub(super) fn read(&mut self, line: &str) -> Result<Line, Throwable> {
        self.line_number += 1;
        let headers =
            self.field(self.parse_headers, line, 0, &self.headers_delimiter, "headers delimiter")?;
        let after_headers = headers.map_or(0, |headers| headers.len() + self.headers_delimiter.len());
        let key = self.field(self.parse_key, line, after_headers, &self.key_separator, "key separator")?;
        let after_key = key.map_or(after_headers, |key| after_headers + key.len() + self.key_separator.len());
        let unless_null = |text: &str| (!self.is_null(text)).then(|| text.to_owned());
        Ok(Line {
            key: key.and_then(unless_null),
            value: unless_null(&line[after_key..]),
            headers: match headers {
                Some(headers) if !self.is_null(headers) => self.headers(headers)?,
                _ => Vec::new(),
            },
        })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    /// The text from `start` to the separator.
    fn field<'a>(
        &self,
        is_wanted: bool,
        line: &'a str,
        start: usize,
        separator: &str,
        name: &str,
    ) -> Result<Option<&'a str>, Throwable> {
        if !is_wanted {
            return Ok(None);
        }
        match line[start..].find(separator) {
            Some(end) => Ok(Some(&line[start..start + end])),
            None if self.ignore_error => Ok(None),
            None => {
                Err(kafka_exception(format!("No {name} found on line number {}: '{line}'", self.line_number)))
            }
        }
    }

    fn headers(&self, text: &str) -> Result<Vec<Header>, Throwable> {
        let mut pairs: Vec<&str> = self.headers_separator.split(text).collect();
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &str) -> Result<Header, Throwable> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let Some((key, value)) = pair.split_once(&self.headers_key_separator) else {
            if self.ignore_error {
                return Ok(Header { key: bytes(pair), value: None });
            }
            return Err(kafka_exception(format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line_number
            )));
        };
        if self.is_null(key) {
            return Err(kafka_exception(format!(
                "Header keys should not be equal to the null marker '{key}' as they can't be null"
            )));
        }
        Ok(Header { key: bytes(key), value: (!self.is_null(value)).then(|| bytes(value)) })
    }
}

fn kafka_exception(message: String) -> Throwable {
    Throwable::new("org.apache.kafka.common.KafkaException", message)
}

/// Reads the next line as `BufferedReader.readLine` does: ended by a line feed, a carriage return or both,
/// bytes that are no UTF-8 replaced.
///
/// # Errors
/// What reading fails with.
pub(super) fn next_line(input: &mut dyn BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            if line.is_empty() {
                return Ok(None);
            }
            break;
        }
        let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.unwrap_or(available.len());
        line.extend_from_slice(&available[..taken]);
        let terminator = end.map(|end| available[end]);
        input.consume(taken + usize::from(end.is_some()));
        match terminator {
            None => {}
            Some(b'\n') => break,
            Some(_) => {
                if input.fill_buf()?.first() == Some(&b'\n') {
                    input.consume(1);
                }
                break;
            }
        }
    }
    Ok(Some(match String::from_utf8(line) {
        Ok(line) => line,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pairs: &[(&str, &str)]) -> Result<LineReader, Throwable> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        LineReader::new(&pairs.collect())
    }

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn keys_and_headers() {
        let mut reader = reader(&[("parse.key", "true"), ("parse.headers", "TRUE ")]).unwrap();
        let line = reader.read("a:b,c:d\tk\tv\tw").unwrap();
        assert_eq!((line.key, line.value), (text("k"), text("v\tw")));
        let headers: Vec<&[u8]> = line.headers.iter().map(|header| &*header.key).collect();
        assert_eq!(headers, [b"a", b"c"]);
        assert_eq!(
            reader.read("a:b").unwrap_err().message(),
            "No headers delimiter found on line number 2: 'a:b'"
        );
        assert_eq!(
            reader.read("ab\tk\tv").unwrap_err().message(),
            "No header key separator found in pair 'ab' on line number 3"
        );
    }

    #[test]
    fn null_markers_and_ignored_errors() {
        let mut reader =
            reader(&[("parse.key", "true"), ("null.marker", "NULL"), ("ignore.error", "true")]).unwrap();
        assert_eq!(reader.read("k\tNULL").unwrap().value, None);
        assert_eq!(reader.read("NULL\tv").unwrap().key, None);
        assert_eq!(reader.read("only").unwrap().value, text("only"));
    }

    #[test]
    fn separators_must_differ() {
        let error = reader(&[("null.marker", "\t")]).unwrap_err();
        assert_eq!(error.message(), "null.marker and key.separator may not be equal");
        let error = reader(&[("headers.separator", ":")]).unwrap_err();
        assert_eq!(error.message(), "headers.separator and headers.key.separator may not be equal");
    }

    #[test]
    fn lines_end_in_three_ways() {
        let mut input: &[u8] = b"a\nb\r\nc\r\rd";
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["a", "b", "c", "", "d"]);
    }
}
