//! Schemas of fields that Rust's types do not describe well enough for Kubernetes.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Settings by name: strings, numbers or booleans; `null` where the field's documentation gives it a
/// meaning.
pub(crate) fn nullable_settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 256,
        "additionalProperties": { "x-kubernetes-preserve-unknown-fields": true, "nullable": true },
    })
}

/// Settings by name: strings, numbers or booleans.
pub(crate) fn settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 256,
        "additionalProperties": { "x-kubernetes-preserve-unknown-fields": true },
    })
}

/// Quantities by name, as in a container's resources.
pub(crate) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "x-kubernetes-int-or-string": true },
    })
}

/// An object of Kubernetes' own, described there.
pub(crate) fn foreign_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of objects of Kubernetes' own, described there.
pub(crate) fn foreign_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}

/// Takes the description from an enum's schema: it would take the place of that of the optional fields
/// which use it.
pub(crate) fn undescribed(schema: &mut Schema) {
    schema.remove("description");
}
