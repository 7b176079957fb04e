//! What one configuration key is: its type, default, rule, when it may change, and what it means.
//!
//! Pure declarations and the parser of one value. It must never know where a value came from
//! (file, environment, dynamic record) nor what the broker does with it.

use std::fmt;

use super::value::{ConfigError, ConfigValue};

/// The type of a value, as Kafka's `ConfigDef.Type` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, any case.
    Boolean,
    /// 32-bit signed.
    Int,
    /// 64-bit signed.
    Long,
    /// 16-bit signed.
    Short,
    /// 64-bit float.
    Double,
    /// Text, trimmed.
    String,
    /// Comma-separated text; empty text is the empty list.
    List,
    /// Text that must never be shown or logged.
    Password,
}

impl ConfigType {
    /// The number DescribeConfigs carries for this type (Kafka's `DescribeConfigsResponse.ConfigType`).
    #[must_use]
    pub const fn wire_id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Password => 9,
        }
    }

    /// Kafka's name in capitals, as its error messages print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Password => "PASSWORD",
        }
    }
}

impl fmt::Display for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_ascii_lowercase())
    }
}

/// When a broker-level key may change. Topic-level keys may always change and carry `ClusterWide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only at start, from file, environment or command line.
    ReadOnly,
    /// At run time, for one broker at a time.
    PerBroker,
    /// At run time, for one broker or for all of them.
    ClusterWide,
}

impl fmt::Display for UpdateMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
        })
    }
}

/// Where a key may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// On a topic.
    Topic,
    /// On a broker, or as the default of all brokers.
    Broker,
}

/// The rule a parsed value must satisfy.
#[derive(Debug, Clone, Copy)]
pub enum Validator {
    /// Everything of the right type.
    Any,
    /// A whole number of at least this.
    AtLeast(i64),
    /// A whole number between the two, both included.
    Between(i64, i64),
    /// A fraction between the two, both included.
    Fraction(f64, f64),
    /// The text, or each element of the list, is one of these.
    OneOf(&'static [&'static str]),
    /// A rule of its own: what it demands, in words, and the check.
    Custom {
        /// The sentence shown when the check fails; with `{name}` replaced by the key.
        rule: &'static str,
        /// True when the value is acceptable.
        check: fn(&ConfigValue) -> bool,
    },
}

impl Validator {
    /// The violated rule in Kafka's words, or `None` when `value` is acceptable.
    ///
    /// The second part is the offending text: Kafka names the bad element of a list, not the list.
    fn violation(&self, name: &str, value: &ConfigValue) -> Option<(String, String)> {
        let shown = || value.to_string();
        match *self {
            Self::Any => None,
            Self::AtLeast(min) => {
                (value.as_i64()? < min).then(|| (format!("Value must be at least {min}"), shown()))
            }
            Self::Between(min, max) => {
                let number = value.as_i64()?;
                if number < min {
                    Some((format!("Value must be at least {min}"), shown()))
                } else if number > max {
                    Some((format!("Value must be no more than {max}"), shown()))
                } else {
                    None
                }
            }
            Self::Fraction(min, max) => {
                let number = value.as_f64()?;
                if number < min {
                    Some((format!("Value must be at least {min}"), shown()))
                } else if number > max {
                    Some((format!("Value must be no more than {max}"), shown()))
                } else {
                    None
                }
            }
            Self::OneOf(allowed) => {
                let bad = value.elements().find(|element| !allowed.contains(element))?;
                let rule = format!("String must be one of: {}", allowed.join(", "));
                Some((rule, bad.to_owned()))
            }
            Self::Custom { rule, check } => {
                // Java prints the list object here, brackets and all.
                let shown = match value {
                    ConfigValue::List(list) => format!("[{}]", list.join(", ")),
                    _ => shown(),
                };
                (!check(value)).then(|| (rule.replace("{name}", name), shown))
            }
        }
    }
}

impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any value"),
            Self::AtLeast(min) => write!(f, "at least {min}"),
            Self::Between(min, max) => write!(f, "from {min} to {max}"),
            Self::Fraction(min, max) => write!(f, "from {min} to {max}"),
            Self::OneOf(allowed) => write!(f, "one of {}", allowed.join(", ")),
            Self::Custom { rule, .. } => f.write_str(&rule.replace("{name}", "it")),
        }
    }
}

/// How a broker-level key's number becomes the topic-level key's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The same number.
    Same,
    /// Milliseconds to milliseconds, where every negative number is -1.
    MsOrForEver,
    /// Minutes to milliseconds.
    MinutesToMs,
    /// Hours to milliseconds.
    HoursToMs,
}

impl Unit {
    /// `text` in the topic key's unit. Text that is not a number is returned unchanged: the
    /// table's own parser has already refused it where it was set.
    #[must_use]
    pub fn convert(self, text: &str) -> String {
        let factor: i64 = match self {
            Self::Same => return text.to_owned(),
            Self::MsOrForEver => 1,
            Self::MinutesToMs => 60_000,
            Self::HoursToMs => 3_600_000,
        };
        match text.trim().parse::<i64>() {
            // Every negative retention means "for ever"; Kafka normalises it to -1.
            Ok(number) if number < 0 => "-1".to_owned(),
            Ok(number) => number.saturating_mul(factor).to_string(),
            Err(_) => text.to_owned(),
        }
    }
}

/// A broker-level key that gives a key its value when the key itself is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// The broker-level key.
    pub name: &'static str,
    /// How its value is converted.
    pub unit: Unit,
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigDef {
    /// The property's name.
    pub name: &'static str,
    /// Topic or broker.
    pub scope: Scope,
    /// The type of its value.
    pub kind: ConfigType,
    /// The default as text; `None` is Kafka's null: unset, and something else decides.
    pub default: Option<&'static str>,
    /// The rule for values.
    pub validator: Validator,
    /// When it may change.
    pub update: UpdateMode,
    /// Broker-level keys that stand in for it, the most specific first. For a broker-level key
    /// that has siblings in other units the list starts with the key itself.
    pub synonyms: &'static [Synonym],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

impl ConfigDef {
    /// True when values must be hidden in answers and logs.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, ConfigType::Password)
    }

    /// Parse and check one value.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the key and the rule, in the words of Kafka's `ConfigDef`.
    pub fn parse(&self, text: &str) -> Result<ConfigValue, ConfigError> {
        let value = ConfigValue::parse(self.kind, text).map_err(|rule| self.invalid(text, rule))?;
        match self.validator.violation(self.name, &value) {
            None => Ok(value),
            Some((rule, shown)) => Err(self.invalid(&shown, rule)),
        }
    }

    /// The default, parsed; `None` where the default is null.
    ///
    /// The table's tests parse every default, so a default that does not parse cannot be shipped.
    #[must_use]
    pub fn default_value(&self) -> Option<ConfigValue> {
        self.default.and_then(|text| self.parse(text).ok())
    }

    fn invalid(&self, shown: &str, rule: String) -> ConfigError {
        let value = if self.is_sensitive() { "[hidden]" } else { shown };
        ConfigError::Invalid { name: self.name, value: value.to_owned(), rule }
    }
}

/// Table entry of a topic-level key.
pub(super) const fn topic(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    validator: Validator,
    synonyms: &'static [Synonym],
    doc: &'static str,
) -> ConfigDef {
    let default = Some(default);
    let (scope, update) = (Scope::Topic, UpdateMode::ClusterWide);
    ConfigDef { name, scope, kind, default, validator, update, synonyms, doc }
}

/// Table entry of a broker-level key that is read at start.
pub(super) const fn broker(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    validator: Validator,
    doc: &'static str,
) -> ConfigDef {
    let (scope, update) = (Scope::Broker, UpdateMode::ReadOnly);
    ConfigDef { name, scope, kind, default, validator, update, synonyms: &[], doc }
}

impl ConfigDef {
    /// The same entry, changeable at run time.
    pub(super) const fn dynamic(self, update: UpdateMode) -> Self {
        Self { update, ..self }
    }

    /// The same entry with its siblings in other units.
    pub(super) const fn siblings(self, synonyms: &'static [Synonym]) -> Self {
        Self { synonyms, ..self }
    }
}

/// A synonym in the same unit.
pub(super) const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}
