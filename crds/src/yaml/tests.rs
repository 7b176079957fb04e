//! What a reader of the generated YAML, and an API server, would trip over.

use std::path::Path;

use super::*;

fn schemas() -> Vec<(String, Value)> {
    let crds = all().unwrap();
    crds.iter()
        .map(|crd| {
            let json = serde_json::to_value(crd).unwrap();
            let kind = crd.spec.names.kind.clone();
            (kind, json["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
        })
        .collect()
}

/// Calls `visit` with the path and schema of every property at any depth.
fn every_property(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        visit(&path, property);
        every_property(property, &path, visit);
    }
    if schema["items"].is_object() {
        every_property(&schema["items"], &format!("{path}[]"), visit);
    }
}

#[test]
fn the_committed_yaml_is_what_the_types_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for crd in all().unwrap() {
        for directory in [here.to_owned(), here.join("../charts/millrace/crds")] {
            let path = directory.join(format!("{}.yaml", crd.spec.names.plural));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == to_yaml(&crd).unwrap(),
                "{} is out of date: run `cargo run -p millrace-crds --example generate`",
                path.display()
            );
        }
    }
}

#[test]
fn every_field_is_documented() {
    for (kind, schema) in schemas() {
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 40), "{kind}");
        every_property(&schema, &kind, &mut |path, property| {
            let parts: Vec<&str> = path.split('.').collect();
            // These are Kubernetes' own.
            if ["apiVersion", "kind", "metadata"].contains(&parts[1]) {
                return;
            }
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.') || text.ends_with(')'), "{path} needs a sentence, has {text:?}");
            assert!(!text.contains("[`") && !text.contains('\n'), "{path}: {text:?}");
        });
    }
}

#[test]
fn nothing_is_nullable_but_the_settings_of_a_topic() {
    let mut nullable = Vec::new();
    for (kind, schema) in schemas() {
        every_property(&schema, &kind, &mut |path, property| {
            if property["nullable"] == true || property["additionalProperties"]["nullable"] == true {
                nullable.push(path.to_owned());
            }
        });
    }
    assert_eq!(nullable, ["Topic.spec.config"]);
}

#[test]
fn no_default_is_written_into_resources_and_nothing_empty_into_the_yaml() {
    for crd in all().unwrap() {
        let yaml = to_yaml(&crd).unwrap();
        for useless in ["default:", ": []", ": null", ": ''", "title:"] {
            assert!(!yaml.contains(useless), "{} has {useless:?}", crd.spec.names.kind);
        }
        let empty: Vec<&str> = yaml.lines().filter(|line| line.ends_with(": {}")).map(str::trim).collect();
        assert_eq!(empty, ["status: {}"], "only the subresource is an empty object");
    }
}

/// Kubernetes refuses to estimate the cost of rules over lists and maps without a bound.
#[test]
fn everything_that_a_rule_walks_over_is_bounded() {
    for (kind, schema) in schemas() {
        every_property(&schema, &kind, &mut |path, property| {
            let bounded = match property["type"].as_str() {
                Some("array") => property["maxItems"].is_u64() || path.contains(".status."),
                Some("object") if property["additionalProperties"].is_object() => {
                    property["maxProperties"].is_u64()
                }
                Some("string") => {
                    let ruled = property["x-kubernetes-validations"].is_array();
                    !ruled || property["maxLength"].is_u64() || property["enum"].is_array()
                }
                _ => true,
            };
            assert!(bounded, "{path} has no bound");
        });
    }
}

#[test]
fn kubectl_finds_all_kinds_under_one_category_and_by_short_names() {
    let names: Vec<(String, Vec<String>, Vec<String>)> = all()
        .unwrap()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            (names.kind, names.short_names.unwrap_or_default(), names.categories.unwrap_or_default())
        })
        .collect();
    let category = || vec!["millrace".to_owned()];
    assert_eq!(
        names,
        [
            ("BrokerCluster".to_owned(), vec!["bc".to_owned()], category()),
            ("Topic".to_owned(), vec!["tp".to_owned()], category()),
            ("ConsumerGroup".to_owned(), vec!["cg".to_owned()], category()),
        ]
    );
}

/// A schema of our own making is a required field unless serde knows a default.
#[test]
fn only_what_a_resource_cannot_do_without_is_required() {
    let mut required = Vec::new();
    for (kind, schema) in schemas() {
        every_property(&schema["properties"]["spec"], &kind, &mut |path, property| {
            let property = if property["items"].is_object() { &property["items"] } else { property };
            for name in property["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                required.push(format!("{path}.{name}"));
            }
        });
    }
    expect_test::expect![[r#"
        BrokerCluster.listeners.name
        BrokerCluster.listeners.port
        BrokerCluster.listeners.type
        BrokerCluster.podTemplate.env.name
        BrokerCluster.rack.topologyKey
        BrokerCluster.storage.size
        Topic.autoscaling.maxPartitions
        Topic.clusterRef.name
        ConsumerGroup.autoscaling.lagPerReplica
        ConsumerGroup.autoscaling.maxReplicas
        ConsumerGroup.autoscaling.targetRef
        ConsumerGroup.autoscaling.targetRef.name
        ConsumerGroup.clusterRef.name
        ConsumerGroup.offsetReset.id
        ConsumerGroup.offsetReset.to"#]]
    .assert_eq(&required.join("\n"));
}
