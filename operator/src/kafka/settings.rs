//! Settings by name: what is wanted against what is set, for topics and for brokers alike. Pure.

use std::collections::BTreeMap;

use millrace_client::{AlterConfigOp, AlterOp, ConfigEntry, ConfigSource};

/// A setting that was made for a topic or for all brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its value; `None` when the broker does not show it.
    pub value: Option<String>,
    /// How to compare it.
    pub kind: ValueKind,
}

/// How a setting's values compare (`ConfigDef.Type`). A broker shows a value as it understood it, which
/// need not be how it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueKind {
    /// Letter by letter.
    #[default]
    Text,
    /// Without regard to case.
    Bool,
    /// By value.
    Number,
    /// Entry by entry.
    List,
}

impl ValueKind {
    /// From `DescribeConfigsResponse.ConfigType`.
    fn from_wire(kind: i8) -> Self {
        match kind {
            1 => Self::Bool,
            3..=6 => Self::Number,
            7 => Self::List,
            _ => Self::Text,
        }
    }

    /// Whether two spellings mean the same.
    #[must_use]
    pub fn same(self, one: &str, other: &str) -> bool {
        let (one, other) = (one.trim(), other.trim());
        if one == other {
            return true;
        }
        match self {
            Self::Text => false,
            Self::Bool => one.eq_ignore_ascii_case(other),
            // Whole numbers beyond 2^53 differ in their letters already.
            Self::Number => match (one.parse::<i64>(), other.parse::<i64>()) {
                (Ok(one), Ok(other)) => one == other,
                _ => {
                    matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
                }
            },
            Self::List => {
                let entries = |text: &str| -> Vec<String> {
                    text.split(',')
                        .map(|entry| entry.trim().to_owned())
                        .filter(|entry| !entry.is_empty())
                        .collect()
                };
                entries(one) == entries(other)
            }
        }
    }
}

/// Settings by name.
pub type Settings = BTreeMap<String, Setting>;

/// A setting that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting.
    pub name: String,
    /// What it is; `None` for the broker's default.
    pub from: Option<String>,
    /// What it should be; `None` for the broker's default.
    pub to: Option<String>,
}

/// The settings among `entries` that were made at `level`, not inherited.
#[must_use]
pub fn made_at(level: ConfigSource, entries: Vec<ConfigEntry>) -> Settings {
    entries
        .into_iter()
        .filter(|entry| entry.source == level)
        .map(|entry| {
            let kind = ValueKind::from_wire(entry.kind);
            (entry.name, Setting { value: entry.value, kind })
        })
        .collect()
}

/// What must change so that `actual` is as `wanted`: a value is enforced, a name that is absent goes back
/// to the default, and one with `None` is somebody else's.
#[must_use]
pub fn changes(wanted: &BTreeMap<String, Option<String>>, actual: &Settings) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    for (name, value) in wanted {
        let Some(value) = value else { continue };
        let from = actual.get(name);
        let same = from.is_some_and(|setting| match &setting.value {
            Some(actual) => setting.kind.same(actual, value),
            // Secret: it cannot be compared, so it is not fought over.
            None => true,
        });
        if !same {
            let from = from.and_then(|setting| setting.value.clone());
            changes.push(SettingChange { name: name.clone(), from, to: Some(value.clone()) });
        }
    }
    for (name, setting) in actual {
        if !wanted.contains_key(name) {
            changes.push(SettingChange { name: name.clone(), from: setting.value.clone(), to: None });
        }
    }
    changes
}

/// The change for IncrementalAlterConfigs (KIP-339).
#[must_use]
pub fn operation(change: &SettingChange) -> AlterConfigOp {
    let op = if change.to.is_some() { AlterOp::Set } else { AlterOp::Delete };
    AlterConfigOp { name: change.name.clone(), op, value: change.to.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str, kind: ValueKind) -> Setting {
        Setting { value: Some(value.to_owned()), kind }
    }

    #[test]
    fn a_value_is_enforced_absence_is_the_default_and_null_is_hands_off() {
        let wanted = BTreeMap::from([
            ("cleanup.policy".to_owned(), Some("compact, delete".to_owned())),
            ("retention.ms".to_owned(), Some("1000".to_owned())),
            ("segment.bytes".to_owned(), None),
            ("min.cleanable.dirty.ratio".to_owned(), Some("0.50".to_owned())),
            ("preallocate".to_owned(), Some("True".to_owned())),
        ]);
        let actual = Settings::from([
            ("cleanup.policy".to_owned(), set("compact,delete", ValueKind::List)),
            ("retention.ms".to_owned(), set("2000", ValueKind::Number)),
            ("segment.bytes".to_owned(), set("1048576", ValueKind::Number)),
            ("min.cleanable.dirty.ratio".to_owned(), set("0.5", ValueKind::Number)),
            ("max.message.bytes".to_owned(), set("1", ValueKind::Number)),
        ]);
        let changed: Vec<(String, Option<String>, Option<String>)> =
            changes(&wanted, &actual).into_iter().map(|one| (one.name, one.from, one.to)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            changed,
            [
                ("preallocate".to_owned(), None, some("True")),
                ("retention.ms".to_owned(), some("2000"), some("1000")),
                ("max.message.bytes".to_owned(), some("1"), None),
            ]
        );
    }

    #[test]
    fn large_numbers_are_compared_exactly() {
        assert!(!ValueKind::Number.same("9223372036854775807", "9223372036854775806"));
        assert!(ValueKind::Number.same("0010", "10"));
        assert!(!ValueKind::Text.same("A", "a"));
    }
}
