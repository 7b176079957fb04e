//! Children, by server-side apply with one field manager: whole objects, no read-modify-write.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ReconcileError, is_not_found};
use super::ledger::{Ledger, Version};
use crate::names::{FIELD_MANAGER, ObjectKey};

/// Applies a child unless it is settled. Whether it was written.
///
/// # Errors
/// What the API says.
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
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&key.name, &params, &Patch::Apply(child)).await?;
    ledger.note(&kind, key, &wanted, Version::of(&applied));
    Ok(true)
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
