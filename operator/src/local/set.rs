//! The resources of a directory of manifests, checked.

use std::path::PathBuf;

use millrace_crds::{ConsumerGroup, Topic};

use crate::check::{Checker, Finding, is_ours};
use crate::consumer_group::{self, ValidatedGroup};
use crate::manifests::{self, Manifest};
use crate::topic::{self, ValidatedTopic};

/// Topics and groups to bring to their manifests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceSet {
    /// In the order of the manifests.
    pub topics: Vec<ValidatedTopic>,
    /// In the order of the manifests.
    pub groups: Vec<ValidatedGroup>,
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
            let topic: Topic = parsed(manifest)?;
            set.topics
                .push(topic::validate::validate(&name, &topic.spec).map_err(|problem| problem.message)?);
        }
        "ConsumerGroup" => {
            let group: ConsumerGroup = parsed(manifest)?;
            let group = consumer_group::validate::validate(&name, &group.spec);
            set.groups.push(group.map_err(|problem| problem.message)?);
        }
        _ => set.skipped += 1,
    }
    Ok(())
}

fn parsed<K: serde::de::DeserializeOwned>(manifest: &Manifest) -> Result<K, String> {
    serde_json::from_value(manifest.value.clone()).map_err(|error| error.to_string())
}
