//! What can go wrong for a user of the client, in words for people. Never decides whether to retry:
//! it only says whether trying again makes sense.

use millrace_protocol::records::RecordsError;
use millrace_protocol::{ApiKey, ErrorCode, VersionRange};
use thiserror::Error;

use crate::topic_partition::TopicPartition;

/// Why the client could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// A property has a value that does not serve, or combination of properties contradict.
    #[error("{message}")]
    Config {
        /// The property, by Kafka's name.
        key: String,
        /// Kafka's wording of what is wrong.
        message: String,
    },
    /// No connection to this address, or none that speaks Kafka.
    #[error("cannot connect to {address}: {reason}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the attempt met.
        reason: String,
    },
    /// None of the brokers answered.
    #[error("no broker is reachable: {}", .tried.join("; "))]
    NoBrokers {
        /// One line for each address tried.
        tried: Vec<String>,
    },
    /// Metadata does not name what the request is for: it may be on its way up.
    #[error("the cluster does not know {what}")]
    Unknown {
        /// The controller, or a broker.
        what: String,
    },
    /// The connection ended before the answer came.
    #[error("{broker} closed the connection before it answered {}", api.name())]
    Disconnected {
        /// Node and address.
        broker: String,
        /// What was asked.
        api: ApiKey,
    },
    /// Nothing conclusive happened in time.
    #[error("{what} timed out after {after_ms} ms{}", .last.as_ref().map_or(String::new(), |last| format!("; last: {last}")))]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long, in milliseconds.
        after_ms: u64,
        /// What the last attempt met.
        last: Option<Box<ClientError>>,
    },
    /// Broker and client share no version of the API, or the shared one cannot express the request.
    #[error("{broker} does not support {}: it speaks {}, the client {}{}", api.name(),
        range_text(*.broker_versions), range_text(Some(*.client_versions)), reason_text(.reason.as_ref()))]
    Unsupported {
        /// Node and address.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// Versions that the broker serves; `None` when it does not know the API.
        broker_versions: Option<VersionRange>,
        /// Versions that the client speaks.
        client_versions: VersionRange,
        /// The field that the shared version has no place for.
        reason: Option<String>,
    },
    /// The broker sent something that is not the protocol.
    #[error("{broker} answered {} with something that is not the protocol: {reason}", api.name())]
    Protocol {
        /// Node and address.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker refused, with an error code of the protocol.
    #[error("{subject}: {} ({code})", message_or_default(.message.as_deref(), *code))]
    Api {
        /// Node and address, when one broker said it.
        broker: Option<String>,
        /// What was asked.
        api: ApiKey,
        /// The protocol's error.
        code: ErrorCode,
        /// The broker's own words, if it sent any.
        message: Option<String>,
        /// What the error is about: a topic, a partition, a group.
        subject: String,
    },
    /// The record can never be sent: it exceeds a limit of this client.
    #[error("the record is {size_bytes} bytes when serialized, more than {limit_bytes} ({key})")]
    RecordTooLarge {
        /// Its size with overhead, in bytes.
        size_bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
        /// The property that sets the limit.
        key: &'static str,
    },
    /// Records that came from the broker are damaged, or records could not be compressed.
    #[error("records of {partition}: {error}")]
    Records {
        /// Where they came from or were to go.
        partition: TopicPartition,
        /// What is wrong with them.
        error: RecordsError,
    },
    /// There is no position for the partition and `auto.offset.reset` is `none`.
    #[error("no offset to read {partition} from, and auto.offset.reset is none")]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The position lies outside the partition's log and `auto.offset.reset` is `none`.
    #[error("offset {offset} of {partition} is out of range, and auto.offset.reset is none")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset asked for.
        offset: i64,
    },
    /// The client, producer or consumer was closed.
    #[error("the client is closed")]
    Closed,
    /// A call that makes no sense in the current state.
    #[error("{0}")]
    Usage(String),
}

fn range_text(range: Option<VersionRange>) -> String {
    match range {
        None => "no version".to_owned(),
        Some(range) if range.first == range.last => format!("version {}", range.first),
        Some(range) => format!("versions {} to {}", range.first, range.last),
    }
}

fn reason_text(reason: Option<&String>) -> String {
    reason.map_or(String::new(), |reason| format!(" ({reason})"))
}

fn message_or_default(message: Option<&str>, code: ErrorCode) -> String {
    let text = message.unwrap_or_else(|| code.message());
    if text.is_empty() { format!("error {}", code.0) } else { text.trim_end_matches('.').to_owned() }
}

impl ClientError {
    /// The protocol's error code, when a broker sent one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api { code, .. } => Some(*code),
            Self::TimedOut { last: Some(last), .. } => last.code(),
            _ => None,
        }
    }

    /// The broker's own text if it sent one, otherwise Kafka's text for the code, otherwise this
    /// error's own line.
    #[must_use]
    pub fn message_text(&self) -> String {
        match self {
            Self::Api { message: Some(message), .. } => message.clone(),
            Self::Api { code, .. } if !code.message().is_empty() => code.message().to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NoBrokers { .. } | Self::Disconnected { .. } => true,
            Self::Unknown { .. } => true,
            Self::TimedOut { .. } => true,
            Self::Api { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// What a person could do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBrokers { .. } | Self::Unreachable { .. } => Some(
                "check that the broker runs and that host and port are right; a broker that is found but \
                 then not reached advertises another address (advertised.listeners)"
                    .to_owned(),
            ),
            Self::Disconnected { .. } => Some(
                "the port may belong to something that is not a Kafka broker, or expect TLS; the broker's \
                 log says why it closed the connection"
                    .to_owned(),
            ),
            Self::TimedOut { last: Some(last), .. } => last.hint(),
            Self::TimedOut { .. } => {
                Some("the broker may be overloaded or starting; request.timeout.ms can be raised".to_owned())
            }
            Self::RecordTooLarge { key, .. } => Some(format!("raise {key}, or send smaller records")),
            Self::NoOffset { .. } | Self::OffsetOutOfRange { .. } => {
                Some("set auto.offset.reset to earliest or latest, or commit an offset first".to_owned())
            }
            Self::Unsupported { .. } => Some("the broker is older or newer than this client".to_owned()),
            Self::Api { code, .. } => hint_for_code(*code).map(str::to_owned),
            _ => None,
        }
    }

    pub(crate) fn api(api: ApiKey, code: ErrorCode, subject: impl Into<String>) -> Self {
        Self::Api { broker: None, api, code, message: None, subject: subject.into() }
    }

    pub(crate) fn api_with(
        api: ApiKey,
        code: ErrorCode,
        message: Option<String>,
        subject: impl Into<String>,
    ) -> Self {
        Self::Api { broker: None, api, code, message, subject: subject.into() }
    }

    /// `Err` unless the code says that nothing is wrong.
    pub(crate) fn check(api: ApiKey, code: ErrorCode, subject: impl Into<String>) -> Result<(), Self> {
        if code.is_ok() { Ok(()) } else { Err(Self::api(api, code, subject)) }
    }
}

fn hint_for_code(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "list the topics to see which exist",
        ErrorCode::TOPIC_ALREADY_EXISTS => "choose another name, or ask for --if-not-exists",
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "a name has 1 to 249 letters, digits, dots, underscores and hyphens"
        }
        ErrorCode::INVALID_REPLICATION_FACTOR => "it cannot exceed the number of brokers",
        ErrorCode::INVALID_PARTITIONS => "partitions can be added, not removed",
        ErrorCode::NON_EMPTY_GROUP | ErrorCode::UNKNOWN_MEMBER_ID => {
            "stop the group's members first; this works on a group without any"
        }
        ErrorCode::GROUP_ID_NOT_FOUND => "list the groups to see which exist",
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => "stop the group's members first",
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => {
            "raise the topic's max.message.bytes, or send smaller batches"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "fewer replicas are in sync than min.insync.replicas asks for"
        }
        ErrorCode::INVALID_SESSION_TIMEOUT => {
            "session.timeout.ms must lie between the broker's group.min and group.max.session.timeout.ms"
        }
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "all members of a group need an assignor in common (partition.assignment.strategy)"
        }
        ErrorCode::FENCED_INSTANCE_ID => "another consumer uses the same group.instance.id",
        ErrorCode::POLICY_VIOLATION | ErrorCode::INVALID_CONFIG => "the message names the value to change",
        ErrorCode::KAFKA_STORAGE_ERROR => "a disk of the broker failed; its log names the directory",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_one_line_with_the_code_behind() {
        let error = ClientError::api(ApiKey::CreateTopics, ErrorCode::TOPIC_ALREADY_EXISTS, "orders");
        assert_eq!(error.to_string(), "orders: Topic with this name already exists (TOPIC_ALREADY_EXISTS)");
        assert!(!error.is_retriable());
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_timeout_keeps_what_the_last_attempt_met() {
        let last = ClientError::api(ApiKey::Metadata, ErrorCode::LEADER_NOT_AVAILABLE, "orders");
        let error =
            ClientError::TimedOut { what: "metadata".into(), after_ms: 500, last: Some(Box::new(last)) };
        assert_eq!(error.code(), Some(ErrorCode::LEADER_NOT_AVAILABLE));
        assert!(error.to_string().starts_with("metadata timed out after 500 ms; last: orders: There is no"));
    }
}
