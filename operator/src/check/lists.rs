//! Lists whose items must differ, `x-kubernetes-list-type` set and map, as the API server holds them to it.

use serde_json::{Map, Value};

/// Field and message of each item that is there before. `schema` is Kubernetes' structural schema of `value`.
pub(super) fn doubles(schema: &Value, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    look(schema, value, "", &mut found);
    found
}

fn look(schema: &Value, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let inner = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                if let Some(inner) = inner {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    look(inner, field, &path, found);
                }
            }
        }
        Value::Array(items) => {
            let mut seen: Vec<Value> = Vec::new();
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                if let Some(identity) = identity(schema, item) {
                    if seen.contains(&identity) {
                        found.push((path.clone(), format!("Duplicate value: {identity}")));
                    }
                    seen.push(identity);
                }
                look(&schema["items"], item, &path, found);
            }
        }
        _ => {}
    }
}

/// What no two items of the list may share; `None` where they may be alike.
fn identity(schema: &Value, item: &Value) -> Option<Value> {
    match schema["x-kubernetes-list-type"].as_str()? {
        "set" => Some(item.clone()),
        "map" => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            let keys = keys.iter().filter_map(Value::as_str);
            Some(Value::Object(keys.map(|key| (key.to_owned(), item[key].clone())).collect::<Map<_, _>>()))
        }
        _ => None,
    }
}
