//! What Java's producers and consumers throw and log where ours fails: their texts name topics and sizes
//! that the protocol's errors do not.

use std::time::Duration;

use millrace_client::ClientError;
use millrace_protocol::ErrorCode;

use super::log;
use super::throwable::Throwable;
use crate::admin::throwable;
use crate::io::Io;

/// Properties that Java's clients look at after they have read all of them, and whose complaints are then
/// wrapped.
const CHECKED_LATE: [&str; 2] = ["bootstrap.servers", "delivery.timeout.ms"];

/// How the client's error begins that says that a topic or partition was not found in time.
const FINDING: &str = "finding ";

/// The exception of a producer or consumer (`kind`) that cannot be made.
pub(crate) fn cannot_construct(kind: &str, error: ClientError) -> Throwable {
    let error = match error {
        ClientError::Config { key, message } if message.starts_with("Missing required") => {
            let message = format!("No resolvable bootstrap urls given in {key}");
            ClientError::Config { key, message }
        }
        other => other,
    };
    let is_late = matches!(&error, ClientError::Config { key, message }
        if CHECKED_LATE.contains(&key.as_str()) && !message.starts_with("Invalid value"));
    let cause = throwable(error);
    if is_late {
        let message = format!("Failed to construct kafka {kind}");
        return Throwable::new("org.apache.kafka.common.KafkaException", message).caused_by(cause);
    }
    cause
}

/// The exception for a failure about a topic.
pub(crate) fn about_topic(topic: &str, error: ClientError) -> Throwable {
    match &error {
        ClientError::RecordTooLarge { size_bytes, limit_bytes, key } => Throwable::kafka(
            "RecordTooLargeException",
            format!(
                "The message is {size_bytes} bytes when serialized which is larger than {limit_bytes}, which is \
                 the value of the {key} configuration."
            ),
        ),
        _ if is_invalid_topic(&error) => {
            Throwable::kafka("InvalidTopicException", format!("Invalid topics: [{topic}]"))
        }
        _ => throwable(error),
    }
}

fn is_invalid_topic(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::INVALID_TOPIC_EXCEPTION)
}

/// Failures of one client about one topic. A name that is wrong is logged once, as Java's clients do, and
/// has another text from then on.
#[derive(Debug, Clone)]
pub(crate) struct TopicFailures {
    topic: String,
    client: String,
    block_max_ms: u128,
    is_known_invalid: bool,
}

impl TopicFailures {
    /// None so far. `client` is how Java's client introduces itself: `Producer clientId=me`.
    pub(crate) fn new(topic: &str, client: String) -> Self {
        Self { topic: topic.to_owned(), client, block_max_ms: 0, is_known_invalid: false }
    }

    /// The same, of a producer that waits so long for its topic (`max.block.ms`).
    pub(crate) fn within(self, block_max: Duration) -> Self {
        Self { block_max_ms: block_max.as_millis(), ..self }
    }

    /// What [`TopicFailures::next`] makes of it, without having waited: it was waited for before.
    pub(crate) fn not_found_in_time(topic: &str) -> ClientError {
        ClientError::TimedOut { what: format!("{FINDING}topic {topic}"), after_ms: 0, last: None }
    }

    /// The exception for the next failure, with what is to be logged before it is told.
    pub(crate) fn next(&mut self, error: ClientError) -> (Vec<LogLine>, Throwable) {
        let topic = &self.topic;
        if matches!(&error, ClientError::TimedOut { what, .. } if what.starts_with(FINDING)) {
            let after_ms = self.block_max_ms;
            let message = format!("Topic {topic} not present in metadata after {after_ms} ms.");
            return (Vec::new(), Throwable::kafka("TimeoutException", message));
        }
        if !is_invalid_topic(&error) {
            return (Vec::new(), about_topic(topic, error));
        }
        if self.is_known_invalid {
            return (Vec::new(), Throwable::kafka("InvalidTopicException", topic.as_str()));
        }
        self.is_known_invalid = true;
        let client = &self.client;
        let lines = vec![
            LogLine::Warn(
                "org.apache.kafka.clients.NetworkClient",
                format!(
                    "[{client}] The metadata response from the cluster reported a recoverable issue with \
                     correlation id 1 : {{{topic}=INVALID_TOPIC_EXCEPTION}}"
                ),
            ),
            LogLine::Error(
                "org.apache.kafka.clients.Metadata",
                format!("[{client}] Metadata response reported invalid topics [{topic}]"),
            ),
        ];
        (lines, about_topic(topic, error))
    }
}

/// A line to log: by whom, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogLine {
    /// At level WARN.
    Warn(&'static str, String),
    /// At level ERROR.
    Error(&'static str, String),
}

impl LogLine {
    /// Logs it.
    pub(crate) fn write(&self, io: &mut Io) {
        match self {
            Self::Warn(logger, message) => log::warn(io, logger, message),
            Self::Error(logger, message) => log::error(io, logger, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_protocol::ApiKey;

    use super::*;

    #[test]
    fn a_wrong_name_is_logged_once() {
        let mut failures = TopicFailures::new("a b", "Producer clientId=me".to_owned());
        let error = || ClientError::Api {
            broker: None,
            api: ApiKey::Metadata,
            code: ErrorCode::INVALID_TOPIC_EXCEPTION,
            message: None,
            subject: "a b".to_owned(),
        };
        let (lines, first) = failures.next(error());
        assert_eq!((lines.len(), first.message()), (2, "Invalid topics: [a b]"));
        let (lines, second) = failures.next(error());
        assert_eq!((lines.len(), second.message()), (0, "a b"));
    }

    #[test]
    fn complaints_about_addresses_are_wrapped() {
        let missing = ClientError::Config {
            key: "bootstrap.servers".to_owned(),
            message: "Missing required configuration \"bootstrap.servers\" which has no default value."
                .to_owned(),
        };
        let error = cannot_construct("producer", missing);
        assert_eq!(error.message(), "Failed to construct kafka producer");
        assert_eq!(
            error.cause().unwrap().message(),
            "No resolvable bootstrap urls given in bootstrap.servers"
        );
    }
}
