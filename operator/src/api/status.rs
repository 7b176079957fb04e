//! Statuses: written by server-side apply, and only when they say something new. A settled resource is not
//! written at all.

use std::collections::HashMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::names::{FIELD_MANAGER, ObjectKey};

/// Statuses that were written and that the watch may not have seen yet: without them the next reconcile
/// would start from the one before, and write once more.
#[derive(Debug, Default)]
pub struct Statuses {
    /// The version of the resource that the status was made from, and the status.
    written: Mutex<HashMap<(String, ObjectKey), (String, String)>>,
}

impl Statuses {
    /// The status to start from: the one just written, or else the one that the watch brought.
    pub fn current<K, S>(&self, object: &K, brought: Option<&S>) -> S
    where
        K: Resource<DynamicType = ()>,
        S: DeserializeOwned + Clone + Default,
    {
        let mut written = self.written.lock();
        let key = place(object);
        if let Some((made_from, status)) = written.get(&key) {
            if Some(made_from) == object.meta().resource_version.as_ref()
                && let Ok(status) = serde_json::from_str(status)
            {
                return status;
            }
            written.remove(&key);
        }
        brought.cloned().unwrap_or_default()
    }

    /// Writes `after` unless it is `before`. A resource that is gone needs no status.
    ///
    /// # Errors
    /// What the API says.
    pub async fn publish<K, S>(
        &self,
        client: &Client,
        object: &K,
        before: &S,
        after: &S,
    ) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        S: Serialize + PartialEq,
    {
        if before == after {
            return Ok(());
        }
        let name = object.name_any();
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name },
            "status": after,
        });
        let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
            Ok(_) => {}
            Err(error) if super::error::is_not_found(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(version) = object.resource_version()
            && let Ok(status) = serde_json::to_string(after)
        {
            self.written.lock().insert(place(object), (version, status));
        }
        Ok(())
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, kind: &str, key: &ObjectKey) {
        self.written.lock().remove(&(kind.to_owned(), key.clone()));
    }
}

fn place<K: Resource<DynamicType = ()>>(object: &K) -> (String, ObjectKey) {
    (K::kind(&()).into_owned(), ObjectKey::of(object))
}
