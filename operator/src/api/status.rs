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

/// So many versions of a resource are remembered: a pass writes twice at the most, and the next one may begin
/// before the watch brings what it wrote.
const VERSIONS_MAX: usize = 6;

/// Statuses that were written and that the watch may not have seen yet: without them the next reconcile
/// would start from the one before, and write once more.
#[derive(Debug, Default)]
pub struct Statuses {
    written: Mutex<HashMap<(String, ObjectKey), Written>>,
}

/// A status that was written.
#[derive(Debug)]
struct Written {
    /// The versions of the resource that are no newer: those that it was made from, and what writing gave.
    versions: Vec<String>,
    /// As JSON.
    status: String,
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
        if let Some(last) = written.get(&key) {
            if object.meta().resource_version.as_ref().is_some_and(|version| last.versions.contains(version))
                && let Ok(status) = serde_json::from_str(&last.status)
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
        let patched = match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
            Ok(patched) => patched,
            Err(error) if super::error::is_not_found(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Of another one of that name, which was made meanwhile, the next pass says what it is.
        if patched.uid() == object.uid()
            && let Ok(status) = serde_json::to_string(after)
        {
            self.note(object, &patched, status);
        }
        Ok(())
    }

    /// Notes that a status was written, in a pass over `object`, which then was `patched`.
    fn note<K: Resource<DynamicType = ()>>(&self, object: &K, patched: &K, status: String) {
        let mut written = self.written.lock();
        let made_from = object.meta().resource_version.clone();
        // A pass may write twice: the watch brings both versions, and the first comes with the status before.
        let before = written.remove(&place(object)).map(|last| last.versions).unwrap_or_default();
        let mut versions = if before.iter().any(|version| made_from.as_ref() == Some(version)) {
            before
        } else {
            Vec::from_iter(made_from)
        };
        versions.extend(patched.meta().resource_version.clone());
        versions.drain(..versions.len().saturating_sub(VERSIONS_MAX));
        written.insert(place(object), Written { versions, status });
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, kind: &str, key: &ObjectKey) {
        self.written.lock().remove(&(kind.to_owned(), key.clone()));
    }
}

fn place<K: Resource<DynamicType = ()>>(object: &K) -> (String, ObjectKey) {
    (K::kind(&()).into_owned(), ObjectKey::of(object))
}

#[cfg(test)]
mod tests {
    use millrace_crds::{Topic, TopicSpec, TopicStatus};

    use super::*;

    fn topic(version: &str) -> Topic {
        let mut topic = Topic::new("orders", TopicSpec::default());
        topic.metadata.resource_version = Some(version.to_owned());
        topic
    }

    fn status(partitions: i32) -> TopicStatus {
        TopicStatus { partitions: Some(partitions), ..TopicStatus::default() }
    }

    #[test]
    fn what_was_written_counts_until_somebody_else_has_written() {
        let statuses = Statuses::default();
        let write = |from: &str, to: &str, partitions| {
            let json = serde_json::to_string(&status(partitions)).unwrap();
            statuses.note(&topic(from), &topic(to), json);
        };
        let current = |version: &str| statuses.current(&topic(version), Some(&status(0))).partitions;
        assert_eq!(current("10"), Some(0), "as the watch brought it");
        // Two in one pass, which has the resource as it was at first.
        write("10", "11", 1);
        write("10", "12", 2);
        for known in ["10", "11", "12"] {
            assert_eq!(current(known), Some(2), "the watch is at {known}");
        }
        write("12", "13", 3);
        assert_eq!((current("13"), current("11")), (Some(3), Some(3)));
        assert_eq!(current("14"), Some(0), "somebody else wrote");
        assert_eq!(current("13"), Some(0), "and that stays so");
    }
}
