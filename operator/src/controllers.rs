//! The controllers of all kinds, for all namespaces that are watched: what makes them look, and what
//! becomes of a failure.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource, ResourceExt};
use millrace_crds::{BrokerCluster, ConsumerGroup, Topic};
use tokio_util::sync::CancellationToken;

use crate::api::error::ReconcileError;
use crate::api::watches::{Guarded, children, cluster_of, resources, whole_children};
use crate::context::{Bells, Context};
use crate::names::ObjectKey;
use crate::pass::Managed;
use crate::triggers::Triggers;
use crate::watched::{self, Known};
use crate::{broker_cluster, consumer_group, topic};

mod attempt;

/// Topics and groups at a time: they are cheap, and share their requests. Of one cluster it is half (`turns.rs`).
const SUBJECTS_AT_A_TIME: u16 = 64;
/// Clusters at a time.
const CLUSTERS_AT_A_TIME: u16 = 16;
/// How long topics and groups wait until the clusters of all namespaces are known, and then readiness until they are. A
/// namespace that cannot be listed must not keep the others from being looked after.
const KNOWN_MAX: Duration = Duration::from_secs(30);

/// Where resources are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In all namespaces.
    All,
    /// In this one.
    Namespace(String),
}

impl Scope {
    /// The scopes for a list of namespaces; one without names stands for all. Each is looked after once.
    #[must_use]
    pub fn of(namespaces: &[String]) -> Vec<Self> {
        let named: BTreeSet<&str> = namespaces.iter().map(|name| name.trim()).collect();
        let named = named.into_iter().filter(|name| !name.is_empty());
        let scopes: Vec<Self> = named.map(|name| Self::Namespace(name.to_owned())).collect();
        if scopes.is_empty() { vec![Self::All] } else { scopes }
    }

    /// The API of a kind in this scope.
    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client.clone()),
            Self::Namespace(name) => Api::namespaced(client.clone(), name),
        }
    }

    fn holds(&self, key: &ObjectKey) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(name) => *name == key.namespace,
        }
    }
}

/// Runs all controllers until they are stopped; reconciles under way come to their end. Topics and groups
/// are looked at once all clusters are known. `ready` is told when all resources were seen.
pub async fn run(
    context: Arc<Context>,
    scopes: Vec<Scope>,
    stop: CancellationToken,
    ready: impl FnOnce() + Send + 'static,
) {
    let mut running: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    let mut cluster_stores = Vec::new();
    let routes = Routes::start(&context.bells, &scopes, &stop);
    for (scope, route) in scopes.iter().zip(&routes) {
        let (controller, store) = clusters(Arc::clone(&context), scope, &route.clusters, &stop);
        running.push(controller);
        cluster_stores.push(store);
    }
    let all_clusters = all_seen(cluster_stores.iter());
    tokio::select! {
        known = tokio::time::timeout(KNOWN_MAX, all_clusters) => if known.is_err() {
            tracing::error!("the BrokerClusters of some namespace cannot be listed; going on with the others");
        },
        () = drain(&mut running) => return,
        () = stop.cancelled() => return drain(&mut running).await,
    }
    let (mut topic_stores, mut group_stores) = (Vec::new(), Vec::new());
    for (scope, route) in scopes.iter().zip(routes) {
        let (topics, groups) = (topic::reconcile::reconcile, consumer_group::reconcile::reconcile);
        let topic_gone: Gone<Topic> =
            |context, key, topic| watched::topic_is_gone(context, key, topic.map(watched::topic_wanted));
        let group_gone: Gone<ConsumerGroup> =
            |context, key, group| watched::group_is_gone(context, key, group.map(watched::group_wanted));
        let context = || Arc::clone(&context);
        let (controller, store) =
            subjects(context(), scope, route.topics, &stop, watched::topic, topics, topic_gone);
        running.push(controller);
        topic_stores.push(store);
        let (controller, store) =
            subjects(context(), scope, route.groups, &stop, watched::group, groups, group_gone);
        running.push(controller);
        group_stores.push(store);
    }
    let all_subjects = async {
        tokio::join!(all_seen(topic_stores.iter()), all_seen(group_stores.iter()));
    };
    tokio::select! {
        known = tokio::time::timeout(KNOWN_MAX, all_subjects) => if known.is_err() {
            tracing::error!("the Topics or ConsumerGroups of some namespace cannot be listed; the others are seen");
        },
        () = drain(&mut running) => return,
    }
    ready();
    drain(&mut running).await;
}

/// Waits until all of a kind were listed once.
async fn all_seen<K>(stores: impl Iterator<Item = &Store<Guarded<K>>>)
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
    Guarded<K>: Lookup<DynamicType = ()>,
{
    for store in stores {
        // It ends without being ready only when its controller ends.
        let _ = store.wait_until_ready().await;
    }
}

async fn drain(running: &mut FuturesUnordered<BoxFuture<'static, ()>>) {
    while running.next().await.is_some() {}
}

/// The bells of one scope.
#[derive(Default)]
struct Routes {
    clusters: Triggers,
    topics: Triggers,
    groups: Triggers,
}

impl Routes {
    /// Shares what the bells ring for among the scopes, by namespace.
    fn start(bells: &Bells, scopes: &[Scope], stop: &CancellationToken) -> Vec<Self> {
        let routes: Vec<Self> = scopes.iter().map(|_| Self::default()).collect();
        let targets = |pick: fn(&Self) -> &Triggers| -> Vec<(Scope, Triggers)> {
            scopes.iter().cloned().zip(routes.iter().map(|route| pick(route).clone())).collect()
        };
        share(&bells.clusters, targets(|route| &route.clusters), stop);
        share(&bells.topics, targets(|route| &route.topics), stop);
        share(&bells.groups, targets(|route| &route.groups), stop);
        routes
    }
}

fn share(bell: &Triggers, targets: Vec<(Scope, Triggers)>, stop: &CancellationToken) {
    let mut pulled = Box::pin(bell.stream().take_until(stop.clone().cancelled_owned()));
    tokio::spawn(async move {
        while let Some(key) = pulled.next().await {
            if let Some((_, triggers)) = targets.iter().find(|(scope, _)| scope.holds(&key)) {
                triggers.pull(key);
            }
        }
    });
}

fn clusters(
    context: Arc<Context>,
    scope: &Scope,
    bell: &Triggers,
    stop: &CancellationToken,
) -> (BoxFuture<'static, ()>, Store<Guarded<BrokerCluster>>) {
    let client = context.client.clone();
    let (noting, mut known) = (Arc::clone(&context), Known::default());
    let note = move |event: &_| watched::cluster(&noting, &mut known, event);
    let (objects, store) = resources::<BrokerCluster>(scope.api(&client), note);
    let controller = Controller::for_stream(objects, store.clone())
        .with_config(Config::default().concurrency(CLUSTERS_AT_A_TIME))
        .watches_stream(whole_children::<StatefulSet>(scope.api(&client)), owner)
        .watches_stream(whole_children::<Pod>(scope.api(&client)), owner)
        .watches_stream(whole_children::<Service>(scope.api(&client)), owner)
        .watches_stream(children::<PersistentVolumeClaim>(scope.api(&client)), owner)
        .watches_stream(children::<ConfigMap>(scope.api(&client)), owner)
        .watches_stream(children::<ServiceAccount>(scope.api(&client)), owner)
        .watches_stream(children::<PodDisruptionBudget>(scope.api(&client)), owner)
        .watches_stream(children::<NetworkPolicy>(scope.api(&client)), owner)
        .reconcile_on(references(bell))
        .graceful_shutdown_on(stop.clone().cancelled_owned());
    let gone: Gone<BrokerCluster> = |context, key, _| watched::cluster_is_gone(context, key);
    (start(controller, store.clone(), context, broker_cluster::reconcile::reconcile, gone), store)
}

/// What belongs to clusters: topics or groups. `note` hears what the watch brings.
fn subjects<K, F, R>(
    context: Arc<Context>,
    scope: &Scope,
    bell: Triggers,
    stop: &CancellationToken,
    note: fn(&Context, &mut Known, &Event<Guarded<K>>),
    reconcile: F,
    gone: Gone<K>,
) -> (BoxFuture<'static, ()>, Store<Guarded<K>>)
where
    K: Managed + Send + Sync + 'static,
    F: Fn(Arc<Guarded<K>>, Arc<Context>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let (noting, mut known) = (Arc::clone(&context), Known::default());
    let (objects, store) =
        resources::<K>(scope.api(&context.client), move |event: &_| note(&noting, &mut known, event));
    let controller = Controller::for_stream(objects, store.clone())
        .with_config(Config::default().concurrency(SUBJECTS_AT_A_TIME))
        .reconcile_on(references(&bell))
        .graceful_shutdown_on(stop.clone().cancelled_owned());
    (start(controller, store.clone(), context, reconcile, gone), store)
}

fn owner<K: ResourceExt>(child: K) -> Option<ObjectRef<Guarded<BrokerCluster>>> {
    let (namespace, name) = cluster_of(&child)?;
    Some(ObjectRef::new(&name).within(&namespace))
}

fn references<K>(bell: &Triggers) -> impl Stream<Item = ObjectRef<K>> + Send + 'static
where
    K: Lookup<DynamicType = ()> + 'static,
{
    bell.stream().map(|key| ObjectRef::new(&key.name).within(&key.namespace))
}

/// Forgets a resource that is not there any more; the resource, where it could be read.
type Gone<K> = fn(&Context, &ObjectKey, Option<&K>);

/// Runs a controller with metrics, a limit, back-off and the log around each reconcile.
fn start<K, F, R>(
    controller: Controller<Guarded<K>>,
    store: Store<Guarded<K>>,
    context: Arc<Context>,
    reconcile: F,
    gone: Gone<K>,
) -> BoxFuture<'static, ()>
where
    K: Managed + Send + Sync + 'static,
    F: Fn(Arc<Guarded<K>>, Arc<Context>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let kind = K::KIND;
    let measured = move |object: Arc<Guarded<K>>, context: Arc<Context>| {
        let (reconcile, known) = (reconcile.clone(), store.clone());
        async move {
            let key = ObjectKey::of(&*object);
            let (metrics, attempts) = (&context.metrics, &context.attempts);
            if object.0.is_ok() {
                context.reporter.forget(kind, &key.namespace, &key.name);
            }
            let pass = reconcile(Arc::clone(&object), Arc::clone(&context));
            let result = attempt::make(kind, &key, metrics, attempts, pass).await;
            if known.get(&ObjectRef::new(&key.name).within(&key.namespace)).is_none() {
                // Deleted meanwhile: what the pass noted about it would stay for ever.
                gone(&context, &key, object.0.as_ref().ok());
                return Ok(Action::await_change());
            }
            result.or_else(|error| error.comes_back_after().map(Action::requeue).ok_or(error))
        }
        .boxed()
    };
    let on_error = move |object: Arc<Guarded<K>>, error: &ReconcileError, context: Arc<Context>| {
        let key = ObjectKey::of(&*object);
        let wait = attempt::wait(kind, &key, &context.attempts, error);
        tracing::warn!(kind, object = %key, %error, wait_seconds = wait.as_secs_f32(), "reconcile failed");
        Action::requeue(wait)
    };
    controller
        .run(measured, on_error, context)
        .for_each(move |result| {
            if let Err(error) = result {
                // Failures of reconciles are told above; objects that went meanwhile are no failures.
                tracing::debug!(kind, %error, "controller");
            }
            std::future::ready(())
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_namespace_gets_what_was_rung_for_it() {
        let (bells, stop) = (Bells::default(), CancellationToken::new());
        let scopes = Scope::of(&["one".to_owned(), "two".to_owned()]);
        let routes = Routes::start(&bells, &scopes, &stop);
        let key = |namespace: &str, name: &str| ObjectKey { namespace: namespace.into(), name: name.into() };
        let picks: [fn(&Routes) -> &Triggers; 3] =
            [|route| &route.clusters, |route| &route.topics, |route| &route.groups];
        for (bell, pick) in [&bells.clusters, &bells.topics, &bells.groups].into_iter().zip(picks) {
            for round in 0..8 {
                let name = format!("main-{round}");
                for (namespace, route) in ["one", "two"].into_iter().zip(&routes) {
                    bell.pull(key("elsewhere", &name));
                    bell.pull(key(namespace, &name));
                    let mut heard = Box::pin(pick(route).stream());
                    let heard = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
                    assert_eq!(heard.unwrap(), Some(key(namespace, &name)));
                }
            }
        }
        stop.cancel();
    }
}
