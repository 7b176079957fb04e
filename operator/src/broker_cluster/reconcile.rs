//! Brings one BrokerCluster resource, its children in Kubernetes and its brokers together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Resource};
use millrace_client::ClientError;
use millrace_crds::{BrokerCluster, BrokerClusterStatus, Condition};
use serde_json::json;

use super::ValidatedCluster;
use super::build::properties::Advertised;
use super::build::{
    config_map::config_map, metadata, network_policy::network_policy,
    pod_disruption_budget::pod_disruption_budget, service, service_account::service_account,
    stateful_set::stateful_set,
};
use super::observe::{ClusterChildren, observe};
use super::plan::roll::{ClusterState, Step, next};
use super::plan::storage;
use super::status::{Ingredients, observed, obstacle, replaced, storage_verdict};
use super::validate::validate;
use super::{live, names};
use crate::api::apply::{apply, delete, delete_own};
use crate::api::error::ReconcileError;
use crate::conditions::{PROGRESSING, READY, Verdict, age, find, is_true, with_verdicts};
use crate::context::Context;
use crate::kafka::cluster::replica_sets;
use crate::kafka::link::{Health, Link};
use crate::names::{FIELD_MANAGER, ObjectKey, is_paused};
use crate::pass::Pass;
use crate::problem::Problem;

/// A settled cluster is looked at again after this long: settings that somebody changed by hand ring no bell.
const SETTLED: Duration = Duration::from_secs(60);
/// While something is being changed.
const MOVING: Duration = Duration::from_secs(3);

/// One reconcile.
///
/// # Errors
/// What may go better another time.
pub async fn reconcile(
    object: Arc<DeserializeGuard<BrokerCluster>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let key = ObjectKey::of(&*object);
    match &object.0 {
        Ok(cluster) => Pass::new(cluster.clone(), key, &context).run().await,
        Err(invalid) => crate::unreadable::report::<BrokerCluster>(&context, &key, invalid).await,
    }
}

/// When to look again at a cluster that is not as it should be: soon where that is new, and seldom where it stays so. What
/// is refused until somebody changes something is not asked for all the time.
fn next_look(conditions: &[Condition], now: Timestamp) -> Duration {
    let ages = [READY, PROGRESSING].into_iter().filter_map(|aspect| age(conditions, aspect, now));
    ages.min().map_or(MOVING, |age| (age / 10).clamp(MOVING, SETTLED))
}

/// What was done to the brokers.
#[derive(Default)]
struct Done {
    refused: Option<Problem>,
    storage: Option<Verdict>,
}

impl Pass<'_, BrokerCluster> {
    async fn run(self) -> Result<Action, ReconcileError> {
        // Children go with their owner; topics and groups are told by the directory.
        if self.is_going() {
            return Ok(Action::await_change());
        }
        if is_paused(&self.object) {
            return self.look_away().await;
        }
        let owner = self.object.controller_owner_ref(&()).unwrap_or_default();
        let image = &self.context.options.image;
        match validate(self.key.clone(), owner, &self.object.spec, image) {
            Ok(cluster) => {
                let link = self.link()?;
                match link.while_open(self.bring_together(&cluster, &link)).await {
                    // The cluster is gone.
                    Err(ReconcileError::Kafka(ClientError::Closed)) => Ok(Action::await_change()),
                    Err(error) => self.fail(error).await,
                    done => done,
                }
            }
            Err(problem) => {
                self.refuse(Verdict::no(READY, problem.reason, problem.message)).await?;
                Ok(Action::await_change())
            }
        }
    }

    /// Says what stands in the way, unless it is gone by the next attempt. Gives the error back.
    async fn fail(&self, error: ReconcileError) -> Result<Action, ReconcileError> {
        if let Some(verdict) = obstacle(&error) {
            let status = with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now());
            self.tell_news(&status).await;
            self.publish(&status).await?;
        }
        Err(error)
    }

    async fn bring_together(
        &self,
        cluster: &ValidatedCluster,
        link: &Link,
    ) -> Result<Action, ReconcileError> {
        let client = &self.context.client;
        let mut children = observe(client, cluster).await?;
        let health = link.health();
        if health == Health::Reachable
            && children.all_serve(cluster)
            && self.is_news_to_brokers(cluster)
            && let Some(problem) = live::unknown(link.admin(), &cluster.config.at_start).await?
        {
            self.refuse(Verdict::no(READY, problem.reason, problem.message)).await?;
            return Ok(Action::requeue(SETTLED));
        }
        let written = self.apply_all(cluster, &children).await?;
        if written {
            children = observe(client, cluster).await?;
        }
        let advertised = children.advertised(cluster, &self.before.listeners);
        let mut roll = self.roll(cluster, &children, link, &health).await?;
        if let Step::Restart(broker) = roll {
            if self.restart(&children, broker).await? {
                link.hurry();
            } else {
                roll = Step::Wait(format!("broker {broker} was restarted by somebody else"));
            }
        }
        let mut done = Done::default();
        // Brokers that start would be asked in vain for as long as the client is patient.
        if health == Health::Reachable && roll == Step::Done && children.all_serve(cluster) {
            done.refused = self.change_settings(cluster, link).await?;
        }
        done.storage = self.grow_volumes(cluster, &children).await?;
        let seen = link.cluster();
        let from = Ingredients {
            cluster,
            generation: self.generation(),
            pods: &children.pods,
            advertised: &advertised,
            seen: seen.as_deref(),
            health: &health,
            roll: &roll,
            refused: done.refused.as_ref(),
            storage: done.storage,
        };
        let status = observed(&self.before, &from, Timestamp::now());
        let settled = is_true(&status.conditions, READY) && roll == Step::Done;
        self.tell_news(&status).await;
        self.publish(&status).await?;
        Ok(Action::requeue(if settled { SETTLED } else { next_look(&status.conditions, Timestamp::now()) }))
    }

    /// The spec is not what the brokers serve with, and they are of its image: another one may know other settings.
    fn is_news_to_brokers(&self, cluster: &ValidatedCluster) -> bool {
        let conditions = &self.before.conditions;
        let seen = find(conditions, READY).and_then(|ready| ready.observed_generation);
        let serve = is_true(conditions, READY) && seen == self.generation();
        !serve && self.before.image.as_ref() == Some(&cluster.image)
    }

    /// Applies every child that is not as it should be. Services come first: brokers are told the addresses
    /// that they give. Whether anything was written.
    async fn apply_all(
        &self,
        cluster: &ValidatedCluster,
        children: &ClusterChildren,
    ) -> Result<bool, ReconcileError> {
        let (client, ledger) = (&self.context.client, &self.context.ledger);
        let listeners = service::listeners(cluster);
        let mut written = apply(client, ledger, &service_account(cluster)).await?;
        written |= apply(client, ledger, &service::headless(cluster)).await?;
        written |= apply(client, ledger, &service::bootstrap(cluster)).await?;
        for service in &listeners {
            written |= apply(client, ledger, service).await?;
        }
        for name in children.obsolete_services(&listeners) {
            delete::<Service>(client, &self.key.namespace, &name).await?;
            written = true;
        }
        // Addresses that Kubernetes just gave go into the brokers' files at once, which saves a restart.
        let advertised = if written {
            observe(client, cluster).await?.advertised(cluster, &self.before.listeners)
        } else {
            children.advertised(cluster, &self.before.listeners)
        };
        written |= apply(client, ledger, &pod_disruption_budget(cluster)).await?;
        written |= self.apply_network_policy(cluster).await?;
        written |= self.apply_brokers(cluster, children, &advertised).await?;
        Ok(written)
    }

    async fn apply_network_policy(&self, cluster: &ValidatedCluster) -> Result<bool, ReconcileError> {
        let (client, ledger) = (&self.context.client, &self.context.ledger);
        if let Some(policy) = network_policy(cluster) {
            return apply(client, ledger, &policy).await;
        }
        delete_own::<NetworkPolicy>(client, &metadata(cluster, names::shared(&self.key.name))).await
    }

    async fn apply_brokers(
        &self,
        cluster: &ValidatedCluster,
        children: &ClusterChildren,
        advertised: &Advertised,
    ) -> Result<bool, ReconcileError> {
        let (client, ledger) = (&self.context.client, &self.context.ledger);
        let mut written = apply(client, ledger, &config_map(cluster, advertised)).await?;
        written |= apply(client, ledger, &stateful_set(cluster, advertised, &children.present())).await?;
        Ok(written)
    }

    fn link(&self) -> Result<Arc<Link>, ReconcileError> {
        let entry = crate::watched::cluster_entry(&self.object);
        Ok(self.context.links.get(&self.key, &entry)?)
    }

    /// Where the roll is. The brokers are asked only when there is something to restart.
    async fn roll(
        &self,
        cluster: &ValidatedCluster,
        children: &ClusterChildren,
        link: &Link,
        health: &Health,
    ) -> Result<Step, ReconcileError> {
        if !children.is_set_observed() {
            return Ok(Step::Wait("Kubernetes has not seen the StatefulSet's change yet".to_owned()));
        }
        let pods: Vec<_> = children.pods.iter().map(|pod| pod.state.clone()).collect();
        let step = next(&pods, None);
        let must_ask = matches!(step, Step::Wait(_)) && pods.iter().all(|pod| pod.ready && !pod.terminating);
        if !must_ask || *health != Health::Reachable {
            return Ok(step);
        }
        let Some(seen) = link.cluster() else { return Ok(step) };
        let wanted = cluster.config.at_run_time.get(live::MIN_INSYNC_REPLICAS);
        let default = wanted.and_then(|value| value.parse().ok()).unwrap_or(1);
        let partitions = replica_sets(link.admin()).await?;
        let state = ClusterState {
            registered: seen.brokers.iter().map(|broker| broker.id).collect(),
            controller: seen.controller,
            min_insync_replicas: live::min_insync_replicas(link.admin(), &partitions, default).await?,
            partitions,
        };
        Ok(next(&pods, Some(&state)))
    }

    /// Deletes a broker's pod; the StatefulSet makes it again. `false` when it is another pod by now.
    async fn restart(&self, children: &ClusterChildren, broker: i32) -> Result<bool, ReconcileError> {
        let Some(pod) = children.pods.iter().find(|pod| pod.state.broker == broker) else { return Ok(false) };
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let only_this = Preconditions { uid: Some(pod.uid.clone()), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        match api.delete(&pod.name, &params).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let note = format!("broker {broker} is restarted to take the settings of the spec");
        self.tell("Restarting", "Restart", note).await;
        Ok(true)
    }

    async fn change_settings(
        &self,
        cluster: &ValidatedCluster,
        link: &Link,
    ) -> Result<Option<Problem>, ReconcileError> {
        let applied = live::apply(link.admin(), &cluster.config.at_run_time).await?;
        for change in &applied.done {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "its default".to_owned());
            let note = format!("{} set from {} to {}", change.name, shown(&change.from), shown(&change.to));
            self.tell("ConfigChanged", "Apply", note).await;
        }
        Ok(applied.refused)
    }

    async fn grow_volumes(
        &self,
        cluster: &ValidatedCluster,
        children: &ClusterChildren,
    ) -> Result<Option<Verdict>, ReconcileError> {
        let Some(wanted) = &cluster.storage else { return Ok(None) };
        let mut plan = storage::plan(&wanted.size, &children.volumes);
        let (refusals, now) = (&self.context.refused_volumes, Instant::now());
        if !plan.grow.is_empty()
            && let Some(why) = refusals.standing(&self.key, &wanted.size, now)
        {
            return Ok(Some(storage_verdict(&plan.growing, Some(&why))));
        }
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let mut refused = None;
        for name in &plan.grow {
            let patch = json!({ "spec": { "resources": { "requests": { "storage": wanted.size } } } });
            let params =
                PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            match api.patch(name, &params, &Patch::Merge(&patch)).await {
                Ok(_) => {
                    let note = format!("volume {name} is to grow to {}", wanted.size);
                    self.tell("VolumeGrowing", "Resize", note).await;
                    plan.growing.push(name.clone());
                }
                // The storage class cannot grow volumes, a quota forbids it, or the claim is gone.
                Err(kube::Error::Api(status)) if [403, 404, 422].contains(&status.code) => {
                    // A claim that is gone is made again.
                    if status.code != 404 {
                        refusals.note(self.key.clone(), &wanted.size, status.message.clone(), now);
                    }
                    refused = Some(status.message);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(storage_verdict(&plan.growing, refused.as_deref())))
    }

    /// Events for what happened.
    async fn tell_news(&self, status: &BrokerClusterStatus) {
        for note in replaced(&self.before, status) {
            self.warn("DataReplaced", "Observe", note).await;
        }
        let was = find(&self.before.conditions, READY).map(|ready| ready.reason.as_str());
        let Some(ready) = find(&status.conditions, READY) else { return };
        if was == Some(ready.reason.as_str()) {
            return;
        }
        match ready.reason.as_str() {
            "Ready" => self.tell("Ready", "Observe", ready.message.clone()).await,
            "BrokersStarting" | "Rolling" | "ListenerPending" => {}
            reason => self.warn(reason, "Reconcile", ready.message.clone()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::merged;

    #[test]
    fn what_stays_as_it_is_is_looked_at_ever_less_often() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let wrong = Verdict::no(READY, "InvalidConfig", "no");
        let since_zero = merged(&[], vec![wrong.clone()], None, at(0));
        let wait = |conditions: &[Condition], second| next_look(conditions, at(second)).as_secs();
        assert_eq!((wait(&since_zero, 0), wait(&since_zero, 20)), (3, 3));
        assert_eq!((wait(&since_zero, 300), wait(&since_zero, 86_400)), (30, 60));
        let moving =
            merged(&since_zero, vec![wrong, Verdict::yes(PROGRESSING, "Rolling", "on")], None, at(86_400));
        assert_eq!(wait(&moving, 86_405), 3, "something was begun");
        assert_eq!(wait(&[], 0), 3);
        assert_eq!(wait(&since_zero, -5), 3, "a clock that was set back");
    }
}
