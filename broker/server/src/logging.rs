//! The log of this process: lines for people on a terminal, JSON for collectors, and a level that can
//! change while it runs. Knows names of crates and levels, nothing of what is logged.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// What Kafka calls the logger above all others.
pub(crate) const ROOT: &str = "root";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Levels by crate or module, changeable while the broker runs.
#[derive(Debug, Clone)]
pub(crate) struct LogLevels {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    levels: Mutex<Levels>,
    filter: reload::Handle<Targets, Registry>,
}

#[derive(Debug, Clone)]
struct Levels {
    root: LevelFilter,
    targets: BTreeMap<String, LevelFilter>,
}

impl Levels {
    fn filter(&self) -> Targets {
        Targets::new().with_default(self.root).with_targets(self.targets.clone())
    }
}

/// Starts logging to the standard error. `levels` is `LEVEL` or `TARGET=LEVEL`, several with commas.
///
/// # Errors
/// A text for people when `levels` cannot be read.
pub(crate) fn start(format: LogFormat, levels: &str) -> Result<LogLevels, String> {
    let levels = parse(levels)?;
    let (filter, handle) = reload::Layer::new(levels.filter());
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    // A second start in one process keeps the first subscriber; only tests do that.
    let _started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().is_ok();
    Ok(LogLevels { shared: Arc::new(Shared { levels: Mutex::new(levels), filter: handle }) })
}

fn parse(text: &str) -> Result<Levels, String> {
    let mut levels = Levels { root: LevelFilter::INFO, targets: BTreeMap::new() };
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((target, level)) => {
                levels.targets.insert(target.trim().to_owned(), parse_level(level)?);
            }
            None => levels.root = parse_level(part)?,
        }
    }
    Ok(levels)
}

/// A level by its name; Kafka's `FATAL` and `OFF` are understood as well.
pub(crate) fn parse_level(text: &str) -> Result<LevelFilter, String> {
    match text.trim().to_ascii_uppercase().as_str() {
        "OFF" => Ok(LevelFilter::OFF),
        "FATAL" | "ERROR" => Ok(LevelFilter::ERROR),
        "WARN" | "WARNING" => Ok(LevelFilter::WARN),
        "INFO" => Ok(LevelFilter::INFO),
        "DEBUG" => Ok(LevelFilter::DEBUG),
        "TRACE" => Ok(LevelFilter::TRACE),
        _ => Err(format!("{:?} is no level; one of OFF, ERROR, WARN, INFO, DEBUG, TRACE", text.trim())),
    }
}

impl LogLevels {
    /// Every level that is set, the root's first.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let levels = self.shared.levels.lock();
        let name = |level: &LevelFilter| level.to_string().to_ascii_uppercase();
        let root = std::iter::once((ROOT.to_owned(), name(&levels.root)));
        root.chain(levels.targets.iter().map(|(target, level)| (target.clone(), name(level)))).collect()
    }

    /// Sets the level of a crate or module, or of everything; `None` takes it back to what is above it.
    pub(crate) fn set(&self, target: &str, level: Option<LevelFilter>) {
        let mut levels = self.shared.levels.lock();
        match (target, level) {
            (ROOT | "", level) => levels.root = level.unwrap_or(LevelFilter::INFO),
            (target, Some(level)) => {
                levels.targets.insert(target.to_owned(), level);
            }
            (target, None) => {
                levels.targets.remove(target);
            }
        }
        if let Err(error) = self.shared.filter.reload(levels.filter()) {
            tracing::warn!("the log level stays as it is: {error}");
        }
    }

    /// Sets all levels from the text that [`start`] takes.
    ///
    /// # Errors
    /// A text for people.
    pub(crate) fn replace(&self, text: &str) -> Result<(), String> {
        let parsed = parse(text)?;
        *self.shared.levels.lock() = parsed.clone();
        self.shared.filter.reload(parsed.filter()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_for_everything_and_for_parts() {
        let levels = parse("warn, millrace_log=debug").unwrap();
        assert_eq!(levels.root, LevelFilter::WARN);
        assert_eq!(levels.targets["millrace_log"], LevelFilter::DEBUG);
        assert_eq!(
            parse("loud").unwrap_err(),
            "\"loud\" is no level; one of OFF, ERROR, WARN, INFO, DEBUG, TRACE"
        );
    }
}
