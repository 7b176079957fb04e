//! A cluster's children in Kubernetes, a file for each kind. Pure: from a validated cluster, and the little
//! of what is there that they depend on, to whole objects. Whole, since server-side apply takes back what
//! is left out.

pub mod config_map;
pub mod network_policy;
pub mod pod_disruption_budget;
pub mod properties;
pub mod service;
pub mod service_account;
pub mod stateful_set;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ValidatedCluster;
use super::names::labels;

/// Metadata of a child: its labels, and whose it is.
#[must_use]
pub fn metadata(cluster: &ValidatedCluster, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.key.namespace.clone()),
        labels: Some(labels(&cluster.key.name)),
        owner_references: Some(vec![cluster.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
