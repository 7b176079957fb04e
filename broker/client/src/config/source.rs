//! Property pairs as they were given, read one key at a time with Kafka's checks and Kafka's wording
//! (`org.apache.kafka.common.config.ConfigDef`). Remembers which keys nobody asked for. Knows no
//! meaning of any key.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ClientError;

/// Keys that Kafka's clients know and that change nothing here: code to load, metrics of a JVM, and
/// settings of security protocols, of which only PLAINTEXT is spoken.
const WITHOUT_EFFECT: &[&str] = &[
    "bootstrap.controllers",
    "client.dns.lookup",
    "enable.metrics.push",
    "group.remote.assignor",
    "interceptor.classes",
    "internal.throw.on.fetch.stable.offset.unsupported",
    "key.deserializer",
    "key.serializer",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "security.providers",
    "share.acknowledgement.mode",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "value.deserializer",
    "value.serializer",
];

/// Families of such keys.
const WITHOUT_EFFECT_PREFIXES: &[&str] = &["ssl.", "sasl."];

/// The pairs, and which of them were read.
#[derive(Debug)]
pub(super) struct Source {
    values: BTreeMap<String, String>,
    read: BTreeSet<&'static str>,
}

impl Source {
    pub(super) fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { values, read: BTreeSet::new() }
    }

    /// Whether the key was given at all.
    pub(super) fn given(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value, trimmed as Kafka trims it.
    pub(super) fn text(&mut self, key: &'static str) -> Option<&str> {
        self.read.insert(key);
        self.values.get(key).map(|value| value.trim())
    }

    /// An integer within `range`; `kind` is Kafka's name of the type (`INT`, `LONG`).
    fn number(
        &mut self,
        key: &'static str,
        default: i64,
        range: RangeInclusive<i64>,
        kind: &str,
    ) -> Result<i64, ClientError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let Ok(number) = text.parse::<i64>() else {
            return Err(invalid(key, text, &format!("Not a number of type {kind}")));
        };
        if number < *range.start() {
            return Err(invalid(key, text, &format!("Value must be at least {}", range.start())));
        }
        if number > *range.end() {
            return Err(invalid(key, text, &format!("Value must be no more than {}", range.end())));
        }
        Ok(number)
    }

    /// A 32-bit integer of at least `least`.
    pub(super) fn int(&mut self, key: &'static str, default: i32, least: i32) -> Result<i32, ClientError> {
        let range = i64::from(least)..=i64::from(i32::MAX);
        if let Some(text) = self.text(key)
            && text.parse::<i32>().is_err()
        {
            return Err(invalid(key, text, "Not a number of type INT"));
        }
        self.number(key, i64::from(default), range, "INT").map(|number| number as i32)
    }

    /// A count or size of at least `least`.
    pub(super) fn size(&mut self, key: &'static str, default: i32, least: i32) -> Result<usize, ClientError> {
        self.int(key, default, least).map(|number| usize::try_from(number).unwrap_or(0))
    }

    /// A 64-bit integer of at least `least`.
    pub(super) fn long(&mut self, key: &'static str, default: i64, least: i64) -> Result<i64, ClientError> {
        self.number(key, default, least..=i64::MAX, "LONG")
    }

    /// A time in milliseconds of at least `least`; where negative times are allowed, they mean never.
    pub(super) fn millis(
        &mut self,
        key: &'static str,
        default: i64,
        least: i64,
    ) -> Result<Duration, ClientError> {
        self.long(key, default, least)
            .map(|ms| u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, ClientError> {
        match self.text(key) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(invalid(key, text, "Expected value to be either true or false")),
        }
    }

    /// Entries between commas, trimmed; empty when the key is missing.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        self.text(key).map_or_else(Vec::new, |text| {
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
        })
    }

    /// What is left: keys that neither were read nor are known to have no effect.
    pub(super) fn unused(&self) -> Vec<String> {
        self.values
            .keys()
            .filter(|key| {
                !self.read.contains(key.as_str())
                    && !WITHOUT_EFFECT.contains(&key.as_str())
                    && !WITHOUT_EFFECT_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            })
            .cloned()
            .collect()
    }
}

/// Kafka's `ConfigException(name, value, message)`.
pub(super) fn invalid(key: &str, value: &str, why: &str) -> ClientError {
    ClientError::Config {
        key: key.to_owned(),
        message: format!("Invalid value {value} for configuration {key}: {why}"),
    }
}

/// Kafka's `ConfigException(message)`.
pub(super) fn refused(key: &str, message: impl Into<String>) -> ClientError {
    ClientError::Config { key: key.to_owned(), message: message.into() }
}
