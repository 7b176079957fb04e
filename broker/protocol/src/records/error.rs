//! What can be wrong with records, precisely. Knows no error codes: the server maps them.

use super::codec::Compression;

/// Why bytes are not the records they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The buffer ends before the batch, message or field does.
    #[error("records end early: {needed} bytes needed, {available} there")]
    Short {
        /// Bytes that the structure needs.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// A format that does not exist, or that this place does not take.
    #[error("unsupported record format: magic {0}")]
    Magic(i8),
    /// The length field is smaller than the fixed part it counts, or negative.
    #[error("batch length {0} is impossible")]
    Length(i32),
    /// The checksum in the header is not that of the bytes.
    #[error("batch is corrupt: crc {stored:#010x} stored, {computed:#010x} computed")]
    Crc {
        /// Checksum in the header.
        stored: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
    /// A header field contradicts another, or is out of its range.
    #[error("invalid batch: {0}")]
    InvalidBatch(&'static str),
    /// A record's fields contradict its length or the batch.
    #[error("invalid record: {0}")]
    InvalidRecord(&'static str),
    /// Attribute bits that name no codec.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// The codec exists, but not in the format asked for (zstd in message sets).
    #[error("{0} cannot be carried by this record format")]
    UnsupportedCodec(Compression),
    /// The codec's own decoder refused the bytes.
    #[error("{codec} data is damaged: {reason}")]
    Decompress {
        /// Which decoder.
        codec: Compression,
        /// What it said.
        reason: String,
    },
    /// Decompressed records would be larger than the caller allows.
    #[error("decompressed records are larger than {limit_bytes} bytes")]
    TooLarge {
        /// The caller's limit.
        limit_bytes: usize,
    },
    /// A codec's encoder failed, which memory or a bad level can cause.
    #[error("{codec} compression failed: {reason}")]
    Compress {
        /// Which encoder.
        codec: Compression,
        /// What it said.
        reason: String,
    },
}
