//! The operator's finalizer on a resource. Guarded by the resource's version, so that nothing is written
//! over what somebody else just wrote.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::unless_gone;
use crate::names::{FIELD_MANAGER, FINALIZER};

/// How often somebody may have written in between.
const ATTEMPTS_MAX: usize = 5;

/// The resource carries the operator's finalizer.
pub fn is_held<K: ResourceExt>(object: &K) -> bool {
    object.finalizers().iter().any(|one| one == FINALIZER)
}

/// The patch that puts the finalizer on or takes it off, unless the resource is another one by now.
pub fn patch(metadata: &ObjectMeta, hold: bool) -> Patch<Value> {
    let others = metadata.finalizers.iter().flatten().map(String::as_str).filter(|one| *one != FINALIZER);
    let finalizers: Vec<&str> = others.chain(hold.then_some(FINALIZER)).collect();
    Patch::Merge(json!({
        "metadata": { "resourceVersion": metadata.resource_version, "finalizers": finalizers },
    }))
}

/// Who patches.
pub fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Puts the finalizer on, or takes it off. Gives the resource as it is then; `None` when it is gone.
///
/// # Errors
/// What the API says, a conflict among it.
pub async fn set<K>(client: &Client, object: &K, hold: bool) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    unless_gone(api.patch(&object.name_any(), &params(), &patch(object.meta(), hold)).await)
}

/// Takes the finalizer off, whoever else writes meanwhile.
///
/// # Errors
/// What the API says; that the resource is gone is fine.
pub async fn take_off<K>(client: &Client, object: &PartialObjectMeta<K>) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let name = object.name_any();
    let mut newest = object.metadata.clone();
    for attempt in 1.. {
        match unless_gone(api.patch_metadata(&name, &params(), &patch(&newest, false)).await) {
            Err(kube::Error::Api(status)) if status.code == 409 && attempt < ATTEMPTS_MAX => {}
            done => return done.map(drop),
        }
        // Who may list them needs no right to get one.
        let only = ListParams::default().fields(&format!("metadata.name={name}"));
        match unless_gone(api.list_metadata(&only).await)?.and_then(|found| found.items.into_iter().next()) {
            Some(found) => newest = found.metadata,
            None => break,
        }
    }
    Ok(())
}
