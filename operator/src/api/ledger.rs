//! What children were applied, and in which version they are since: a child is applied again only when it
//! should be different, or somebody else wrote to it. Lost with the process; then each is applied once more,
//! which changes nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kube::ResourceExt;
use parking_lot::Mutex;

use crate::names::ObjectKey;

/// A child by kind and key.
type Child = (String, ObjectKey);

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    applied: Mutex<HashMap<Child, Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Of what was applied.
    hash: u64,
    /// Of what the API server has.
    version: Version,
}

/// Changes when somebody writes to the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    uid: String,
    /// The generation where the kind counts them, since its status is written all the time; otherwise the
    /// resource version.
    revision: String,
}

impl Version {
    /// The version of an object.
    pub fn of<K: ResourceExt>(object: &K) -> Self {
        let meta = object.meta();
        let revision = match meta.generation {
            Some(generation) => {
                // Labels and annotations do not count as a generation.
                let mut hasher = DefaultHasher::new();
                (object.labels(), object.annotations()).hash(&mut hasher);
                format!("{generation}-{:x}", hasher.finish())
            }
            None => object.resource_version().unwrap_or_default(),
        };
        Self { uid: object.uid().unwrap_or_default(), revision }
    }
}

impl Ledger {
    /// Whether the child on the server is what was applied, and what would be applied now.
    pub fn is_settled(&self, kind: &str, key: &ObjectKey, wanted: &str, there: Option<Version>) -> bool {
        let Some(version) = there else { return false };
        let entry = Entry { hash: hash(wanted), version };
        self.applied.lock().get(&(kind.to_owned(), key.clone())) == Some(&entry)
    }

    /// Notes what was applied, and the version that it has now.
    pub fn note(&self, kind: &str, key: ObjectKey, wanted: &str, version: Version) {
        let entry = Entry { hash: hash(wanted), version };
        self.applied.lock().insert((kind.to_owned(), key), entry);
    }

    /// Forgets all children whose name says that they belong to a cluster that is gone.
    pub fn forget(&self, namespace: &str, prefix: &str) {
        self.applied.lock().retain(|(_, key), _| key.namespace != namespace || !key.name.starts_with(prefix));
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
