//! The brokers' ServiceAccount: they never call the Kubernetes API, so they get no token for it.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::super::ValidatedCluster;
use super::super::names::shared;
use super::metadata;

/// Builds it.
#[must_use]
pub fn service_account(cluster: &ValidatedCluster) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(cluster, shared(&cluster.key.name)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
