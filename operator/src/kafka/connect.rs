//! The operator's Kafka client: patient enough for a broker that restarts, not more, since an object
//! that waits holds a place among the reconciles.

use std::time::Duration;

use millrace_client::{Admin, Client, ClientConfig, ClientError};

/// One request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A call with its retries.
const API_TIMEOUT: Duration = Duration::from_secs(15);
/// A question of a poll, with its retries: a partition without a leader, or a group whose coordinator is down,
/// takes so much time from all else that is polled. What was not answered is asked again in the next round, and
/// belief lasts longer than that.
pub const POLL_TIMEOUT: Duration = Duration::from_secs(2);
/// A question about groups that somebody waits for, while others wait for their turn: long enough to connect, and
/// for a new cluster to make the topic in which groups are kept.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of the cluster behind `bootstrap` (`host:port,host:port`). Connects when first used.
///
/// # Errors
/// [`ClientError::Config`] when an address is not `host:port`.
pub fn connect(bootstrap: &str) -> Result<Admin, ClientError> {
    let mut config = ClientConfig::new(bootstrap);
    config.client_id = "millrace-operator".to_owned();
    config.timeouts.request = REQUEST_TIMEOUT;
    config.timeouts.api = API_TIMEOUT;
    Ok(Admin::new(Client::new(config)?))
}

/// An error in a sentence, with what to do about it where that is known. In the same words whenever it is met
/// again, since it goes into statuses.
#[must_use]
pub fn explained(error: &ClientError) -> String {
    let said = steady(error);
    match error.hint() {
        Some(hint) => format!("{said}; {hint}"),
        None => said,
    }
}

/// Without what differs from one attempt to the next: for how long it went on, and which broker was tried first.
pub(super) fn steady(error: &ClientError) -> String {
    match error {
        ClientError::TimedOut { last: Some(last), .. } => steady(last),
        ClientError::TimedOut { what, last: None, .. } => format!("{what} timed out"),
        ClientError::NoBrokers { tried } => {
            let mut tried = tried.clone();
            tried.sort_unstable();
            ClientError::NoBrokers { tried }.to_string()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_in_the_same_words() {
        let tried = |lines: [&str; 2]| ClientError::NoBrokers { tried: lines.map(str::to_owned).into() };
        let late = |after_ms, last| ClientError::TimedOut { what: "Metadata".into(), after_ms, last };
        let first = late(14_213, Some(Box::new(tried(["a: refused", "b: refused"]))));
        let second = late(15_001, Some(Box::new(tried(["b: refused", "a: refused"]))));
        assert_eq!(explained(&first), explained(&second));
        assert!(explained(&first).contains("a: refused"), "{}", explained(&first));
        assert_eq!(explained(&late(1, None)), explained(&late(2, None)));
    }
}
