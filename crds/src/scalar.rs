//! Values that people write in YAML as they come: `retention.ms: 60000`, `cpu: 2`, `preallocate: true`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A string, number or boolean. Kafka's settings and Kubernetes' quantities are strings all the same; the
/// quotes may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_scalars_become_the_text_that_was_written() {
        let values: Vec<Scalar> = serde_yaml::from_str("[60000, 0.5, true, 'compact', -1]").unwrap();
        let texts: Vec<String> = values.iter().map(Scalar::to_string).collect();
        assert_eq!(texts, ["60000", "0.5", "true", "compact", "-1"]);
    }
}
