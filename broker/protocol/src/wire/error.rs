//! What can go wrong between bytes and values. Never refers to a message by more than its name.

use thiserror::Error;

/// Bytes that are not a valid message of the version asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ended inside a value.
    #[error("{needed} more bytes needed, {remaining} left")]
    Truncated {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length that is negative where null is not allowed, or exceeds what is there.
    #[error("length {length} with {remaining} bytes left")]
    BadLength {
        /// The length that the wire names.
        length: i64,
        /// Bytes that are left.
        remaining: usize,
    },
    /// More entries in lists than the reader was told to allow.
    #[error("a list of {length} entries where {left} are left to the request")]
    TooManyEntries {
        /// Entries of the list.
        length: usize,
        /// Entries that all lists from here on may have together.
        left: usize,
    },
    /// A varint longer than its type allows.
    #[error("varint is too long")]
    VarintTooLong,
    /// A string that is not UTF-8.
    #[error("string is not valid UTF-8")]
    NotUtf8,
    /// Tagged fields out of order, or longer than they say.
    #[error("tagged field {tag}: {reason}")]
    BadTaggedField {
        /// The tag.
        tag: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The version is outside the message's range.
    #[error("version {0} is not supported")]
    UnsupportedVersion(i16),
    /// Bytes are left after the message.
    #[error("{0} bytes left after the message")]
    TrailingBytes(usize),
    /// A record type or frame that the reader does not know.
    #[error("unknown record type {0}")]
    UnknownRecordType(i32),
}

/// A value that the version asked for cannot express.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A field without meaning in this version holds something other than its default
    /// (Kafka's `UnsupportedVersionException`).
    #[error("field {field} has no place in version {version}")]
    FieldNotInVersion {
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Null where this version of the field does not allow it.
    #[error("field {field} is null, which version {version} does not allow")]
    UnexpectedNull {
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A string or array longer than its length field can say.
    #[error("{length} items or bytes do not fit the length field")]
    TooLong {
        /// Items or bytes.
        length: usize,
    },
    /// The whole message is asked for, but some of its records are in files.
    #[error("records outside the message's buffer")]
    RecordsElsewhere,
    /// The version is outside the message's range.
    #[error("version {0} is not supported")]
    UnsupportedVersion(i16),
}
