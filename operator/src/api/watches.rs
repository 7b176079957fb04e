//! Watches of the operator's own kinds and of the children, as streams for controllers.

use std::fmt::Debug;
use std::hash::Hash;

use futures_util::{Stream, StreamExt};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, predicates, watcher as watch};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::broker_cluster::names::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER};
use crate::watched::slim;

/// A resource that may not be readable.
pub type Guarded<K> = DeserializeGuard<K>;

/// Watches a kind, and gives the objects that a controller should look at: those whose spec, annotations,
/// labels or finalizers changed. What only a status changed is left out, since the operator writes it
/// itself. `note` sees every event before anybody else.
pub fn resources<K>(
    api: Api<Guarded<K>>,
    mut note: impl FnMut(&Event<Guarded<K>>) + Send + 'static,
) -> (impl Stream<Item = Result<Guarded<K>, watcher::Error>> + Send + 'static, Store<Guarded<K>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    Guarded<K>: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + ResourceExt,
{
    let (reader, writer) = reflector::store();
    let seen_as = |object: &Guarded<K>| {
        let meta = object.meta();
        let parts = (
            meta.generation,
            object.annotations(),
            object.labels(),
            object.finalizers(),
            &meta.uid,
            meta.deletion_timestamp.is_some(),
        );
        Some(hash(&parts))
    };
    // In one piece: of a list in pages, when a watch is taken up again, objects would come to the controller before the
    // store has them. A reconcile would look at them as they were, or not at all.
    let in_one_piece = watcher::Config { page_size: None, ..watcher::Config::default() };
    let stream = watch(api, in_one_piece)
        .default_backoff()
        .modify(slim)
        .inspect(move |event| {
            if let Ok(event) = event {
                note(event);
            }
        })
        .reflect(writer)
        .applied_objects()
        .predicate_filter(seen_as, predicates_config());
    (unbroken(stream), reader)
}

/// Watches the metadata of children of a kind, and gives them as they change.
pub fn children<K>(
    api: Api<PartialObjectMeta<K>>,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    unbroken(watch(api, managed()).default_backoff().touched_objects())
}

/// Watches whole children of a kind.
pub fn whole_children<K>(api: Api<K>) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let stream = watch(api, managed())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .touched_objects()
        .predicate_filter(predicates::resource_version, predicates_config());
    unbroken(stream)
}

/// Keeps errors from the controller. Each watch waits by itself before it is taken up again; the controller would wait
/// as well, for all of its watches at once, and longer after each error of any: minutes, when nine break together.
fn unbroken<K>(
    stream: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Send + 'static,
{
    stream.filter_map(|seen| {
        if let Err(error) = &seen {
            tracing::warn!(kind = &*K::kind(&()), %error, "a watch broke, and is taken up again");
        }
        std::future::ready(seen.ok().map(Ok))
    })
}

/// The cluster that a child belongs to.
pub fn cluster_of<K: ResourceExt>(child: &K) -> Option<(String, String)> {
    Some((child.namespace()?, child.labels().get(INSTANCE_LABEL)?.clone()))
}

fn managed() -> watcher::Config {
    watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"))
}

fn predicates_config() -> kube::runtime::PredicateConfig {
    kube::runtime::PredicateConfig::default()
}

fn hash(value: &impl Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
