//! A command's failure in words for people: what went wrong, and what could help. Never prints.

use std::fmt;

use millrace_client::ClientError;

/// The command was given right and did not succeed.
const FAILED: u8 = 1;
/// The command makes no sense as it was given.
const MISUSED: u8 = 2;

/// Why a command ends without having done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    status: u8,
}

impl Failure {
    /// Something did not work out.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, status: FAILED }
    }

    /// Arguments that contradict each other or the world.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, status: MISUSED }
    }

    /// Nothing to say: a person ended the command, and the status tells which signal did it.
    pub(crate) fn interrupted(status: u8) -> Self {
        Self { message: String::new(), hint: None, status }
    }

    /// Adds what could help.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what could help, where nothing better is known.
    pub(crate) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The cluster refused what was being done; `what` names the topic, group or partition concerned.
    pub(crate) fn refused(what: impl fmt::Display, error: ClientError) -> Self {
        // The error would name it a second time.
        let error = match error {
            ClientError::Api { broker, api, code, message, .. } => {
                ClientError::Api { broker, api, code, message, subject: what.to_string() }
            }
            other => return Self { message: format!("{what}: {other}"), ..other.into() },
        };
        error.into()
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: impl AsRef<std::path::Path>, error: &std::io::Error) -> Self {
        Self::new(format!("{}: {}", path.as_ref().display(), reason(error)))
    }

    /// What went wrong, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What could help, if anything is known to.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit status it deserves.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let hint = hint(&error);
        let status = if matches!(error, ClientError::Config { .. }) { MISUSED } else { FAILED };
        Self { message: message(&error), hint, status }
    }
}

fn message(error: &ClientError) -> String {
    match error {
        ClientError::NoBrokers { tried } if tried.len() == 1 => tried[0].clone(),
        ClientError::TimedOut { last: Some(last), .. } if is_unreachable(last) => message(last),
        other => other.to_string(),
    }
}

fn hint(error: &ClientError) -> Option<String> {
    match error {
        ClientError::NoBrokers { tried } if tried.iter().all(|one| one.contains("refused")) => Some(
            "is a broker running? `millrace serve` starts one; --bootstrap-server names another".to_owned(),
        ),
        ClientError::TimedOut { last: Some(last), .. } => hint(last).or_else(|| error.hint()),
        _ => error.hint(),
    }
}

fn is_unreachable(error: &ClientError) -> bool {
    matches!(error, ClientError::NoBrokers { .. } | ClientError::Unreachable { .. })
}

/// The system's reason without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_asks_whether_a_broker_runs() {
        let refused = "cannot connect to 127.0.0.1:1: Connection refused (os error 111)".to_owned();
        let failure = Failure::from(ClientError::NoBrokers { tried: vec![refused.clone()] });
        assert_eq!(failure.message(), refused);
        assert!(failure.hint_text().is_some_and(|hint| hint.contains("millrace serve")), "{failure:?}");
        let last = Some(Box::new(ClientError::NoBrokers { tried: vec![refused.clone()] }));
        let late = Failure::from(ClientError::TimedOut { what: "Metadata".into(), after_ms: 9, last });
        assert_eq!((late.message(), late.hint_text()), (&*refused, failure.hint_text()));
    }

    #[test]
    fn wrong_settings_are_misuse() {
        let error = ClientError::Config { key: "acks".into(), message: "Invalid value 7".into() };
        assert_eq!(Failure::from(error).status(), 2);
    }
}
