//! The operator's finalizer on a resource. Guarded by the resource's version, so that nothing is written
//! over what somebody else just wrote.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::names::{FIELD_MANAGER, FINALIZER};

/// The resource carries the operator's finalizer.
pub fn is_held<K: ResourceExt>(object: &K) -> bool {
    object.finalizers().iter().any(|one| one == FINALIZER)
}

/// Puts the finalizer on, or takes it off. Gives the resource as it is then; `None` when it is gone.
///
/// # Errors
/// What the API says, a conflict among it.
pub async fn set<K>(client: &Client, object: &K, hold: bool) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let mut finalizers: Vec<&str> =
        object.finalizers().iter().map(String::as_str).filter(|one| *one != FINALIZER).collect();
    if hold {
        finalizers.push(FINALIZER);
    }
    let patch = json!({
        "metadata": { "resourceVersion": object.resource_version(), "finalizers": finalizers },
    });
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&object.name_any(), &params, &Patch::Merge(&patch)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if super::error::is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
