//! Record batches (v2) and legacy message sets (v0, v1): the bytes inside Produce, Fetch and `.log` files.
//!
//! Batches stay opaque wherever they can: [`BatchHeader`] reads the 61 fixed bytes, [`Batches`] walks a
//! buffer of concatenated batches without copying, [`Batch::body`] decompresses only when a rule asks for
//! records. Everything that decompresses takes a limit, so that a small batch cannot claim a large heap.
//!
//! | file | holds |
//! |---|---|
//! | `header.rs` | the fixed header, its attribute bits, patching offset, epoch and log-append time |
//! | `batch.rs` | one batch, iteration over concatenated batches, structural validation |
//! | `record.rs` | records inside a decompressed body, borrowed ([`RecordRef`]) and owned ([`Record`]) |
//! | `builder.rs` | [`BatchBuilder`]: records to a batch |
//! | `codec.rs`, `codec/` | none, gzip, snappy (also Java's framing), lz4 frames, zstd, all bounded |
//! | `legacy.rs`, `legacy/` | message sets v0 and v1 to batches, and batches down to message sets |
//!
//! This module must never know files, offsets' meaning to a log, clocks, or the rest of the protocol.

mod batch;
mod builder;
mod codec;
mod crc;
mod error;
mod header;
pub mod legacy;
mod record;
#[cfg(test)]
mod tests;
mod varint;

pub use batch::{Batch, Batches, Body};
pub use builder::{BatchBuilder, BatchOptions, ProducerStamp};
pub use codec::{Compression, compress, decompress};
use codec::{break_header_checksum, mend_header_checksum};
pub use crc::crc32c;
pub use error::RecordsError;
pub use header::{Attributes, BatchHeader, TimestampType, add_sequence};
pub use record::{Header, Headers, Record, RecordRef, RecordRefs, Records};

/// Bytes of a v2 batch before its first record.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of base offset and length, which stand before what the length counts.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// The batch format served here (Kafka's magic byte).
pub const MAGIC_V2: i8 = 2;
/// Where the magic byte stands, in batches and in legacy messages alike.
pub const MAGIC_AT: usize = 16;
/// "No timestamp" in records and batches.
pub const NO_TIMESTAMP: i64 = -1;
/// "No producer id": the batch is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// "No sequence number".
pub const NO_SEQUENCE: i32 = -1;
