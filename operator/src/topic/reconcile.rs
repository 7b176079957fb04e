//! Brings one Topic resource and its topic together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use millrace_client::ClientError;
use millrace_crds::{DeletionPolicy, Topic, TopicOrigin, TopicStatus};

use super::apply::{BROKER_ERROR, Brought, Creation, bring, refused_again};
use super::autoscale::{Growth, Load};
use super::farewell::{Circumstances, Farewell, farewell};
use super::plan::TopicChange;
use super::status::{Ingredients, begun, observed, was_refused};
use super::validate::{ValidatedTopic, validate};
use crate::api::error::ReconcileError;
use crate::api::finalizer;
use crate::conditions::{READY, Verdict, find};
use crate::context::Context;
use crate::directory::Want;
use crate::kafka::connect::explained;
use crate::kafka::link::{Health, Link};
use crate::kafka::topics::{self, TopicObservation};
use crate::membership::{self, Denied};
use crate::names::{ObjectKey, is_paused};
use crate::pass::Pass;
use crate::problem::Problem;
use crate::watched::topic_wanted;

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

impl Pass<'_, Topic> {
    async fn run(mut self) -> Result<Action, ReconcileError> {
        if self.is_going() {
            return self.say_farewell().await;
        }
        if is_paused(&self.object) {
            return self.look_away().await;
        }
        let topic = match validate(&self.key.name, &self.object.spec) {
            Ok(topic) => topic,
            Err(problem) => return self.turn_down(Verdict::no(READY, problem.reason, problem.message)).await,
        };
        let claims = &self.context.directory.topics;
        let link = match membership::admitted(self.context, claims, &self.key, &topic_wanted(&self.object)) {
            Ok(link) => link,
            Err(Denied::Verdict(verdict)) => return self.turn_down(verdict).await,
            Err(Denied::NotNow) => return Err(ReconcileError::NotNow),
        };
        let _turn = link.topic_turns.take(Instant::now()).ok_or(ReconcileError::NotItsTurn)?;
        if !self.hold(topic.deletion == DeletionPolicy::Delete).await? {
            return Ok(Action::await_change());
        }
        match link.while_open(self.bring_together(&link, &topic)).await {
            // The cluster is gone, and rings for its topics.
            Err(ReconcileError::Kafka(ClientError::Closed)) => Ok(Action::requeue(CREATING)),
            Err(ReconcileError::Kafka(error)) => {
                self.say(vec![Verdict::no(READY, BROKER_ERROR, explained(&error))]).await?;
                Err(error.into())
            }
            done => done,
        }
    }

    /// Not possible until the resource, the cluster or another resource changes.
    async fn turn_down(&self, verdict: Verdict) -> Result<Action, ReconcileError> {
        self.refuse(verdict).await?;
        Ok(Action::requeue(SETTLED))
    }

    async fn bring_together(
        &mut self,
        link: &Link,
        topic: &ValidatedTopic,
    ) -> Result<Action, ReconcileError> {
        let seen = link.topic(&topic.name).await?;
        let growth = self.growth(link, topic, seen.as_deref());
        let demanded = growth.as_ref().map(|growth| growth.to);
        let refused = match seen {
            None if was_refused(&self.before) => refused_again(link, topic).await?,
            _ => None,
        };
        let brought = match refused {
            Some(refused) => refused,
            None => {
                if seen.is_none() {
                    self.record(begun(&self.before, &topic.name)).await?;
                }
                bring(link, topic, seen, demanded, SHOWN).await
            }
        };
        if growth.is_some() {
            self.note_growth(&brought);
        }
        let problems = brought.problems();
        let status = observed(
            &self.before,
            &Ingredients {
                name: &topic.name,
                generation: self.generation(),
                seen: brought.after.as_deref(),
                figures: link.figures(&topic.name),
                creation: &brought.creation,
                problems: &problems,
            },
            Timestamp::now(),
        );
        self.tell_what_happened(&brought, growth.as_ref(), &status).await;
        if let Some(error) = brought.error {
            // Of a cluster that is gone nothing is said here.
            if !matches!(error, ClientError::Closed) {
                self.record(status).await?;
            }
            return Err(error.into());
        }
        self.publish(&status).await?;
        Ok(self.next(topic, &problems, brought.after.as_deref()))
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

    /// A growth that failed is still asked for in the next pass.
    fn note_growth(&self, brought: &Brought) {
        let grown = brought.done.iter().any(|change| matches!(change, TopicChange::AddPartitions { .. }));
        if grown && let Some(demand) = self.context.scaling.demands.lock().get_mut(&self.key) {
            demand.grown();
        }
    }

    fn next(&self, topic: &ValidatedTopic, problems: &[Problem], seen: Option<&TopicObservation>) -> Action {
        let pause = match (seen, &topic.autoscaling) {
            (None, _) if problems.is_empty() => CREATING,
            (_, Some(_)) => LOAD,
            _ => SETTLED,
        };
        Action::requeue(pause)
    }

    async fn say_farewell(self) -> Result<Action, ReconcileError> {
        if !finalizer::is_held(&self.object) {
            return Ok(Action::await_change());
        }
        let (context, want) = (self.context, topic_wanted(&self.object));
        let circumstances = Circumstances {
            policy: Some(self.object.spec.deletion_policy.unwrap_or(DeletionPolicy::Delete)),
            paused: is_paused(&self.object),
            cluster_stays: membership::stays(&context.client, context, &want.cluster).await?,
            // One that the cluster does not let in has none.
            owns: context.directory.topic_owner(&want).is_some_and(|owner| owner == self.key),
            managed: self.before.origin.is_some(),
        };
        match farewell(circumstances) {
            Farewell::LetGo(why) => {
                tracing::info!(topic = %self.key, why, "the resource goes, the topic is left alone");
            }
            Farewell::DeleteTopic => self.delete_topic(&want).await?,
        }
        self.let_go().await
    }

    async fn delete_topic(&self, want: &Want) -> Result<(), ReconcileError> {
        let deleted = match self.context.directory.cluster(&want.cluster) {
            Some(cluster) => {
                let link = self.context.links.get(&want.cluster, &cluster)?;
                if link.health() == Health::Unknown {
                    // The first answer rings.
                    return Err(ReconcileError::NotNow);
                }
                let _turn = link.topic_turns.take(Instant::now()).ok_or(ReconcileError::NotItsTurn)?;
                let deleted = link.if_reachable(topics::delete(link.admin(), &want.name)).await;
                deleted.map(|()| link.forget_topic(&want.name))
            }
            None => Err(membership::unreadable(&want.cluster)),
        };
        match deleted {
            Ok(()) => {
                let note = format!("topic {} was deleted with its resource", want.name);
                self.tell("Deleted", "Delete", note).await;
                Ok(())
            }
            Err(reason)
                if membership::is_namespace_going(&self.context.client, &self.key.namespace).await? =>
            {
                tracing::info!(topic = %self.key, reason, "the namespace goes, the topic is left alone");
                Ok(())
            }
            Err(reason) => Err(self.blocked(&reason).await?),
        }
    }

    /// Events for what happened, also where an error ended it.
    async fn tell_what_happened(&self, brought: &Brought, growth: Option<&Growth>, status: &TopicStatus) {
        let name = status.topic_name.as_deref().unwrap_or(&self.key.name);
        if self.before.origin != Some(TopicOrigin::Adopted) && status.origin == Some(TopicOrigin::Adopted) {
            let note = format!("topic {name} was there already and is managed from now on");
            self.tell("Adopted", "Adopt", note).await;
        }
        if self.before.origin == Some(TopicOrigin::Created)
            && self.before.topic_id.is_none()
            && status.topic_id.is_some()
            && brought.creation == Creation::NotNeeded
        {
            self.tell("Created", "Apply", format!("topic {name}: created, which is known only now")).await;
        }
        if let (Some(before), Some(after)) = (&self.before.topic_id, &status.topic_id)
            && before != after
            && !matches!(brought.creation, Creation::Made(_))
        {
            let note = format!("topic {name} was deleted and made again: id {before} is now {after}");
            self.warn("Replaced", "Observe", note).await;
        }
        for change in &brought.done {
            let (reason, why) = match (change, growth) {
                (TopicChange::Create { .. }, _) => ("Created", String::new()),
                (TopicChange::AddPartitions { to, .. }, Some(growth)) if growth.to == *to => {
                    ("Autoscaled", format!(": {}", growth.because))
                }
                (TopicChange::AddPartitions { .. }, _) => ("PartitionsAdded", String::new()),
                (TopicChange::Setting(_), _) => ("ConfigChanged", String::new()),
            };
            self.tell(reason, "Apply", format!("topic {name}: {change}{why}")).await;
        }
        // Errors pass.
        if brought.error.is_some() {
            return;
        }
        let refused = find(&status.conditions, READY).filter(|ready| ready.reason != "Ready");
        let known = find(&self.before.conditions, READY).map(|ready| ready.reason.as_str());
        if let Some(ready) = refused
            && known != Some(ready.reason.as_str())
        {
            self.warn(&ready.reason, "Reconcile", ready.message.clone()).await;
        }
    }
}
