//! Why something is not as its spec says, for a status. Pure.

use millrace_client::ClientError;
use millrace_protocol::ErrorCode;

use crate::kafka::connect::explained;

/// A reason for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In one word.
    pub reason: &'static str,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl Problem {
    /// A problem.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// What a broker refused, if trying again does not help until the spec or the broker changes.
    #[must_use]
    pub fn refusal(error: &ClientError) -> Option<Self> {
        let reason = match error.code()? {
            ErrorCode::INVALID_CONFIG => "InvalidConfig",
            ErrorCode::INVALID_PARTITIONS => "InvalidPartitions",
            ErrorCode::INVALID_REPLICATION_FACTOR => "InvalidReplicationFactor",
            ErrorCode::INVALID_TOPIC_EXCEPTION => "InvalidName",
            ErrorCode::POLICY_VIOLATION => "PolicyViolation",
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::GROUP_AUTHORIZATION_FAILED => "NotAuthorized",
            ErrorCode::INVALID_REQUEST | ErrorCode::TOPIC_DELETION_DISABLED => "Refused",
            _ => return None,
        };
        Some(Self::new(reason, explained(error)))
    }
}

/// Several problems as one: the first one's reason, everybody's words.
#[must_use]
pub fn summed(problems: &[Problem]) -> Option<Problem> {
    let first = problems.first()?;
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    Some(Problem::new(first.reason, messages.join("; ")))
}
