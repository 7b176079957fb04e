//! The table itself, split by theme.
//!
//! Names, types, defaults and rules are Kafka 4.1's (its `KafkaConfig` and `LogConfig`), except
//! where an entry says that a laptop's default differs and why. Only declarations live here.

mod groups;
mod ignored;
mod log;
mod network;
mod node;
mod replication;
mod topic;

use super::def::ConfigDef;

pub(super) use self::ignored::{IGNORED, IGNORED_PREFIXES, REFUSED};
pub(super) use self::topic::TOPIC;

/// Keys of Kafka's that are accepted with one warning.
#[derive(Debug, Clone, Copy)]
pub struct IgnoredKeys {
    /// Why none of them has an effect.
    pub reason: &'static str,
    /// The keys.
    pub names: &'static [&'static str],
}

/// Keys of Kafka's that protect something; ignoring them would leave it unprotected.
#[derive(Debug, Clone, Copy)]
pub struct RefusedKeys {
    /// Why they are refused.
    pub reason: &'static str,
    /// The keys.
    pub names: &'static [&'static str],
}

impl RefusedKeys {
    /// True when `value` asks for nothing, so that the key may stand in a file.
    #[must_use]
    pub fn is_off(value: &str) -> bool {
        let value = value.trim();
        value.is_empty() || value.eq_ignore_ascii_case("false")
    }
}

/// Broker-level keys that do something.
pub(super) static BROKER: &[&[ConfigDef]] =
    &[node::NODE, network::NETWORK, log::LOG, groups::GROUPS, replication::REPLICATION];
