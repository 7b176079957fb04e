//! Finding a key by name, and the nearest right name for a wrong one.
//!
//! It must never know values.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::def::{ConfigDef, Scope};
use super::table;
use super::value::ConfigError;

/// What a broker-level name in a file or in the environment turns out to be.
#[derive(Debug, Clone, Copy)]
pub enum BrokerKey {
    /// A key that does something.
    Known(&'static ConfigDef),
    /// A key of Kafka's that has nothing to do here; warn with the reason and go on.
    Ignored {
        /// Why it has no effect.
        reason: &'static str,
    },
    /// A key of Kafka's that cannot be ignored safely; refuse unless its value is empty, false
    /// or otherwise means "off" ([`super::table::RefusedKeys::is_off`] decides).
    Refused {
        /// The key.
        name: &'static str,
        /// Why ignoring it would betray whoever set it.
        reason: &'static str,
    },
}

type Index = HashMap<&'static str, &'static ConfigDef>;

static TOPIC_INDEX: LazyLock<Index> = LazyLock::new(|| index(topic_defs()));
static BROKER_INDEX: LazyLock<Index> = LazyLock::new(|| index(broker_defs()));

fn index(defs: impl Iterator<Item = &'static ConfigDef>) -> Index {
    defs.map(|def| (def.name, def)).collect()
}

/// Every topic-level key, in the order of the table.
pub fn topic_defs() -> impl Iterator<Item = &'static ConfigDef> {
    table::TOPIC.iter()
}

/// Every broker-level key that does something, grouped by theme.
pub fn broker_defs() -> impl Iterator<Item = &'static ConfigDef> {
    table::BROKER.iter().flat_map(|theme| theme.iter())
}

/// Every accepted key without effect, with the reason.
pub fn ignored_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::IGNORED.iter().flat_map(|group| group.names.iter().map(|name| (*name, group.reason)))
}

/// The topic-level key of this name.
#[must_use]
pub fn topic_def(name: &str) -> Option<&'static ConfigDef> {
    TOPIC_INDEX.get(name).copied()
}

/// The broker-level key of this name.
#[must_use]
pub fn broker_def(name: &str) -> Option<&'static ConfigDef> {
    BROKER_INDEX.get(name).copied()
}

/// What to do with a broker-level name.
///
/// # Errors
/// [`ConfigError::Unknown`] with the nearest right name when neither Kafka nor Millrace knows it.
pub fn classify_broker_key(name: &str) -> Result<BrokerKey, ConfigError> {
    if let Some(def) = broker_def(name) {
        return Ok(BrokerKey::Known(def));
    }
    for group in table::REFUSED {
        if let Some(known) = group.names.iter().find(|known| **known == name) {
            return Ok(BrokerKey::Refused { name: known, reason: group.reason });
        }
    }
    if let Some((_, reason)) = ignored_keys().find(|(known, _)| *known == name) {
        return Ok(BrokerKey::Ignored { reason });
    }
    let by_prefix = table::IGNORED_PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
    if let Some((_, reason)) = by_prefix {
        return Ok(BrokerKey::Ignored { reason });
    }
    let nearest = nearest_name(name, Scope::Broker);
    Err(ConfigError::Unknown { name: name.to_owned(), scope: Scope::Broker, nearest })
}

/// The known name most like `name`, if any is near enough to be what was meant.
///
/// Names that do something win over names that are merely accepted.
#[must_use]
pub fn nearest_name(name: &str, scope: Scope) -> Option<&'static str> {
    /// Below this similarity (Jaro-Winkler would favour common prefixes like `log.`, so the
    /// measure is normalised Damerau-Levenshtein) a guess confuses more than it helps.
    const SIMILARITY_MIN: f64 = 0.6;
    let best = |names: &mut dyn Iterator<Item = &'static str>| {
        names
            .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, known)| known)
    };
    match scope {
        Scope::Topic => best(&mut topic_defs().map(|def| def.name)),
        Scope::Broker => best(&mut broker_defs().map(|def| def.name))
            .or_else(|| best(&mut ignored_keys().map(|(known, _)| known))),
    }
}
