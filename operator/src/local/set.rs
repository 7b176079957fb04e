//! The resources of a directory of manifests, checked.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use millrace_crds::{ConsumerGroup, Topic};

use crate::check::{Checker, Finding, is_ours, want};
use crate::consumer_group::{self, ValidatedGroup};
use crate::manifests::{self, Manifest};
use crate::names::{ObjectKey, is_paused};
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
    /// What belongs to other clusters than the one that was asked for.
    pub elsewhere: usize,
}

/// The cluster whose manifests count, by `[NAMESPACE/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName {
    namespace: Option<String>,
    name: String,
}

impl FromStr for ClusterName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (namespace, name) =
            text.split_once('/').map_or((None, text), |(space, name)| (Some(space), name));
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl ClusterName {
    fn is(&self, cluster: &ObjectKey) -> bool {
        self.name == cluster.name && self.namespace.as_ref().is_none_or(|space| *space == cluster.namespace)
    }
}

/// What was read: resources, or what is wrong with them.
pub type Loaded = Result<ResourceSet, Vec<Finding>>;

/// Reads and checks the Topics and ConsumerGroups of `cluster`, or of the only one that there is.
///
/// # Errors
/// Files that cannot be read; that there are several clusters, or that none is the one asked for.
pub fn load(checker: &Checker, paths: &[PathBuf], cluster: Option<&ClusterName>) -> anyhow::Result<Loaded> {
    let mut manifests = manifests::read(paths)?;
    let findings = checker.check(&manifests, &[]);
    if !findings.is_empty() {
        return Ok(Err(findings));
    }
    let all = manifests.len();
    let belongs = |manifest: &Manifest| want(manifest, &manifest.key()).map(|want| want.cluster);
    let clusters: BTreeSet<ObjectKey> =
        manifests.iter().filter(|manifest| is_ours(manifest)).filter_map(belongs).collect();
    let count = clusters.iter().filter(|found| cluster.is_none_or(|wanted| wanted.is(found))).count();
    if count > 1 || (count == 0 && !clusters.is_empty()) {
        let names: Vec<String> = clusters.iter().map(ToString::to_string).collect();
        anyhow::bail!("the manifests are of {}: choose with --cluster", names.join(", "));
    }
    if let Some(wanted) = cluster {
        manifests.retain(|manifest| {
            !is_ours(manifest) || belongs(manifest).is_none_or(|cluster| wanted.is(&cluster))
        });
    }
    let mut set = ResourceSet { elsewhere: all - manifests.len(), ..ResourceSet::default() };
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
