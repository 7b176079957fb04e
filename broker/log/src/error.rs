//! What can go wrong with a log, in Kafka's distinctions. The server maps variants to error codes.

use std::io;
use std::path::{Path, PathBuf};

use millrace_protocol::records::RecordsError;

/// Why a log refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The bytes are not the batches they claim to be (checksum, lengths). Kafka: CORRUPT_MESSAGE.
    #[error("corrupt message: {0}")]
    CorruptMessage(RecordsError),
    /// The batch is intact but breaks a rule (no key on a compacted topic). Kafka: INVALID_RECORD.
    #[error("invalid record: {0}")]
    InvalidRecord(String),
    /// Single records break a rule: INVALID_TIMESTAMP if a timestamp is among what is wrong, or else
    /// INVALID_RECORD. Kafka: `RecordValidationException` (KIP-467).
    #[error("{}", refusal(*timestamps, *count, records))]
    RefusedRecords {
        /// A timestamp is out of bounds.
        timestamps: bool,
        /// How many records are at fault.
        count: usize,
        /// The first of them: position in the batch, and what is wrong.
        records: Vec<(i32, String)>,
    },
    /// A codec or format that cannot be stored here. Kafka: UNSUPPORTED_COMPRESSION_TYPE.
    #[error("unsupported compression: {0}")]
    UnsupportedCompression(String),
    /// A format other than v2. Kafka: UNSUPPORTED_FOR_MESSAGE_FORMAT.
    #[error("unsupported message format: magic {0}")]
    UnsupportedFormat(i8),
    /// A timestamp outside the topic's bounds. Kafka: INVALID_TIMESTAMP.
    #[error("timestamp {timestamp_ms} is outside [{earliest_ms}, {latest_ms}]")]
    InvalidTimestamp {
        /// The offending timestamp.
        timestamp_ms: i64,
        /// The earliest that is accepted now.
        earliest_ms: i64,
        /// The latest that is accepted now.
        latest_ms: i64,
    },
    /// A batch above `max.message.bytes`. Kafka: MESSAGE_TOO_LARGE.
    #[error("a batch of {size_bytes} bytes exceeds max.message.bytes ({max_bytes})")]
    RecordTooLarge {
        /// Size of the batch.
        size_bytes: usize,
        /// The topic's limit.
        max_bytes: usize,
    },
    /// Records that are too large to be looked into, once decompressed. Kafka, which has no such limit, says
    /// MESSAGE_TOO_LARGE of records that do not fit, and producers then send less at once.
    #[error("records of a batch are larger than {limit_bytes} bytes when decompressed")]
    DecompressedTooLarge {
        /// What was left for them.
        limit_bytes: usize,
    },
    /// One append that no segment can hold. Kafka: RECORD_LIST_TOO_LARGE.
    #[error("an append of {size_bytes} bytes exceeds segment.bytes ({segment_bytes})")]
    RecordListTooLarge {
        /// Size of the append.
        size_bytes: usize,
        /// The topic's segment size.
        segment_bytes: usize,
    },
    /// Kafka: OFFSET_OUT_OF_RANGE.
    #[error("offset {requested} is outside [{log_start}, {log_end}]")]
    OffsetOutOfRange {
        /// The offset asked for.
        requested: i64,
        /// First offset of the log.
        log_start: i64,
        /// Offset that the next record will get.
        log_end: i64,
    },
    /// A replica's batch does not follow the log's end. Kafka: `UnexpectedAppendOffsetException`.
    #[error("batch at offset {base_offset} does not follow log end {log_end}")]
    UnexpectedOffset {
        /// First offset of the batch.
        base_offset: i64,
        /// The log's end.
        log_end: i64,
    },
    /// Kafka: OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error("producer {producer_id}: sequence {found} does not follow {last}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Its last sequence number in the log, -1 for none in this epoch.
        last: i32,
        /// The sequence number of the batch.
        found: i32,
    },
    /// An older epoch than the log has seen. Kafka: INVALID_PRODUCER_EPOCH.
    #[error("producer {producer_id}: epoch {found} is older than {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The newest epoch.
        current: i16,
        /// The batch's epoch.
        found: i16,
    },
    /// The disk failed. Kafka: KAFKA_STORAGE_ERROR.
    #[error("cannot {action} {}: {reason}", path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The system's error, for decisions.
        kind: io::ErrorKind,
        /// The system's error, for people.
        reason: String,
    },
    /// An earlier storage failure left the log's end in doubt: it takes no more appends.
    #[error("log is offline: {0}")]
    Offline(String),
    /// The log was closed or deleted.
    #[error("log is closed")]
    Closed,
    /// The log was being opened when the broker was told to end. Its files may be recovered in part; the next
    /// opening has to begin anew.
    #[error("the log was not opened, since the broker ends")]
    Interrupted,
    /// Files of a directory contradict one another or their format.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process holds the data directory.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

/// Kafka's words (`LogValidator.processRecordErrors`).
fn refusal(timestamps: bool, count: usize, records: &[(i32, String)]) -> String {
    if timestamps {
        return "One or more records have been rejected due to invalid timestamp".to_owned();
    }
    let first = records.iter().take(3);
    let shown: Vec<_> =
        first.map(|(index, text)| format!("RecordError(batchIndex={index}, message='{text}')")).collect();
    format!(
        "One or more records have been rejected due to {count} record errors in total, and only showing the \
         first three errors at most: [{}]",
        shown.join(", ")
    )
}

/// What [`LogError::Storage`] says of a sync that failed.
pub(crate) const SYNC: &str = "sync";

impl LogError {
    /// A maker of [`LogError::Storage`] for `map_err`.
    pub(crate) fn storage(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Storage {
            path: path.to_owned(),
            action,
            kind: error.kind(),
            reason: error.to_string(),
        }
    }

    /// Whether a file or directory may have lost what was written to it. The system may have dropped the pages:
    /// a sync that succeeds afterwards says nothing.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(self, Self::Storage { action: SYNC, .. })
    }

    /// Whether the disk, not the request, is at fault.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::Offline(_))
    }
}

impl From<RecordsError> for LogError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Magic(magic) => Self::UnsupportedFormat(magic),
            RecordsError::UnsupportedCodec(_) | RecordsError::UnknownCodec(_) => {
                Self::UnsupportedCompression(error.to_string())
            }
            RecordsError::InvalidBatch(_) | RecordsError::InvalidRecord(_) => {
                Self::InvalidRecord(error.to_string())
            }
            RecordsError::TooLarge { limit_bytes } => Self::DecompressedTooLarge { limit_bytes },
            error => Self::CorruptMessage(error),
        }
    }
}
