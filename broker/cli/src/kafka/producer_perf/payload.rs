//! What the records of `kafka-producer-perf-test` carry. Never sends anything.

use std::path::Path;

use regex::Regex;

use super::options::Payload;
use crate::io::Io;
use crate::kafka::throwable::Throwable;

/// Makes one value after the other.
#[derive(Debug)]
pub(super) enum Source {
    /// Random letters, in a buffer of the value's size.
    Random(fastrand::Rng, Vec<u8>),
    /// One of these, at random.
    Texts(fastrand::Rng, Vec<Vec<u8>>),
    /// The number.
    Number(Vec<u8>),
}

impl Source {
    /// Reads the file, where the values come from one, and says so.
    ///
    /// # Errors
    /// `IllegalArgumentException` when the file is not there or is empty.
    pub(super) fn new(payload: &Payload, io: &mut Io) -> Result<Self, Throwable> {
        // Always the same numbers, as in Kafka's tool, so that runs can be compared.
        let random = fastrand::Rng::with_seed(0);
        Ok(match payload {
            Payload::Random(size) => Self::Random(random, vec![0; *size]),
            Payload::File(path, delimiter) => Self::Texts(random, texts(path, delimiter, io)?),
            Payload::Monotonic => Self::Number(Vec::new()),
        })
    }

    /// The value of the record with this number.
    pub(super) fn next(&mut self, number: u64) -> &[u8] {
        match self {
            Self::Random(random, buffer) => {
                buffer.fill_with(|| random.u8(b'A'..=b'Z'));
                buffer
            }
            Self::Texts(random, texts) => &texts[random.usize(..texts.len())],
            Self::Number(buffer) => {
                buffer.clear();
                buffer.extend_from_slice(number.to_string().as_bytes());
                buffer
            }
        }
    }
}

fn texts(path: &str, delimiter: &str, io: &mut Io) -> Result<Vec<Vec<u8>>, Throwable> {
    let absolute = std::path::absolute(Path::new(path)).unwrap_or_else(|_| path.into());
    io.line(format!("Reading payloads from: {}", absolute.display()));
    let text = std::fs::read(path).unwrap_or_default();
    if text.is_empty() {
        return Err(Throwable::illegal_argument("File does not exist or empty file provided."));
    }
    let delimiter = Regex::new(delimiter)
        .map_err(|error| Throwable::new("java.util.regex.PatternSyntaxException", error.to_string()))?;
    let texts = tokens(&String::from_utf8_lossy(&text), &delimiter);
    io.line(format!("Number of messages read: {}", texts.len()));
    if texts.is_empty() {
        let message = "no payload File Path or record Size or payload-monotonic option provided";
        return Err(Throwable::illegal_argument(message));
    }
    Ok(texts)
}

/// `java.util.Scanner`: a delimiter at the front or at the end makes no empty text.
fn tokens(text: &str, delimiter: &Regex) -> Vec<Vec<u8>> {
    let start = delimiter.find(text).filter(|found| found.start() == 0).map_or(0, |found| found.end());
    let mut parts: Vec<&str> = delimiter.split(&text[start..]).collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    parts.into_iter().map(|part| part.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_as_a_scanner_cuts() {
        let newline = Regex::new("\n").unwrap();
        let cut = |text: &str| {
            tokens(text, &newline)
                .into_iter()
                .map(|part| String::from_utf8(part).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(cut("a\nb\n"), ["a", "b"]);
        assert_eq!(cut("\na\n\nb"), ["a", "", "b"]);
        assert_eq!(cut("\n"), Vec::<String>::new());
    }

    #[test]
    fn random_letters_are_the_same_each_time() {
        let (mut io, _) = Io::captured(b"");
        let mut one = Source::new(&Payload::Random(8), &mut io).unwrap();
        let mut other = Source::new(&Payload::Random(8), &mut io).unwrap();
        let first = one.next(0).to_vec();
        assert_eq!(first, other.next(0));
        assert_ne!(first, one.next(1));
        assert!(first.iter().all(u8::is_ascii_uppercase));
    }
}
