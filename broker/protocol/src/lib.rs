//! Bytes to typed Kafka messages and back: the codec of the wire protocol, of the metadata log and
//! of `__consumer_offsets`, and record batches.
//!
//! Pure: no sockets, no clock, no files. A length on the wire is never believed before the bytes
//! behind it are there, so decoding allocates at most a small multiple of its input.

pub mod api_key;
pub mod error_code;
pub mod header;
pub mod message;
pub mod messages;
pub mod records;
pub mod wire;

#[cfg(test)]
mod oracle;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use message::{LogRecord, Message, Request, VersionRange, decode_from_bytes, encode_to_bytes};
pub use wire::Uuid;
