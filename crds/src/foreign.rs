//! Fields of Kubernetes' own types. Neither the schema here nor those types know which fields there are not: what is
//! misspelt would be dropped, and an empty selector, for one, selects everything.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Reads a value in which nothing is unknown to its type.
///
/// # Errors
/// Where it does not fit the type; the path of the first field that the type does not have.
pub(crate) fn strict<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Serialize,
{
    let given = Value::deserialize(from)?;
    let read: T = serde_json::from_value(given.clone()).map_err(D::Error::custom)?;
    let kept = serde_json::to_value(&read).map_err(D::Error::custom)?;
    match lost(&given, &kept) {
        None => Ok(read),
        Some(path) => Err(D::Error::custom(format!("unknown field `{}`", path.trim_start_matches('.')))),
    }
}

/// The path of what is in the one and not in the other.
fn lost(given: &Value, kept: &Value) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            given.iter().filter(|(_, value)| !is_empty(value)).find_map(|(name, value)| {
                Some(format!(".{name}{}", lost(value, kept.get(name).unwrap_or(&Value::Null))?))
            })
        }
        (Value::Array(given), Value::Array(kept)) => given.iter().enumerate().find_map(|(index, value)| {
            Some(format!("[{index}]{}", lost(value, kept.get(index).unwrap_or(&Value::Null))?))
        }),
        (given, Value::Null) if !is_empty(given) => Some(String::new()),
        _ => None,
    }
}

/// Whether leaving it out means the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Affinity, Toleration};
    use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
    use serde_json::json;

    use super::*;

    fn unknown<T: DeserializeOwned + Serialize>(given: Value) -> Option<String> {
        strict::<_, T>(given).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_misspelt_is_named() {
        let peers = json!([{ "namespaceSelector": {} }, { "podSelector": { "matchLabel": { "a": "b" } } }]);
        let said = unknown::<Vec<NetworkPolicyPeer>>(peers).unwrap();
        assert_eq!(said, "unknown field `[1].podSelector.matchLabel`");
        let said = unknown::<Option<Affinity>>(json!({ "nodeAffinitty": { "a": 1 } })).unwrap();
        assert_eq!(said, "unknown field `nodeAffinitty`");
        assert_eq!(unknown::<Vec<Toleration>>(json!([{ "kee": "a" }])).unwrap(), "unknown field `[0].kee`");
    }

    #[test]
    fn what_is_known_is_read() {
        let peers = json!([
            { "ipBlock": { "cidr": "10.0.0.0/8", "except": [] }, "podSelector": null },
            { "podSelector": { "matchExpressions": [{ "key": "a", "operator": "Exists" }], "matchLabels": {} } },
        ]);
        assert_eq!(unknown::<Vec<NetworkPolicyPeer>>(peers), None);
        assert_eq!(unknown::<Option<Affinity>>(Value::Null), None);
        let tolerations = json!([{ "key": "a", "operator": "Exists", "tolerationSeconds": 30 }]);
        assert_eq!(unknown::<Vec<Toleration>>(tolerations), None);
    }
}
