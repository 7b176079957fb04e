//! Children, by server-side apply with one field manager: whole objects, no read-modify-write.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ReconcileError, is_not_found};
use super::ledger::{Ledger, Version};
use crate::broker_cluster::names::{MANAGED_BY_LABEL, MANAGER};
use crate::names::{FIELD_MANAGER, ObjectKey};

/// Applies a child unless it is settled. Whether it was written.
///
/// # Errors
/// What the API says; [`ReconcileError::Taken`] where something of that name is there and is not the owner's.
pub async fn apply<K>(client: &Client, ledger: &Ledger, child: &K) -> Result<bool, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let key = ObjectKey::of(child);
    let kind = K::kind(&());
    let wanted = serde_json::to_string(child)?;
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    let there = api.get_metadata_opt(&key.name).await?;
    if ledger.is_settled(&kind, &key, &wanted, there.as_ref().map(Version::of)) {
        return Ok(false);
    }
    if let Some(why) = there.as_ref().and_then(|there| taken(there.meta(), child.meta())) {
        return Err(ReconcileError::Taken(format!("{kind} {} is there already: {why}", key.name)));
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&key.name, &params, &Patch::Apply(child)).await?;
    ledger.note(&kind, key, &wanted, Version::of(&applied));
    Ok(true)
}

/// Deletes a child, unless it is somebody else's. Whether there was one; that it was gone already is fine.
///
/// # Errors
/// What the API says.
pub async fn delete_own<K>(client: &Client, child: &ObjectMeta) -> Result<bool, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let (namespace, name) =
        (child.namespace.as_deref().unwrap_or_default(), child.name.as_deref().unwrap_or_default());
    let there = Api::<K>::namespaced(client.clone(), namespace).get_metadata_opt(name).await?;
    if there.is_none_or(|there| taken(there.meta(), child).is_some()) {
        return Ok(false);
    }
    delete::<K>(client, namespace, name).await?;
    Ok(true)
}

/// Whose an object is, where it is not that of `wanted`'s owner. One without an owner was let go by it, or somebody else
/// made it.
fn taken(there: &ObjectMeta, wanted: &ObjectMeta) -> Option<String> {
    let controller = |meta: &ObjectMeta| {
        meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true)).cloned()
    };
    let managed =
        there.labels.iter().flatten().any(|(name, value)| name == MANAGED_BY_LABEL && value == MANAGER);
    match controller(there) {
        Some(owner) if controller(wanted).is_none_or(|wanted| wanted.uid != owner.uid) => {
            Some(format!("it belongs to {} {}", owner.kind, owner.name))
        }
        None if !managed => {
            Some("it is not the operator's; delete it, or give the cluster another name".to_owned())
        }
        _ => None,
    }
}

/// Deletes a child. That it was gone already is fine.
///
/// # Errors
/// What the API says.
pub async fn delete<K>(client: &Client, namespace: &str, name: &str) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Children of a kind by label, by name.
///
/// # Errors
/// What the API says.
pub async fn list<K>(client: &Client, namespace: &str, labels: &str) -> Result<Vec<K>, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let mut found = api.list(&kube::api::ListParams::default().labels(labels)).await?.items;
    found.sort_by_key(ResourceExt::name_any);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn meta(owner: Option<&str>, manager: Option<&str>) -> ObjectMeta {
        let owner = owner.map(|uid| OwnerReference {
            kind: "BrokerCluster".into(),
            name: "main".into(),
            uid: uid.into(),
            controller: Some(true),
            ..OwnerReference::default()
        });
        let labels = manager.map(|manager| [(MANAGED_BY_LABEL.to_owned(), manager.to_owned())].into());
        ObjectMeta { owner_references: owner.map(|owner| vec![owner]), labels, ..ObjectMeta::default() }
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let wanted = meta(Some("a"), Some(MANAGER));
        let whose = |owner, manager| taken(&meta(owner, manager), &wanted);
        assert_eq!(whose(Some("a"), Some(MANAGER)), None);
        assert_eq!(whose(Some("a"), None), None, "somebody took its label off");
        assert_eq!(whose(None, Some(MANAGER)), None, "its cluster was deleted without it");
        assert_eq!(whose(Some("b"), Some(MANAGER)).unwrap(), "it belongs to BrokerCluster main");
        assert!(whose(None, None).is_some() && whose(None, Some("Helm")).is_some());
    }
}
