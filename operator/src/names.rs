//! Names that several parts agree on: field manager, finalizers, labels, and keys of resources.

use std::fmt;

use kube::ResourceExt;
use millrace_crds::{ClusterRef, PAUSE_ANNOTATION};

/// Who owns the fields that the operator writes (server-side apply).
pub const FIELD_MANAGER: &str = "millrace-operator";
/// On a resource with `deletionPolicy: Delete`, until what it describes is deleted as well.
pub const FINALIZER: &str = "millrace.dev/cleanup";
/// Who reports Events.
pub const CONTROLLER: &str = "millrace-operator";

/// A resource by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its namespace; empty for local manifests that name none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of a resource.
    pub fn of<K: ResourceExt>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }

    /// The cluster that a resource in `namespace` refers to.
    #[must_use]
    pub fn of_cluster(reference: &ClusterRef, namespace: &str) -> Self {
        let namespace = reference.namespace.as_deref().unwrap_or(namespace);
        Self { namespace: namespace.to_owned(), name: reference.name.clone() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Somebody asked to leave alone what the resource describes.
pub fn is_paused<K: ResourceExt>(object: &K) -> bool {
    object.annotations().get(PAUSE_ANNOTATION).is_some_and(|value| value == "true")
}
