//! Why a reconcile did not come to an end. The object is looked at again after its back-off.

use std::time::Duration;

use millrace_client::ClientError;
use thiserror::Error;

/// Whoever is rung for comes back after so long all the same.
const NOT_NOW: Duration = Duration::from_secs(60);
/// Between two attempts to have a turn, about.
const NOT_ITS_TURN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The Kubernetes API refused, or did not answer.
    #[error("Kubernetes: {0}")]
    Kubernetes(#[source] Box<kube::Error>),
    /// A broker refused, or did not answer.
    #[error("Kafka: {0}")]
    Kafka(#[from] ClientError),
    /// Something must happen first that nobody tells about.
    #[error("waiting: {0}")]
    Waiting(String),
    /// The brokers have not been asked yet: the link rings once they have.
    #[error("the brokers have not been asked yet")]
    NotNow,
    /// Others of the same cluster are being seen to: it has its turn in a moment.
    #[error("it is not its turn")]
    NotItsTurn,
    /// A child's name is taken by what is somebody else's.
    #[error("{0}")]
    Taken(String),
    /// It went on for too long.
    #[error("given up after {} s: an answer did not come", .0.as_secs())]
    TimedOut(Duration),
    /// An object does not fit its JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<kube::Error> for ReconcileError {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

impl ReconcileError {
    /// All that [`Self::class`] gives.
    pub const CLASSES: [&'static str; 5] = ["kubernetes", "kafka", "waiting", "timeout", "json"];

    /// What is missing goes with its namespace: nothing is left to do.
    #[must_use]
    pub fn is_farewell(&self) -> bool {
        matches!(self, Self::Kubernetes(error) if is_namespace_terminating(error))
    }

    /// Nothing was done or missed: when to come back.
    #[must_use]
    pub fn comes_back_after(&self) -> Option<Duration> {
        match self {
            Self::NotNow => Some(NOT_NOW),
            // Not all at the same time.
            Self::NotItsTurn => Some(NOT_ITS_TURN.mul_f64(0.5 + fastrand::f64())),
            _ => None,
        }
    }

    /// For the metrics, in one word.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Kubernetes(_) | Self::Taken(_) => "kubernetes",
            Self::Kafka(_) => "kafka",
            Self::Waiting(_) | Self::NotNow | Self::NotItsTurn => "waiting",
            Self::TimedOut(_) => "timeout",
            Self::Json(_) => "json",
        }
    }
}

/// The API says that there is no such object.
#[must_use]
pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// What is not there, or whose kind is not there, is `None`.
///
/// # Errors
/// What else the API says.
pub fn unless_gone<T>(result: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The API says that the operator may not.
#[must_use]
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The namespace is being deleted, so that nothing can be made in it any more.
#[must_use]
pub fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}
