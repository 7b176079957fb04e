//! Whether a topic or group may belong to the cluster that it names, and whether the cluster can be asked.
//! The same for both kinds.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use millrace_crds::BrokerCluster;

use crate::api::error::{ReconcileError, is_forbidden};
use crate::conditions::{CLUSTER_NOT_READY, CLUSTER_UNREADABLE, READY, RESOURCE_CONFLICT, Verdict};
use crate::context::Context;
use crate::directory::{Claims, ClusterEntry, Want};
use crate::kafka::link::{Health, Link};
use crate::names::ObjectKey;

/// Why there is no link to the cluster. The object is reconciled again when that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// For the status.
    Verdict(Verdict),
    /// The cluster has not been asked yet. Nothing is said: after a restart of the operator every status
    /// would be rewritten, and once more a moment later.
    NotNow,
}

/// The link to the cluster, or why there is none.
///
/// # Errors
/// [`Denied`].
pub fn admitted(
    context: &Context,
    claims: &Claims,
    object: &ObjectKey,
    want: &Want,
) -> Result<Arc<Link>, Denied> {
    let cluster = context.directory.cluster(&want.cluster);
    if cluster.is_none() && context.directory.is_unreadable(&want.cluster) {
        let message = unreadable(&want.cluster);
        return Err(Denied::Verdict(Verdict::no(READY, CLUSTER_UNREADABLE, message)));
    }
    let cluster = belongs(cluster, object, &want.cluster).map_err(Denied::Verdict)?;
    if let Some(owner) = claims.owner(want, Some(&cluster))
        && owner != *object
    {
        let message = format!("{} has {:?} already, and is older: delete one of the two", owner, want.name);
        return Err(Denied::Verdict(Verdict::no(READY, RESOURCE_CONFLICT, message)));
    }
    let link = context
        .links
        .get(&want.cluster, &cluster)
        .map_err(|error| Denied::Verdict(Verdict::no(READY, CLUSTER_NOT_READY, error.to_string())))?;
    match link.health() {
        Health::Reachable => Ok(link),
        Health::Unknown => Err(Denied::NotNow),
        Health::Unreachable(reason) => Err(Denied::Verdict(Verdict::no(READY, CLUSTER_NOT_READY, reason))),
    }
}

/// What is said about a cluster that is there and does not fit its own type.
#[must_use]
pub fn unreadable(cluster: &ObjectKey) -> String {
    format!("BrokerCluster {cluster} cannot be read: its own status says why")
}

/// The cluster, if it is there, stays, and lets the object in.
fn belongs(
    cluster: Option<ClusterEntry>,
    object: &ObjectKey,
    key: &ObjectKey,
) -> Result<ClusterEntry, Verdict> {
    let Some(cluster) = cluster else {
        return Err(Verdict::no(
            READY,
            "ClusterNotFound",
            format!("there is no BrokerCluster {key} in the namespaces that this operator looks after"),
        ));
    };
    if !cluster.allows(key, &object.namespace) {
        let message = format!(
            "BrokerCluster {key} does not let in namespace {}: add it to the cluster's spec.allowedNamespaces",
            object.namespace
        );
        return Err(Verdict::no(READY, "NamespaceNotAllowed", message));
    }
    if cluster.deleting {
        return Err(Verdict::no(READY, "ClusterDeleting", format!("BrokerCluster {key} is being deleted")));
    }
    Ok(cluster)
}

/// Whether a cluster is there and not going. What the watches do not know is asked once more: at stake is
/// that a finalizer lets go.
///
/// # Errors
/// What the API says, but that it may not be asked: then the cluster is nobody's that this operator looks
/// after.
pub async fn stays(client: &Client, context: &Context, key: &ObjectKey) -> Result<bool, ReconcileError> {
    if let Some(cluster) = context.directory.cluster(key) {
        return Ok(!cluster.deleting);
    }
    let api: Api<BrokerCluster> = Api::namespaced(client.clone(), &key.namespace);
    match api.get_metadata_opt(&key.name).await {
        Ok(found) => Ok(found.is_some_and(|cluster| cluster.metadata.deletion_timestamp.is_none())),
        Err(error) if is_forbidden(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a namespace is being deleted: what is in it must not wait for brokers.
///
/// # Errors
/// What the API says, but that it may not be asked: then it is not known to go.
pub async fn is_namespace_going(client: &Client, name: &str) -> Result<bool, ReconcileError> {
    let api: Api<Namespace> = Api::all(client.clone());
    match api.get_metadata_opt(name).await {
        Ok(found) => Ok(found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())),
        Err(error) if is_forbidden(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_belongs_where_its_cluster_is_lets_it_in_and_stays() {
        let key = |namespace: &str, name: &str| ObjectKey { namespace: namespace.into(), name: name.into() };
        let (topic, main) = (key("shop", "orders"), key("infra", "main"));
        let entry = |deleting, allowed: &str| ClusterEntry {
            uid: "u".into(),
            deleting,
            bootstrap: "b:9092".into(),
            allowed_namespaces: vec![allowed.to_owned()],
        };
        let reason = |cluster| belongs(cluster, &topic, &main).map_err(|verdict| verdict.reason).err();
        assert_eq!(reason(None), Some("ClusterNotFound"));
        assert_eq!(reason(Some(entry(false, "billing"))), Some("NamespaceNotAllowed"));
        assert_eq!(reason(Some(entry(true, "shop"))), Some("ClusterDeleting"));
        assert_eq!(reason(Some(entry(false, "shop"))), None);
    }
}
