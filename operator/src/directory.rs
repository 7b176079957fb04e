//! Which resources there are and what they lay claim to, kept by the watches: the cluster that a topic
//! belongs to, and who else wants the same topic, are found without walking over all resources. Pure but
//! for its lock; knows nothing of the API server.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking_lot::Mutex;

use crate::names::ObjectKey;

/// A BrokerCluster, as far as others need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEntry {
    /// Changes when the cluster is deleted and made again.
    pub uid: String,
    /// It is being deleted.
    pub deleting: bool,
    /// Where it is reached from inside of Kubernetes.
    pub bootstrap: String,
    /// Namespaces beside its own whose resources may belong to it.
    pub allowed_namespaces: Vec<String>,
}

impl ClusterEntry {
    /// Whether resources of `namespace` may belong to the cluster `key`.
    #[must_use]
    pub fn allows(&self, key: &ObjectKey, namespace: &str) -> bool {
        key.namespace == namespace
            || self.allowed_namespaces.iter().any(|allowed| allowed == "*" || allowed == namespace)
    }
}

/// What a resource wants: a topic or group of a cluster, by Kafka's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Want {
    /// The cluster.
    pub cluster: ObjectKey,
    /// The topic's or group's name in Kafka.
    pub name: String,
}

/// Who wants something. The first in this order has it: the oldest, then the least uid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// When the resource was made, in seconds since 1970.
    pub created: i64,
    /// Its uid.
    pub uid: String,
    /// The resource.
    pub object: ObjectKey,
}

/// The resources of one kind and what they want.
#[derive(Debug, Default)]
pub struct Claims {
    inner: Mutex<ClaimsInner>,
}

#[derive(Debug, Default)]
struct ClaimsInner {
    by_want: HashMap<Want, BTreeSet<Claim>>,
    by_object: HashMap<ObjectKey, (Want, Claim)>,
    by_cluster: HashMap<ObjectKey, HashSet<ObjectKey>>,
}

impl Claims {
    /// Notes what a resource wants. Gives the resources that wanted the same as it did before or does now,
    /// when its claim is new or moved: they may have won or lost.
    pub fn put(&self, want: Want, claim: Claim) -> Vec<ObjectKey> {
        let mut inner = self.inner.lock();
        let object = claim.object.clone();
        if inner.by_object.get(&object).is_some_and(|known| *known == (want.clone(), claim.clone())) {
            return Vec::new();
        }
        let mut rivals = inner.remove(&object).map(|(_, rivals)| rivals).unwrap_or_default();
        inner.by_cluster.entry(want.cluster.clone()).or_default().insert(object.clone());
        inner.by_want.entry(want.clone()).or_default().insert(claim.clone());
        rivals.extend(inner.rivals(&want, &object));
        inner.by_object.insert(object, (want, claim));
        rivals
    }

    /// Forgets a resource. Gives what it wanted, and those that want the same: the next one may have it now.
    pub fn remove(&self, object: &ObjectKey) -> Option<(Want, Vec<ObjectKey>)> {
        self.inner.lock().remove(object)
    }

    /// Who has what is wanted.
    #[must_use]
    pub fn owner(&self, want: &Want) -> Option<ObjectKey> {
        self.inner.lock().by_want.get(want)?.first().map(|claim| claim.object.clone())
    }

    /// All resources of a cluster.
    #[must_use]
    pub fn of_cluster(&self, cluster: &ObjectKey) -> Vec<ObjectKey> {
        self.inner.lock().by_cluster.get(cluster).into_iter().flatten().cloned().collect()
    }

    /// Whether any resource belongs to the cluster.
    #[must_use]
    pub fn has_any(&self, cluster: &ObjectKey) -> bool {
        self.inner.lock().by_cluster.get(cluster).is_some_and(|objects| !objects.is_empty())
    }
}

impl ClaimsInner {
    fn remove(&mut self, object: &ObjectKey) -> Option<(Want, Vec<ObjectKey>)> {
        let (want, claim) = self.by_object.remove(object)?;
        if let Some(claims) = self.by_want.get_mut(&want) {
            claims.remove(&claim);
            if claims.is_empty() {
                self.by_want.remove(&want);
            }
        }
        if let Some(objects) = self.by_cluster.get_mut(&want.cluster) {
            objects.remove(object);
            if objects.is_empty() {
                self.by_cluster.remove(&want.cluster);
            }
        }
        let rivals = self.rivals(&want, object);
        Some((want, rivals))
    }

    fn rivals(&self, want: &Want, object: &ObjectKey) -> Vec<ObjectKey> {
        let claims = self.by_want.get(want).into_iter().flatten();
        claims.map(|claim| &claim.object).filter(|other| *other != object).cloned().collect()
    }
}

/// Clusters, topics and groups.
#[derive(Debug, Default)]
pub struct Directory {
    clusters: Mutex<HashMap<ObjectKey, ClusterEntry>>,
    /// What Topics want.
    pub topics: Claims,
    /// What ConsumerGroups want.
    pub groups: Claims,
}

impl Directory {
    /// A cluster, if there is one.
    #[must_use]
    pub fn cluster(&self, key: &ObjectKey) -> Option<ClusterEntry> {
        self.clusters.lock().get(key).cloned()
    }

    /// Notes a cluster. Whether it is new or not what it was.
    pub fn put_cluster(&self, key: ObjectKey, entry: ClusterEntry) -> bool {
        let mut clusters = self.clusters.lock();
        let changed = clusters.get(&key) != Some(&entry);
        if changed {
            clusters.insert(key, entry);
        }
        changed
    }

    /// Forgets a cluster. Whether there was one.
    pub fn remove_cluster(&self, key: &ObjectKey) -> bool {
        self.clusters.lock().remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    fn want(name: &str) -> Want {
        Want { cluster: key("main"), name: name.into() }
    }

    fn claim(object: &str, created: i64) -> Claim {
        Claim { created, uid: format!("uid-{object}"), object: key(object) }
    }

    #[test]
    fn the_oldest_has_the_topic_and_the_next_one_gets_it_when_it_goes() {
        let claims = Claims::default();
        assert!(claims.put(want("orders"), claim("young", 200)).is_empty());
        assert_eq!(claims.put(want("orders"), claim("old", 100)), [key("young")]);
        assert_eq!(claims.owner(&want("orders")), Some(key("old")));
        assert!(claims.put(want("orders"), claim("old", 100)).is_empty(), "nothing new");
        assert_eq!(claims.remove(&key("old")), Some((want("orders"), vec![key("young")])));
        assert_eq!(claims.owner(&want("orders")), Some(key("young")));
        claims.remove(&key("young"));
        assert_eq!(claims.owner(&want("orders")), None);
        assert!(!claims.has_any(&key("main")));
    }

    #[test]
    fn a_claim_that_moves_leaves_its_rivals_behind_and_meets_others() {
        let claims = Claims::default();
        claims.put(want("a"), claim("one", 1));
        claims.put(want("a"), claim("two", 2));
        claims.put(want("b"), claim("three", 3));
        let mut told = claims.put(want("b"), claim("one", 1));
        told.sort();
        assert_eq!(told, [key("three"), key("two")]);
        assert_eq!(claims.owner(&want("a")), Some(key("two")));
        assert_eq!(claims.owner(&want("b")), Some(key("one")));
    }

    #[test]
    fn a_cluster_lets_in_its_own_namespace_and_those_that_it_names() {
        let entry = |allowed: &[&str]| ClusterEntry {
            uid: "u".into(),
            deleting: false,
            bootstrap: String::new(),
            allowed_namespaces: allowed.iter().map(|&name| name.to_owned()).collect(),
        };
        let main = key("main");
        assert!(entry(&[]).allows(&main, "shop"));
        assert!(!entry(&["billing"]).allows(&main, "search"));
        assert!(entry(&["billing", "search"]).allows(&main, "search"));
        assert!(entry(&["*"]).allows(&main, "anything"));
    }
}
