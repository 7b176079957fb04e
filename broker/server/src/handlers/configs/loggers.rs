//! Levels of loggers as a resource of their own (KIP-412; `RuntimeLoggerManager`). They change in this
//! process and are forgotten with it.

use millrace_metadata::controller::ApiError;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_configs::DescribeConfigsResourceResult;
use millrace_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use tracing::level_filters::LevelFilter;

use crate::logging::{LogLevels, ROOT, parse_level};

/// Kafka's `DYNAMIC_BROKER_LOGGER_CONFIG`.
const SOURCE: i8 = 6;
/// Crates of this process that log. Their modules may be named as well.
const CRATES: [&str; 6] = [
    "millrace",
    "millrace_log",
    "millrace_metadata",
    "millrace_coordinator",
    "millrace_protocol",
    "millrace_client",
];
const LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A change that was found good.
type Change<'a> = (&'a str, Option<LevelFilter>);

pub(super) fn describe(levels: &LogLevels) -> Vec<DescribeConfigsResourceResult> {
    let mut all = levels.all();
    let root = all.first().map(|(_, level)| level.clone()).unwrap_or_default();
    for name in CRATES {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.to_owned(), root.clone()));
        }
    }
    let entries = all.into_iter().map(|(name, level)| DescribeConfigsResourceResult {
        name,
        value: Some(level),
        config_source: SOURCE,
        ..DescribeConfigsResourceResult::default()
    });
    entries.collect()
}

/// Checks all changes of a resource, then makes them.
pub(super) fn alter(
    levels: &LogLevels,
    node_id: i32,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ApiError> {
    let invalid = |text: String| ApiError::new(ErrorCode::INVALID_REQUEST, text);
    let name = &resource.resource_name;
    let id: i32 =
        name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
    if id != node_id {
        return Err(invalid(format!("Unexpected node id. Expected {node_id}, but received {id}")));
    }
    let changes = resource.configs.iter().map(|config| {
        check(levels, &config.name, config.config_operation, config.value.as_deref().unwrap_or_default())
    });
    let changes = changes.collect::<Result<Vec<Change<'_>>, ApiError>>()?;
    if !validate_only {
        for (logger, level) in changes {
            levels.set(logger, level);
            tracing::warn!(
                logger,
                "log level changed to {}",
                level.map_or_else(|| "the root's".to_owned(), |level| level.to_string())
            );
        }
    }
    Ok(())
}

fn check<'a>(
    levels: &LogLevels,
    logger: &'a str,
    operation: i8,
    value: &str,
) -> Result<Change<'a>, ApiError> {
    let invalid = |text: String| ApiError::new(ErrorCode::INVALID_REQUEST, text);
    let refused = |text: String| ApiError::new(ErrorCode::INVALID_CONFIG, text);
    match operation {
        SET | DELETE if !exists(levels, logger) => Err(refused(format!("Logger {logger} does not exist!"))),
        SET if !LEVELS.contains(&value) => Err(refused(format!(
            "Cannot set the log level of {logger} to {value} as it is not a supported log level. Valid log levels are {}",
            LEVELS.join(", ")
        ))),
        SET => Ok((logger, Some(parse_level(value).map_err(refused)?))),
        DELETE if logger == ROOT => {
            Err(invalid(format!("Removing the log level of the {ROOT} logger is not allowed")))
        }
        DELETE => Ok((logger, None)),
        APPEND => Err(invalid("APPEND operation is not allowed for the BROKER_LOGGER resource".to_owned())),
        SUBTRACT => {
            Err(invalid("SUBTRACT operation is not allowed for the BROKER_LOGGER resource".to_owned()))
        }
        other => Err(invalid(format!(
            "Unknown operation type {other} is not allowed for the BROKER_LOGGER resource"
        ))),
    }
}

fn exists(levels: &LogLevels, logger: &str) -> bool {
    let of_crate =
        |name: &str| logger.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    logger == ROOT
        || CRATES.iter().any(|name| of_crate(name))
        || levels.all().iter().any(|(known, _)| known == logger)
}
