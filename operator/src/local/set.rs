//! The resources of a directory of manifests, checked.

use std::path::PathBuf;

use millrace_crds::{ConsumerGroup, Topic};

use crate::check::{Checker, Finding, is_ours};
use crate::consumer_group::{self, ValidatedGroup};
use crate::manifests::{self, Manifest};
use crate::names::is_paused;
use crate::topic::{self, ValidatedTopic};

/// Topics and groups to bring to their manifests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceSet {
    /// In the order of the manifests.
    pub topics: Vec<ValidatedTopic>,
    /// In the order of the manifests.
    pub groups: Vec<ValidatedGroup>,
    /// What an annotation takes out of the operator's hands: `topic` or `group`, and its name in Kafka.
    pub paused: Vec<(&'static str, String)>,
    /// BrokerClusters, which need Kubernetes.
    pub skipped: usize,
}

/// What was read: resources, or what is wrong with them.
pub type Loaded = Result<ResourceSet, Vec<Finding>>;

/// Reads and checks.
///
/// # Errors
/// Files that cannot be read.
pub fn load(checker: &Checker, paths: &[PathBuf]) -> anyhow::Result<Loaded> {
    let manifests = manifests::read(paths)?;
    let findings = checker.check(&manifests, &[]);
    if !findings.is_empty() {
        return Ok(Err(findings));
    }
    let mut set = ResourceSet::default();
    let mut findings = Vec::new();
    for manifest in manifests.iter().filter(|manifest| is_ours(manifest)) {
        if let Err(message) = add(&mut set, manifest) {
            findings.push(Finding {
                source: manifest.source.clone(),
                object: format!("{} {}", manifest.kind(), manifest.key()),
                field: "spec".to_owned(),
                message,
            });
        }
    }
    Ok(if findings.is_empty() { Ok(set) } else { Err(findings) })
}

fn add(set: &mut ResourceSet, manifest: &Manifest) -> Result<(), String> {
    let name = manifest.key().name;
    match manifest.kind() {
        "Topic" => {
            let object: Topic = parsed(manifest)?;
            let topic = topic::validate::validate(&name, &object.spec).map_err(|problem| problem.message)?;
            if is_paused(&object) {
                set.paused.push(("topic", topic.name));
            } else {
                set.topics.push(topic);
            }
        }
        "ConsumerGroup" => {
            let object: ConsumerGroup = parsed(manifest)?;
            let group =
                consumer_group::validate::validate(&name, &object.spec).map_err(|problem| problem.message)?;
            if is_paused(&object) {
                set.paused.push(("group", group.id));
            } else {
                set.groups.push(group);
            }
        }
        _ => set.skipped += 1,
    }
    Ok(())
}

fn parsed<K: serde::de::DeserializeOwned>(manifest: &Manifest) -> Result<K, String> {
    serde_json::from_value(manifest.value.clone()).map_err(|error| error.to_string())
}
