//! Brings one Topic resource and its topic together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use millrace_client::ClientError;
use millrace_crds::{DeletionPolicy, Topic, TopicOrigin, TopicStatus};

use super::apply::{Outcome, bring};
use super::autoscale::{Growth, Load};
use super::farewell::{Circumstances, Farewell, farewell};
use super::plan::{TopicChange, TopicPlan};
use super::status::{Ingredients, observed, with_verdicts};
use super::validate::{ValidatedTopic, topic_name, validate};
use crate::api::error::ReconcileError;
use crate::api::finalizer;
use crate::conditions::{PAUSED, READY, Verdict, find, is_news, is_true};
use crate::context::Context;
use crate::directory::Want;
use crate::kafka::connect::explained;
use crate::kafka::link::{Health, Link};
use crate::kafka::topics::{self, TopicObservation};
use crate::membership::{self, Denied};
use crate::names::{ObjectKey, is_paused};

/// For the metrics and the log.
pub const KIND: &str = "Topic";
/// A settled topic is looked at again after this long, whatever the watches and polls may have missed.
const SETTLED: Duration = Duration::from_secs(600);
/// Load is looked at this often where autoscaling is on.
const LOAD: Duration = Duration::from_secs(10);
/// What was done and is not shown after this long is said to be missing.
const SHOWN: Duration = Duration::from_secs(2);
/// A topic that is still not shown is looked at again after this long.
const CREATING: Duration = Duration::from_millis(500);

/// One reconcile.
///
/// # Errors
/// What may go better another time.
pub async fn reconcile(
    object: Arc<DeserializeGuard<Topic>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let key = ObjectKey::of(&*object);
    match &object.0 {
        Ok(topic) => Pass::new(topic.clone(), key, &context).run().await,
        Err(invalid) => crate::unreadable::report::<Topic>(&context, &key, invalid).await,
    }
}

/// One pass over one resource.
struct Pass<'a> {
    topic: Topic,
    key: ObjectKey,
    want: Want,
    before: TopicStatus,
    context: &'a Context,
}

impl<'a> Pass<'a> {
    fn new(topic: Topic, key: ObjectKey, context: &'a Context) -> Self {
        let cluster = ObjectKey::of_cluster(&topic.spec.cluster_ref, &key.namespace);
        let want = Want { cluster, name: topic_name(&key.name, &topic.spec).to_owned() };
        let before = context.statuses.current(&topic, topic.status.as_ref());
        Self { topic, key, want, before, context }
    }

    async fn run(mut self) -> Result<Action, ReconcileError> {
        if self.topic.meta().deletion_timestamp.is_some() {
            return self.say_farewell().await;
        }
        if is_paused(&self.topic) {
            let mut verdicts = self.kept_ready();
            verdicts.push(Verdict::yes(PAUSED, "Annotated", "the operator leaves the topic alone"));
            self.publish(with_verdicts(&self.before, verdicts, self.generation(), Timestamp::now())).await?;
            return Ok(Action::await_change());
        }
        let topic = match validate(&self.key.name, &self.topic.spec) {
            Ok(topic) => topic,
            Err(problem) => return self.refuse(Verdict::no(READY, problem.reason, problem.message)).await,
        };
        let link =
            match membership::admitted(self.context, &self.context.directory.topics, &self.key, &self.want) {
                Ok(link) => link,
                Err(Denied::Verdict(verdict)) => return self.refuse(verdict).await,
                Err(Denied::NotAskedYet) => return Ok(Action::requeue(SETTLED)),
            };
        if !self.hold(topic.deletion == DeletionPolicy::Delete).await? {
            return Ok(Action::await_change());
        }
        match link.while_open(self.bring_together(&link, &topic)).await {
            // The cluster is gone, and rings for its topics.
            Err(ReconcileError::Kafka(ClientError::Closed)) => Ok(Action::requeue(CREATING)),
            Err(ReconcileError::Kafka(error)) => {
                let verdict = Verdict::no(READY, "BrokerError", explained(&error));
                self.publish(with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now()))
                    .await?;
                Err(error.into())
            }
            done => done,
        }
    }

    async fn bring_together(&self, link: &Link, topic: &ValidatedTopic) -> Result<Action, ReconcileError> {
        let seen = link.topic(&topic.name).await?;
        let growth = self.growth(link, topic, seen.as_deref());
        let demanded = growth.as_ref().map(|growth| growth.to);
        let brought = bring(link, topic, seen, demanded, SHOWN).await?;
        let status = observed(
            &self.before,
            &Ingredients {
                name: &topic.name,
                generation: self.generation(),
                seen: brought.after.as_deref(),
                figures: link.figures(&topic.name),
                created: brought.created(),
                problems: &brought.plan.problems,
            },
            Timestamp::now(),
        );
        self.tell(&brought.outcome, growth.as_ref(), &status).await;
        self.publish(status).await?;
        Ok(self.next(topic, &brought.plan, brought.after.as_deref()))
    }

    /// The partitions that the load has asked for long enough.
    fn growth(&self, link: &Link, topic: &ValidatedTopic, seen: Option<&TopicObservation>) -> Option<Growth> {
        let mut demands = self.context.scaling.demands.lock();
        let (Some(spec), Some(seen)) = (&topic.autoscaling, seen) else {
            demands.remove(&self.key);
            return None;
        };
        let load = Load::of(&link.figures(&topic.name), link.greatest_lag(&topic.name));
        let demand = demands.entry(self.key.clone()).or_default();
        demand.look(spec, seen.partition_count(), &load, Instant::now())
    }

    fn next(&self, topic: &ValidatedTopic, planned: &TopicPlan, seen: Option<&TopicObservation>) -> Action {
        let pause = match (seen, &topic.autoscaling) {
            (None, _) if planned.problems.is_empty() => CREATING,
            (_, Some(_)) => LOAD,
            _ => SETTLED,
        };
        Action::requeue(pause)
    }

    /// Not possible until the resource, the cluster or another resource changes.
    async fn refuse(&self, verdict: Verdict) -> Result<Action, ReconcileError> {
        if is_news(&self.before.conditions, &verdict) {
            self.warn(verdict.reason, verdict.message.clone()).await;
        }
        self.publish(with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now())).await?;
        Ok(Action::requeue(SETTLED))
    }

    /// Puts the finalizer on or takes it off. `false` when the resource is gone meanwhile.
    async fn hold(&mut self, hold: bool) -> Result<bool, ReconcileError> {
        if finalizer::is_held(&self.topic) == hold {
            return Ok(true);
        }
        match finalizer::set(&self.context.client, &self.topic, hold).await? {
            Some(topic) => {
                self.topic = topic;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn say_farewell(self) -> Result<Action, ReconcileError> {
        if !finalizer::is_held(&self.topic) {
            return Ok(Action::await_change());
        }
        let context = self.context;
        let circumstances = Circumstances {
            policy: Some(self.topic.spec.deletion_policy.unwrap_or(DeletionPolicy::Delete)),
            paused: is_paused(&self.topic),
            cluster_stays: membership::stays(&context.client, context, &self.want.cluster).await?,
            owns: context.directory.topic_owner(&self.want).is_none_or(|owner| owner == self.key),
            managed: self.before.origin.is_some(),
        };
        match farewell(circumstances) {
            Farewell::LetGo(why) => {
                tracing::info!(topic = %self.key, why, "the resource goes, the topic is left alone");
            }
            Farewell::DeleteTopic => self.delete_topic().await?,
        }
        finalizer::set(&context.client, &self.topic, false).await?;
        Ok(Action::await_change())
    }

    async fn delete_topic(&self) -> Result<(), ReconcileError> {
        let Some(cluster) = self.context.directory.cluster(&self.want.cluster) else { return Ok(()) };
        let link = self.context.links.get(&self.want.cluster, &cluster)?;
        let deleted = match link.health() {
            Health::Reachable => {
                let deleted = link.while_open(topics::delete(link.admin(), &self.want.name)).await;
                deleted.map_err(|error| explained(&error))
            }
            Health::Unknown => Err("the brokers have not answered yet".to_owned()),
            Health::Unreachable(reason) => Err(reason),
        };
        match deleted {
            Ok(()) => {
                link.forget_topic(&self.want.name);
                let note = format!("topic {} was deleted with its resource", self.want.name);
                let about = self.reference();
                self.context.reporter.normal(&about, "Deleted", "Delete", note).await;
                Ok(())
            }
            Err(reason) if self.is_namespace_going().await? => {
                tracing::info!(topic = %self.key, reason, "the namespace goes, the topic is left alone");
                Ok(())
            }
            Err(reason) => {
                let message = format!(
                    "the topic cannot be deleted: {reason}; to let the resource go without its topic, set \
                     spec.deletionPolicy to Retain"
                );
                let verdict = Verdict::no(READY, "DeletionBlocked", message.clone());
                let status = with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now());
                self.publish(status).await?;
                Err(ReconcileError::Waiting(message))
            }
        }
    }

    async fn is_namespace_going(&self) -> Result<bool, ReconcileError> {
        membership::is_namespace_going(&self.context.client, &self.key.namespace).await
    }

    /// Events for what happened.
    async fn tell(&self, outcome: &Outcome, growth: Option<&Growth>, status: &TopicStatus) {
        let about = self.reference();
        let reporter = &self.context.reporter;
        if self.before.origin.is_none() && status.origin == Some(TopicOrigin::Adopted) {
            let note = format!("topic {} was there already and is managed from now on", self.want.name);
            reporter.normal(&about, "Adopted", "Adopt", note).await;
        }
        if let (Some(before), Some(after)) = (&self.before.topic_id, &status.topic_id)
            && before != after
            && outcome.done.is_empty()
        {
            let note = format!(
                "topic {} was deleted and made again by somebody: id {before} is now {after}",
                self.want.name
            );
            reporter.warning(&about, "Replaced", "Observe", note).await;
        }
        for change in &outcome.done {
            let (reason, why) = match (change, growth) {
                (TopicChange::Create { .. }, _) => ("Created", String::new()),
                (TopicChange::AddPartitions { to, .. }, Some(growth)) if growth.to == *to => {
                    ("Autoscaled", format!(": {}", growth.because))
                }
                (TopicChange::AddPartitions { .. }, _) => ("PartitionsAdded", String::new()),
                (TopicChange::Setting(_), _) => ("ConfigChanged", String::new()),
            };
            reporter
                .normal(&about, reason, "Apply", format!("topic {}: {change}{why}", self.want.name))
                .await;
        }
        let refused = find(&status.conditions, READY).filter(|ready| ready.reason != "Ready");
        let known = find(&self.before.conditions, READY).map(|ready| ready.reason.as_str());
        if let Some(ready) = refused
            && known != Some(ready.reason.as_str())
        {
            self.warn(&ready.reason, ready.message.clone()).await;
        }
    }

    async fn warn(&self, reason: &str, note: String) {
        let about = self.reference();
        self.context.reporter.warning(&about, reason, "Reconcile", note).await;
    }

    /// What was said of readiness stays while the operator is told to look away.
    fn kept_ready(&self) -> Vec<Verdict> {
        let ready = find(&self.before.conditions, READY);
        ready
            .map(|ready| Verdict {
                aspect: READY,
                status: ready.status,
                reason: "Paused",
                message: "the operator leaves the topic alone".to_owned(),
            })
            .into_iter()
            .collect()
    }

    async fn publish(&self, status: TopicStatus) -> Result<(), ReconcileError> {
        let context = self.context;
        context.metrics.ready(KIND, &self.key, is_true(&status.conditions, READY));
        context.statuses.publish(&context.client, &self.topic, &self.before, &status).await?;
        Ok(())
    }

    fn reference(&self) -> ObjectReference {
        self.topic.object_ref(&())
    }

    fn generation(&self) -> Option<i64> {
        self.topic.meta().generation
    }
}
