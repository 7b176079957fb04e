//! The PodDisruptionBudget: one broker at a time. Also with one broker a drain of its node goes through: a
//! drain that hangs for ever is worse than a minute without the broker.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::ValidatedCluster;
use super::super::names::{selector, shared};
use super::metadata;

/// Builds it.
#[must_use]
pub fn pod_disruption_budget(cluster: &ValidatedCluster) -> PodDisruptionBudget {
    let selector =
        LabelSelector { match_labels: Some(selector(&cluster.key.name)), ..LabelSelector::default() };
    PodDisruptionBudget {
        metadata: metadata(cluster, shared(&cluster.key.name)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            // A broker that does not serve may be evicted: it has nothing to lose.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
