//! The golden files: what Kafka's own classes wrote (`tests/golden/generate`).

use bytes::Bytes;

const FILES: [&str; 2] =
    [include_str!("../golden/messages-4.1.1.txt"), include_str!("../golden/messages-3.9.1.txt")];

/// One message as Kafka wrote it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) version: i16,
    pub(crate) bytes: Bytes,
}

/// All samples. A message without fields has no bytes.
pub(crate) fn samples() -> Vec<Sample> {
    FILES.iter().flat_map(|file| file.lines()).map(sample).collect()
}

fn sample(line: &'static str) -> Sample {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("a short line: {line}"));
    let (name, version, bytes) = (word(), word(), word());
    let version = version.parse().unwrap_or_else(|_| panic!("a version that is none: {line}"));
    Sample { name, version, bytes: unhex(bytes) }
}

fn unhex(text: &str) -> Bytes {
    let digit = |index| u8::from_str_radix(&text[index..index + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
