//! Validates manifests offline, as the API server would: the schema of each kind with unknown fields
//! refused, and the very CEL rules. Also what only the operator would refuse later, and what only shows when
//! all manifests are seen together. Pure.

use std::collections::BTreeMap;

use jsonschema::Validator as SchemaValidator;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::cel::{CompiledSchema, Validator as CelValidator, compile_schema};
use millrace_crds::{API_VERSION, BrokerCluster, ConsumerGroup, CrdError, Topic};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::consumer_group::validate::group_id;
use crate::directory::Want;
use crate::manifests::Manifest;
use crate::names::ObjectKey;
use crate::topic::validate::topic_name;

mod lists;

/// Something that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where the manifest is from.
    pub source: String,
    /// `Kind namespace/name`.
    pub object: String,
    /// The field, such as `spec.partitions`; empty for the whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Why nothing can be validated. Only a change to the types can cause it.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A definition cannot be made.
    #[error(transparent)]
    Crd(#[from] CrdError),
    /// Between types and JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A schema is none.
    #[error("the schema of {kind}: {reason}")]
    Schema {
        /// Whose.
        kind: String,
        /// Why.
        reason: String,
    },
}

/// Validates manifests of all kinds.
pub struct Checker {
    kinds: BTreeMap<String, KindChecker>,
}

struct KindChecker {
    structure: SchemaValidator,
    /// As Kubernetes has it.
    schema: Value,
    rules: CompiledSchema,
}

impl Checker {
    /// From the resource definitions.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn new() -> Result<Self, CheckError> {
        let mut kinds = BTreeMap::new();
        for crd in millrace_crds::all()? {
            let crd = millrace_crds::to_json(&crd)?;
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let failed = |reason: String| CheckError::Schema { kind: kind.clone(), reason };
            let structure = jsonschema::options()
                .should_validate_formats(true)
                .build(&root(schema))
                .map_err(|error| failed(error.to_string()))?;
            let rules = compile_schema(schema);
            if let Some(error) = rules.compilation_errors().first() {
                return Err(failed(error.to_string()));
            }
            kinds.insert(kind, KindChecker { structure, schema: schema.clone(), rules });
        }
        Ok(Self { kinds })
    }

    /// Everything that is wrong, in the order of the manifests. With `before`, rules about changes are
    /// applied to resources that are in both. Manifests of other groups are skipped.
    #[must_use]
    pub fn check(&self, manifests: &[Manifest], before: &[Manifest]) -> Vec<Finding> {
        let old: BTreeMap<(&str, ObjectKey), &Value> =
            before.iter().map(|manifest| ((manifest.kind(), manifest.key()), &manifest.value)).collect();
        let mut findings = Vec::new();
        for manifest in manifests {
            if !is_ours(manifest) {
                continue;
            }
            let old = old.get(&(manifest.kind(), manifest.key())).copied();
            findings.extend(self.check_one(manifest, old));
        }
        findings.extend(together(manifests));
        findings
    }

    fn check_one(&self, manifest: &Manifest, old: Option<&Value>) -> Vec<Finding> {
        if manifest.api_version() != API_VERSION {
            let message = format!("there is no {}, only {API_VERSION}", manifest.api_version());
            return vec![finding(manifest, "apiVersion", message)];
        }
        let Some(kind) = self.kinds.get(manifest.kind()) else {
            let known: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
            let message = format!("there is no kind {:?}: {}", manifest.kind(), known.join(", "));
            return vec![finding(manifest, "kind", message)];
        };
        // As the API server does, a field that is null is one that is absent, but for a topic's settings.
        let value = without_nulls(&manifest.value);
        let mut findings: Vec<Finding> = kind
            .structure
            .iter_errors(&value)
            .map(|error| {
                let field = error.instance_path().to_string();
                finding(manifest, field.trim_start_matches('/').replace('/', "."), error.to_string())
            })
            .collect();
        // Rules are about values of the right type.
        if findings.is_empty() {
            let doubles = lists::doubles(&kind.schema, &value);
            findings.extend(doubles.into_iter().map(|(field, message)| finding(manifest, field, message)));
            let old = old.map(without_nulls);
            let broken = CelValidator::new().validate_compiled(&kind.rules, &value, old.as_ref());
            if let Err(errors) = broken {
                findings.extend(
                    errors
                        .into_vec()
                        .into_iter()
                        .map(|error| finding(manifest, error.field_path.clone(), error.message)),
                );
            }
        }
        if findings.is_empty() {
            findings.extend(refused(manifest).map(|message| finding(manifest, "spec", message)));
        }
        // The validators keep no order.
        findings.sort();
        findings
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("kinds", &self.kinds.keys()).finish()
    }
}

/// The manifest belongs to Millrace's group, in whichever version.
#[must_use]
pub fn is_ours(manifest: &Manifest) -> bool {
    manifest.api_version().starts_with("millrace.dev/")
}

/// What only shows when all manifests are seen: the same resource twice, the same topic for two resources.
fn together(manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut objects: BTreeMap<(&str, ObjectKey), &Manifest> = BTreeMap::new();
    let mut wants: BTreeMap<(&str, Want), &Manifest> = BTreeMap::new();
    for manifest in manifests.iter().filter(|manifest| is_ours(manifest)) {
        let key = manifest.key();
        if let Some(first) = objects.insert((manifest.kind(), key.clone()), manifest) {
            findings.push(finding(manifest, "metadata.name", format!("it is in {} as well", first.source)));
            continue;
        }
        let Some(want) = want(manifest, &key) else { continue };
        if let Some(first) = wants.insert((manifest.kind(), want.clone()), manifest) {
            let message =
                format!("{:?} of cluster {} is wanted by {} as well", want.name, want.cluster, first.key());
            findings.push(finding(manifest, "spec", message));
        }
    }
    findings
}

/// What a Topic or ConsumerGroup is about in Kafka.
pub(crate) fn want(manifest: &Manifest, key: &ObjectKey) -> Option<Want> {
    let (reference, name) = match manifest.kind() {
        "Topic" => {
            let topic: Topic = serde_json::from_value(manifest.value.clone()).ok()?;
            let name = topic_name(&key.name, &topic.spec).to_owned();
            (topic.spec.cluster_ref, name)
        }
        "ConsumerGroup" => {
            let group: ConsumerGroup = serde_json::from_value(manifest.value.clone()).ok()?;
            let name = group_id(&key.name, &group.spec).to_owned();
            (group.spec.cluster_ref, name)
        }
        _ => return None,
    };
    Some(Want { cluster: ObjectKey::of_cluster(&reference, &key.namespace), name })
}

/// What the operator itself would say of a resource that the API server takes.
fn refused(manifest: &Manifest) -> Option<String> {
    verdict(manifest).unwrap_or_else(|error| Some(format!("it does not fit its type: {error}")))
}

fn verdict(manifest: &Manifest) -> serde_json::Result<Option<String>> {
    let name = manifest.key().name;
    let value = manifest.value.clone();
    let problem = match manifest.kind() {
        "BrokerCluster" => {
            let cluster: BrokerCluster = serde_json::from_value(value)?;
            let owner = OwnerReference::default();
            crate::broker_cluster::validate::validate(manifest.key(), owner, &cluster.spec, "").err()
        }
        "Topic" => {
            let topic: Topic = serde_json::from_value(value)?;
            crate::topic::validate::validate(&name, &topic.spec).err()
        }
        _ => {
            let group: ConsumerGroup = serde_json::from_value(value)?;
            crate::consumer_group::validate::validate(&name, &group.spec).err()
        }
    };
    Ok(problem.map(|problem| problem.message))
}

fn finding(manifest: &Manifest, field: impl Into<String>, message: String) -> Finding {
    Finding {
        source: manifest.source.clone(),
        object: format!("{} {}", manifest.kind(), manifest.key()),
        field: field.into(),
        message,
    }
}

/// The schema of a whole resource, as JSON Schema: with the fields that all resources have, and unknown
/// fields refused.
fn root(schema: &Value) -> Value {
    let mut schema = translated(schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("apiVersion".to_owned(), json!({ "type": "string" }));
        properties.insert("kind".to_owned(), json!({ "type": "string" }));
        let name = json!({
            "type": "string",
            "maxLength": 253,
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        });
        let metadata = json!({ "type": "object", "properties": { "name": name }, "required": ["name"] });
        properties.insert("metadata".to_owned(), metadata);
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.push(json!("metadata"));
    }
    schema
}

/// From Kubernetes' structural schema to JSON Schema.
fn translated(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let is = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    let mut translated = Map::new();
    for (name, value) in fields {
        let value = match name.as_str() {
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                properties.map(|(name, schema)| (name.clone(), self::translated(schema))).collect()
            }
            "items" | "additionalProperties" => self::translated(value),
            "nullable" | "description" => continue,
            other if other.starts_with("x-kubernetes-") => continue,
            // int32 and int64 are no formats of JSON Schema.
            "format" if value != "date-time" => continue,
            _ => value.clone(),
        };
        translated.insert(name.clone(), value);
    }
    if is("x-kubernetes-int-or-string") {
        translated.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if fields.contains_key("properties") && !is("x-kubernetes-preserve-unknown-fields") {
        translated.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if is("x-kubernetes-preserve-unknown-fields") && !fields.contains_key("type") {
        let mut types = vec![json!("string"), json!("number"), json!("boolean")];
        if is("nullable") {
            types.push(json!("null"));
        }
        translated.insert("type".to_owned(), Value::Array(types));
    }
    Value::Object(translated)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let kept = if name == "config" { value.clone() } else { without_nulls(value) };
                (name.clone(), kept)
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
