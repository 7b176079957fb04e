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

/// Who wants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// When the resource was made, in seconds since 1970.
    pub created: i64,
    /// Its status says that it has it already.
    pub has: bool,
    /// Its uid.
    pub uid: String,
    /// The resource.
    pub object: ObjectKey,
}

/// The first in this order has what several want: the oldest; of those made in the same second, which is as
/// finely as Kubernetes tells, the one that has it already; then the one that was seen first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    created: i64,
    waits: bool,
    seen: u64,
    object: ObjectKey,
}

impl Rank {
    fn of(claim: &Claim, seen: u64) -> Self {
        Self { created: claim.created, waits: !claim.has, seen, object: claim.object.clone() }
    }
}

/// The resources of one kind and what they want.
#[derive(Debug, Default)]
pub struct Claims {
    inner: Mutex<ClaimsInner>,
}

#[derive(Debug, Default)]
struct ClaimsInner {
    by_want: HashMap<Want, BTreeSet<Rank>>,
    by_object: HashMap<ObjectKey, Known>,
    by_cluster: HashMap<ObjectKey, HashSet<ObjectKey>>,
    /// How many resources were seen.
    seen: u64,
}

#[derive(Debug)]
struct Known {
    want: Want,
    claim: Claim,
    seen: u64,
}

impl Claims {
    /// Notes what a resource wants. Gives the resources that wanted the same as it did before or does now,
    /// when its claim is new or moved: they may have won or lost.
    pub fn put(&self, want: Want, claim: Claim) -> Vec<ObjectKey> {
        let mut inner = self.inner.lock();
        let object = claim.object.clone();
        let known = inner.by_object.get(&object);
        if known.is_some_and(|known| known.want == want && known.claim == claim) {
            return Vec::new();
        }
        let seen = match known {
            Some(known) if known.claim.uid == claim.uid => known.seen,
            _ => inner.next_seen(),
        };
        let mut rivals = inner.remove(&object).map(|(_, rivals)| rivals).unwrap_or_default();
        inner.by_cluster.entry(want.cluster.clone()).or_default().insert(object.clone());
        inner.by_want.entry(want.clone()).or_default().insert(Rank::of(&claim, seen));
        rivals.extend(inner.rivals(&want, &object));
        rivals.sort_unstable();
        rivals.dedup();
        inner.by_object.insert(object, Known { want, claim, seen });
        rivals
    }

    /// Forgets a resource. Gives what it wanted, and those that want the same: the next one may have it now.
    pub fn remove(&self, object: &ObjectKey) -> Option<(Want, Vec<ObjectKey>)> {
        self.inner.lock().remove(object)
    }

    /// Who has what is wanted: of those that the cluster lets in, where it is known. Others must not keep them
    /// out of what they cannot have themselves.
    #[must_use]
    pub fn owner(&self, want: &Want, cluster: Option<&ClusterEntry>) -> Option<ObjectKey> {
        let inner = self.inner.lock();
        let mut objects = inner.by_want.get(want)?.iter().map(|rank| &rank.object);
        let allowed =
            |object: &ObjectKey| cluster.is_none_or(|entry| entry.allows(&want.cluster, &object.namespace));
        objects.find(|object| allowed(object)).cloned()
    }

    /// Whether anybody wants it, let in or not.
    #[must_use]
    pub fn is_wanted(&self, want: &Want) -> bool {
        self.inner.lock().by_want.contains_key(want)
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
    fn next_seen(&mut self) -> u64 {
        self.seen += 1;
        self.seen
    }

    fn remove(&mut self, object: &ObjectKey) -> Option<(Want, Vec<ObjectKey>)> {
        let Known { want, claim, seen } = self.by_object.remove(object)?;
        if let Some(claims) = self.by_want.get_mut(&want) {
            claims.remove(&Rank::of(&claim, seen));
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
        claims.map(|rank| &rank.object).filter(|other| *other != object).cloned().collect()
    }
}

/// Clusters, topics and groups.
#[derive(Debug, Default)]
pub struct Directory {
    clusters: Mutex<HashMap<ObjectKey, ClusterEntry>>,
    /// Clusters that are there and do not fit their type. Those that did before are in `clusters` as well.
    unreadable: Mutex<HashSet<ObjectKey>>,
    /// What Topics want.
    pub topics: Claims,
    /// What ConsumerGroups want.
    pub groups: Claims,
}

impl Directory {
    /// Which Topic has a topic.
    #[must_use]
    pub fn topic_owner(&self, want: &Want) -> Option<ObjectKey> {
        self.topics.owner(want, self.cluster(&want.cluster).as_ref())
    }

    /// Which ConsumerGroup has a group.
    #[must_use]
    pub fn group_owner(&self, want: &Want) -> Option<ObjectKey> {
        self.groups.owner(want, self.cluster(&want.cluster).as_ref())
    }

    /// A cluster, if there is one.
    #[must_use]
    pub fn cluster(&self, key: &ObjectKey) -> Option<ClusterEntry> {
        self.clusters.lock().get(key).cloned()
    }

    /// Whether a cluster is there and does not fit its type.
    #[must_use]
    pub fn is_unreadable(&self, key: &ObjectKey) -> bool {
        self.unreadable.lock().contains(key)
    }

    /// Notes a cluster that does not fit its type. Whether that is new.
    pub fn put_unreadable(&self, key: ObjectKey) -> bool {
        self.unreadable.lock().insert(key)
    }

    /// Notes a cluster. Whether it is new or not what it was.
    pub fn put_cluster(&self, key: ObjectKey, entry: ClusterEntry) -> bool {
        self.unreadable.lock().remove(&key);
        let mut clusters = self.clusters.lock();
        let changed = clusters.get(&key) != Some(&entry);
        if changed {
            clusters.insert(key, entry);
        }
        changed
    }

    /// Forgets a cluster. Whether there was one.
    pub fn remove_cluster(&self, key: &ObjectKey) -> bool {
        self.unreadable.lock().remove(key);
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
        Claim { created, has: false, uid: format!("uid-{object}"), object: key(object) }
    }

    #[test]
    fn of_the_same_second_the_one_that_has_it_keeps_it_then_the_one_seen_first() {
        let claims = Claims::default();
        claims.put(want("orders"), claim("z", 100));
        claims.put(want("orders"), claim("a", 100));
        assert_eq!(claims.owner(&want("orders"), None), Some(key("z")), "seen first");
        let has = Claim { has: true, ..claim("z", 100) };
        assert_eq!(claims.put(want("orders"), has.clone()), [key("a")]);
        assert_eq!(claims.owner(&want("orders"), None), Some(key("z")));

        // An operator that has just started sees them in any order.
        let claims = Claims::default();
        claims.put(want("orders"), claim("a", 100));
        claims.put(want("orders"), has);
        assert_eq!(claims.owner(&want("orders"), None), Some(key("z")), "it has it");

        // Deleted and made again within the second, it is another one.
        let again = Claim { uid: "another".into(), ..claim("z", 100) };
        claims.put(want("orders"), again);
        assert_eq!(claims.owner(&want("orders"), None), Some(key("a")));
    }

    #[test]
    fn the_oldest_has_the_topic_and_the_next_one_gets_it_when_it_goes() {
        let claims = Claims::default();
        assert!(claims.put(want("orders"), claim("young", 200)).is_empty());
        assert_eq!(claims.put(want("orders"), claim("old", 100)), [key("young")]);
        assert_eq!(claims.owner(&want("orders"), None), Some(key("old")));
        assert!(claims.put(want("orders"), claim("old", 100)).is_empty(), "nothing new");
        assert_eq!(claims.remove(&key("old")), Some((want("orders"), vec![key("young")])));
        assert_eq!(claims.owner(&want("orders"), None), Some(key("young")));
        claims.remove(&key("young"));
        assert_eq!(claims.owner(&want("orders"), None), None);
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
        assert_eq!(claims.owner(&want("a"), None), Some(key("two")));
        assert_eq!(claims.owner(&want("b"), None), Some(key("one")));
    }

    #[test]
    fn whoever_is_not_let_in_keeps_nobody_out() {
        let claims = Claims::default();
        let stranger = ObjectKey { namespace: "elsewhere".into(), name: "orders".into() };
        claims.put(want("orders"), Claim { object: stranger.clone(), ..claim("stranger", 1) });
        claims.put(want("orders"), claim("ours", 2));
        let entry = |allowed: &[&str]| ClusterEntry {
            uid: "u".into(),
            deleting: false,
            bootstrap: String::new(),
            allowed_namespaces: allowed.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(claims.owner(&want("orders"), Some(&entry(&[]))), Some(key("ours")));
        assert_eq!(claims.owner(&want("orders"), Some(&entry(&["elsewhere"]))), Some(stranger));
        claims.remove(&key("ours"));
        assert_eq!(claims.owner(&want("orders"), Some(&entry(&[]))), None);
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
