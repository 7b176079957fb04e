//! From what a log refuses to the error a client is told: the one map between the two.

use millrace_log::LogError;
use millrace_protocol::ErrorCode;
use millrace_protocol::records::RecordsError;

/// An error code, and what a person may want to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
    /// Records of the batch that are at fault, by position, and why (KIP-467).
    pub(crate) records: Vec<(i32, String)>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), records: Vec::new() }
    }

    pub(crate) fn from_records(error: &RecordsError) -> Self {
        Self::from(LogError::from(error.clone()))
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new() }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let failure = Self::new(code_of(&error), error.to_string());
        match error {
            LogError::RefusedRecords { records, .. } => Self { records, ..failure },
            _ => failure,
        }
    }
}

fn code_of(error: &LogError) -> ErrorCode {
    match error {
        LogError::CorruptMessage(_) => ErrorCode::CORRUPT_MESSAGE,
        LogError::InvalidRecord(_) | LogError::RefusedRecords { timestamps: false, .. } => {
            ErrorCode::INVALID_RECORD
        }
        LogError::UnsupportedCompression(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        LogError::UnsupportedFormat(_) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
        LogError::InvalidTimestamp { .. } | LogError::RefusedRecords { timestamps: true, .. } => {
            ErrorCode::INVALID_TIMESTAMP
        }
        LogError::RecordTooLarge { .. } | LogError::DecompressedTooLarge { .. } => {
            ErrorCode::MESSAGE_TOO_LARGE
        }
        LogError::RecordListTooLarge { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
        LogError::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        LogError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        LogError::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        LogError::Storage { .. }
        | LogError::Offline(_)
        | LogError::BadFile { .. }
        | LogError::Locked { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        // A log is closed when its partition is deleted or the broker goes: the client looks again.
        LogError::Closed | LogError::Interrupted => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        LogError::UnexpectedOffset { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
