//! A parsed configuration value and the errors of parsing one.
//!
//! The texts are Kafka's own (`ConfigDef.parseType`, `ConfigException`), since clients show them
//! to people. It must never know the keys.

use std::fmt;

use super::def::{ConfigType, Scope};

/// A value of its type.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    /// A truth value.
    Boolean(bool),
    /// An int, short or long.
    Integer(i64),
    /// A fraction.
    Double(f64),
    /// Text, or a password.
    Text(String),
    /// A list of texts, each trimmed.
    List(Vec<String>),
}

impl ConfigValue {
    /// Parse `text` as `kind`; the error is the broken rule in Kafka's words.
    pub(super) fn parse(kind: ConfigType, text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let not_a_number = || format!("Not a number of type {}", kind.name());
        let integer = |min: i64, max: i64| match trimmed.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Self::Integer(number)),
            _ => Err(not_a_number()),
        };
        match kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
            ConfigType::Int => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            ConfigType::Short => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
            ConfigType::Long => integer(i64::MIN, i64::MAX),
            ConfigType::Double => match trimmed.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Double(number)),
                _ => Err(not_a_number()),
            },
            ConfigType::String | ConfigType::Password => Ok(Self::Text(trimmed.to_owned())),
            ConfigType::List if trimmed.is_empty() => Ok(Self::List(Vec::new())),
            ConfigType::List => {
                Ok(Self::List(trimmed.split(',').map(|element| element.trim().to_owned()).collect()))
            }
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The fraction, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of a list, or the one text.
    pub fn elements(&self) -> impl Iterator<Item = &str> {
        let (list, text) = match self {
            Self::List(list) => (list.as_slice(), None),
            Self::Text(text) => (&[][..], Some(text.as_str())),
            _ => (&[][..], None),
        };
        list.iter().map(String::as_str).chain(text)
    }
}

/// As Kafka's `ConfigDef.convertToString` writes it; parsing the result gives the value back.
impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::List(value) => f.write_str(&value.join(",")),
        }
    }
}

/// Why a key or a value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value is of the wrong type or breaks the key's rule.
    #[error("Invalid value {value} for configuration {name}: {rule}")]
    Invalid {
        /// The key.
        name: &'static str,
        /// The value, or the one bad element of it; hidden for passwords.
        value: String,
        /// What the key demands.
        rule: String,
    },
    /// No such key. `Display` is Kafka's text for topics; [`ConfigError::hint`] adds the guess.
    #[error("Unknown {} config name: {name}", match scope { Scope::Topic => "topic", Scope::Broker => "broker" })]
    Unknown {
        /// The key as it was given.
        name: String,
        /// Where it was set.
        scope: Scope,
        /// The right name that is nearest to it, if one is near.
        nearest: Option<&'static str>,
    },
    /// A key that Kafka has, whose effect people rely on, and that is not served here.
    #[error("Configuration {name} is not supported: {reason}")]
    Unsupported {
        /// The key.
        name: &'static str,
        /// Why it cannot be accepted silently.
        reason: &'static str,
    },
    /// Two values that are fine alone contradict each other.
    #[error("{0}")]
    Conflict(String),
}

impl ConfigError {
    /// What to try instead, as a sentence for people.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            _ => None,
        }
    }
}
