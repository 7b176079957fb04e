//! Where a value was written, and what is wrong with it: enough for a person to go there and mend it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file, and the line counted from 1.
    File { path: Arc<PathBuf>, line: usize },
    /// A file as a whole.
    WholeFile(Arc<PathBuf>),
    /// The name of an environment variable.
    Environment(String),
    /// `--override` on the command line.
    Override,
    /// Another flag on the command line.
    Flag(&'static str),
    /// Nobody has set it.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::WholeFile(path) => write!(f, "{}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Override => f.write_str("--override"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A key, the value that somebody gave it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) place: Place,
}

/// One reason not to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn new(entry: &Entry, what: impl Into<String>) -> Self {
        Self { key: entry.key.clone(), place: entry.place.clone(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.key, self.what)
    }
}

/// Every reason not to start, so that they can be mended in one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refused(pub(crate) Vec<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Something that does not keep the broker from starting and that its owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A setting has no effect.
    Warning(String),
    /// A setting is fine, and what was made of it may surprise.
    Info(String),
}

impl Notice {
    /// Writes it to the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Warning(text) => tracing::warn!("{text}"),
            Self::Info(text) => tracing::info!("{text}"),
        }
    }
}
