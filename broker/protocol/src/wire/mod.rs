//! Primitive values on the wire: fixed-width integers, varints, strings, arrays and tagged fields
//! ([KIP-482](https://cwiki.apache.org/confluence/display/KAFKA/KIP-482)). Knows bytes only: which
//! fields a message has is the business of the declarations in `messages`.

mod error;
#[cfg(test)]
mod invent;
mod reader;
mod value;
mod writer;

pub use error::{DecodeError, EncodeError};
pub use reader::Reader;
pub use value::{RecordSet, Uuid, Value};
pub use writer::{Hole, Writer};

/// Longest string in bytes, in flexible versions too (Kafka's `MessageDataGenerator`).
const NARROW_LENGTH_MAX: usize = i16::MAX as usize;

/// The version a message is read or written in, with the flexibility that version implies.
///
/// Passed down to nested structures, because those share the version range of their message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The version number in the request header.
    pub number: i16,
    /// Compact lengths and tagged fields (KIP-482) are in use.
    pub flexible: bool,
}

impl Version {
    /// The same version with classic lengths: a few header fields never became compact.
    #[must_use]
    pub fn inflexible(self) -> Self {
        Self { flexible: false, ..self }
    }
}

#[cfg(test)]
mod tests;
