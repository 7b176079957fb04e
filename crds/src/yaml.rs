//! The CustomResourceDefinitions, trimmed to what says something, and their YAML.
//!
//! Defaults are not written into resources (a GitOps tool would show them as a difference for ever),
//! empty fields and `nullable` without meaning are left out, and descriptions are whole paragraphs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{BrokerCluster, ConsumerGroup, Topic};

/// Why a definition could not be made. Only a change to the types can cause it.
#[derive(Debug, Error)]
pub enum CrdError {
    /// Between types and JSON.
    #[error("a resource definition does not fit its JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// From JSON to YAML.
    #[error("a resource definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

/// All definitions, in the order in which they are shown.
///
/// # Errors
/// [`CrdError::Json`] when a type has a schema that is none.
pub fn all() -> Result<Vec<CustomResourceDefinition>, CrdError> {
    [BrokerCluster::crd(), Topic::crd(), ConsumerGroup::crd()]
        .into_iter()
        .map(|crd| Ok(serde_json::from_value(trimmed(serde_json::to_value(crd)?))?))
        .collect()
}

/// A definition as JSON, as it is written to YAML.
///
/// # Errors
/// [`CrdError::Json`] when it cannot be written.
pub fn to_json(crd: &CustomResourceDefinition) -> Result<Value, CrdError> {
    let mut json = trimmed(serde_json::to_value(crd)?);
    whole_numbers(&mut json);
    Ok(json)
}

/// A definition as YAML, without a leading `---`.
///
/// # Errors
/// [`CrdError`] when it cannot be written.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, CrdError> {
    Ok(serde_yaml::to_string(&to_json(crd)?)?)
}

/// Bounds are floating-point numbers in a definition; `1.0` is written as `1`.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15) {
                // Exact below 2^53.
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

fn trimmed(mut crd: Value) -> Value {
    if let Some(object) = crd.as_object_mut() {
        object.remove("status");
        if let Some(versions) = object.get_mut("spec").and_then(|spec| spec.get_mut("versions")) {
            for version in versions.as_array_mut().into_iter().flatten() {
                if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                    trim_schema(schema, Place::Property);
                }
            }
        }
    }
    drop_empty(&mut crd);
    crd
}

/// Where a schema stands: the values of a map may be null on purpose, a property may not. The API server
/// then takes a property that is null as one that is absent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Property,
    MapValue,
}

fn trim_schema(schema: &mut Value, place: Place) {
    let Some(object) = schema.as_object_mut() else { return };
    if place == Place::Property {
        object.remove("nullable");
    }
    // Kubernetes knows int32, int64 and float, double; schemars adds its own.
    if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        object.remove("format");
    }
    object.remove("title");
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = flowing(text);
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| trim_schema(property, Place::Property));
    }
    if let Some(items) = object.get_mut("items") {
        trim_schema(items, Place::Property);
    }
    if let Some(values) = object.get_mut("additionalProperties") {
        trim_schema(values, Place::MapValue);
    }
}

/// Lines of a paragraph joined; paragraphs kept apart.
fn flowing(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn drop_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            let kept: Map<String, Value> = std::mem::take(fields)
                .into_iter()
                // An empty object says something where it is a subresource.
                .filter(|(name, value)| name == "status" || !is_empty(value))
                .collect();
            *fields = kept;
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
