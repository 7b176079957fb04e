//! The operator's Kafka client: patient enough for a broker that restarts, not more, since an object
//! that waits holds a place among the reconciles.

use std::time::Duration;

use millrace_client::{Admin, Client, ClientConfig, ClientError};

/// One request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A call with its retries.
const API_TIMEOUT: Duration = Duration::from_secs(15);

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

/// An error in a sentence, with what to do about it where that is known.
#[must_use]
pub fn explained(error: &ClientError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
