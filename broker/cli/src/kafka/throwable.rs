//! Failures as Kafka's tools print them: the class, the message and the causes of a Java exception.
//!
//! Scripts that drive Kafka's tools match on these texts, so they are data here. The lines that begin
//! with `at` name Java's call stack, which does not exist here; they are left out.

use std::fmt;

use millrace_protocol::ErrorCode;

/// A failure with the class name that Java would print for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Throwable {
    class: String,
    message: Option<String>,
    cause: Option<Box<Throwable>>,
}

impl Throwable {
    /// A failure of `class`, by its full name.
    pub(crate) fn new(class: &str, message: impl Into<String>) -> Self {
        Self { class: class.to_owned(), message: Some(message.into()), cause: None }
    }

    /// A failure of `class` without a message.
    pub(crate) fn bare(class: &str) -> Self {
        Self { class: class.to_owned(), message: None, cause: None }
    }

    /// `java.lang.IllegalArgumentException`.
    pub(crate) fn illegal_argument(message: impl Into<String>) -> Self {
        Self::new("java.lang.IllegalArgumentException", message)
    }

    /// `org.apache.kafka.common.errors.<name>`.
    pub(crate) fn kafka(name: &str, message: impl Into<String>) -> Self {
        Self::new(&format!("org.apache.kafka.common.errors.{name}"), message)
    }

    /// `java.lang.NumberFormatException` as `Integer.parseInt` words it.
    pub(crate) fn number_format(input: &str) -> Self {
        Self::new("java.lang.NumberFormatException", format!("For input string: \"{input}\""))
    }

    /// The exception that `org.apache.kafka.common.protocol.Errors` has for `code`, with the broker's own
    /// message where it sent one.
    pub(crate) fn from_code(code: ErrorCode, message: Option<&str>) -> Self {
        let text = message.unwrap_or_else(|| code.message());
        Self::kafka(&class_of(code), text)
    }

    /// The same failure, wrapped as a future or an executor wraps it: the message is the cause's text.
    pub(crate) fn wrapped_in(self, class: &str) -> Self {
        Self { class: class.to_owned(), message: Some(self.to_string()), cause: Some(Box::new(self)) }
    }

    /// `java.util.concurrent.ExecutionException` around the failure, as `KafkaFuture.get` throws it.
    pub(crate) fn execution(self) -> Self {
        self.wrapped_in("java.util.concurrent.ExecutionException")
    }

    /// `java.lang.RuntimeException` around the failure.
    pub(crate) fn runtime(self) -> Self {
        self.wrapped_in("java.lang.RuntimeException")
    }

    /// The same failure with another one behind it.
    pub(crate) fn caused_by(mut self, cause: Throwable) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The class by its full name.
    pub(crate) fn class(&self) -> &str {
        &self.class
    }

    /// The class without its package.
    pub(crate) fn simple_name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or(&self.class)
    }

    /// What `getMessage` gives; `null` where there is none.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("null")
    }

    /// What is behind it.
    pub(crate) fn cause(&self) -> Option<&Throwable> {
        self.cause.as_deref()
    }

    /// The failure and its causes, one a line, each line ended.
    pub(crate) fn stack_trace(&self) -> String {
        let mut text = format!("{self}\n");
        let mut next = self.cause();
        while let Some(cause) = next {
            text.push_str(&format!("Caused by: {cause}\n"));
            next = cause.cause();
        }
        text
    }
}

impl fmt::Display for Throwable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.class),
            None => f.write_str(&self.class),
        }
    }
}

impl std::error::Error for Throwable {}

/// Most of Kafka's exceptions are named after their code; these are not.
const IRREGULAR: &[(ErrorCode, &str)] = &[
    (ErrorCode::UNKNOWN_SERVER_ERROR, "UnknownServerException"),
    (ErrorCode::CORRUPT_MESSAGE, "CorruptRecordException"),
    (ErrorCode::REQUEST_TIMED_OUT, "TimeoutException"),
    (ErrorCode::MESSAGE_TOO_LARGE, "RecordTooLargeException"),
    (ErrorCode::STALE_CONTROLLER_EPOCH, "ControllerMovedException"),
    (ErrorCode::OFFSET_METADATA_TOO_LARGE, "OffsetMetadataTooLarge"),
    (ErrorCode::RECORD_LIST_TOO_LARGE, "RecordBatchTooLargeException"),
    (ErrorCode::INVALID_TOPIC_EXCEPTION, "InvalidTopicException"),
    (ErrorCode::NETWORK_EXCEPTION, "NetworkException"),
    (ErrorCode::TOPIC_ALREADY_EXISTS, "TopicExistsException"),
    (ErrorCode::INVALID_CONFIG, "InvalidConfigurationException"),
    (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "OutOfOrderSequenceException"),
    (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, "DuplicateSequenceException"),
    (ErrorCode::INVALID_PRODUCER_ID_MAPPING, "InvalidPidMappingException"),
    (ErrorCode::INVALID_TRANSACTION_TIMEOUT, "InvalidTxnTimeoutException"),
    (ErrorCode::NON_EMPTY_GROUP, "GroupNotEmptyException"),
    (ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED, "DelegationTokenDisabledException"),
    (ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, "UnsupportedByAuthenticationException"),
    (ErrorCode::INVALID_REGULAR_EXPRESSION, "InvalidRegularExpression"),
];

fn class_of(code: ErrorCode) -> String {
    if let Some((_, name)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == code) {
        return (*name).to_owned();
    }
    let mut name = String::new();
    for word in code.name().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next());
        name.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    if !name.ends_with("Exception") {
        name.push_str("Exception");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_exceptions_as_kafka_does() {
        let cases = [
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "UnknownTopicOrPartitionException"),
            (ErrorCode::TOPIC_ALREADY_EXISTS, "TopicExistsException"),
            (ErrorCode::GROUP_ID_NOT_FOUND, "GroupIdNotFoundException"),
            (ErrorCode::NETWORK_EXCEPTION, "NetworkException"),
            (ErrorCode::NON_EMPTY_GROUP, "GroupNotEmptyException"),
        ];
        for (code, name) in cases {
            assert_eq!(Throwable::from_code(code, None).simple_name(), name);
        }
    }

    #[test]
    fn prints_causes_below() {
        let error = Throwable::from_code(ErrorCode::INVALID_GROUP_ID, None).execution();
        assert_eq!(
            error.stack_trace(),
            "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.InvalidGroupIdException: \
             The group id is invalid.\nCaused by: org.apache.kafka.common.errors.InvalidGroupIdException: \
             The group id is invalid.\n"
        );
    }
}
