//! Looks at one group, and does what its resource allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use millrace_client::ClientError;
use millrace_crds::{ConsumerGroup, ConsumerGroupStatus, DeletionPolicy, OffsetResetStatus};

use super::act::{aim, make_move};
use super::autoscale::Recommendations;
use super::history;
use super::news::{News, news};
use super::reset::{Move, decide};
use super::scale::{present, scale};
use super::status::{Ingredients, observed, with_verdicts};
use super::validate::{ValidatedGroup, group_id, validate};
use crate::api::error::ReconcileError;
use crate::api::finalizer;
use crate::conditions::{PAUSED, READY, Verdict, find, is_news, is_true};
use crate::context::Context;
use crate::directory::Want;
use crate::kafka::connect::explained;
use crate::kafka::groups::{self, GroupObservation};
use crate::kafka::link::{Health, Link};
use crate::membership::{self, Denied};
use crate::names::{ObjectKey, is_paused};
use crate::problem::Problem;

/// For the metrics and the log.
pub const KIND: &str = "ConsumerGroup";
/// A settled group is looked at again after this long, whatever the watches and polls may have missed.
const SETTLED: Duration = Duration::from_secs(600);
/// Lag is looked at this often where autoscaling is on: a lag that stands still rings no bell.
const LAG: Duration = Duration::from_secs(10);

/// A group whose cluster went in the middle is looked at again after this long.
const CLOSED: Duration = Duration::from_millis(500);

/// One reconcile.
///
/// # Errors
/// What may go better another time.
pub async fn reconcile(
    object: Arc<DeserializeGuard<ConsumerGroup>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let key = ObjectKey::of(&*object);
    match &object.0 {
        Ok(group) => Pass::new(group.clone(), key, &context).run().await,
        Err(invalid) => crate::unreadable::report::<ConsumerGroup>(&context, &key, invalid).await,
    }
}

/// One pass over one resource.
struct Pass<'a> {
    group: ConsumerGroup,
    key: ObjectKey,
    want: Want,
    before: ConsumerGroupStatus,
    context: &'a Context,
}

impl<'a> Pass<'a> {
    fn new(group: ConsumerGroup, key: ObjectKey, context: &'a Context) -> Self {
        let cluster = ObjectKey::of_cluster(&group.spec.cluster_ref, &key.namespace);
        let want = Want { cluster, name: group_id(&key.name, &group.spec).to_owned() };
        let before = context.statuses.current(&group, group.status.as_ref());
        Self { group, key, want, before, context }
    }

    async fn run(mut self) -> Result<Action, ReconcileError> {
        if self.group.meta().deletion_timestamp.is_some() {
            return self.say_farewell().await;
        }
        if is_paused(&self.group) {
            let mut verdicts: Vec<Verdict> = find(&self.before.conditions, READY)
                .map(|ready| Verdict {
                    aspect: READY,
                    status: ready.status,
                    reason: "Paused",
                    message: "the operator leaves the group alone".to_owned(),
                })
                .into_iter()
                .collect();
            verdicts.push(Verdict::yes(PAUSED, "Annotated", "the operator leaves the group alone"));
            self.publish(with_verdicts(&self.before, verdicts, self.generation(), Timestamp::now())).await?;
            return Ok(Action::await_change());
        }
        let group = match validate(&self.key.name, &self.group.spec) {
            Ok(group) => group,
            Err(problem) => return self.refuse(Verdict::no(READY, problem.reason, problem.message)).await,
        };
        let link =
            match membership::admitted(self.context, &self.context.directory.groups, &self.key, &self.want) {
                Ok(link) => link,
                Err(Denied::Verdict(verdict)) => return self.refuse(verdict).await,
                Err(Denied::NotAskedYet) => return Ok(Action::requeue(SETTLED)),
            };
        if !self.hold(group.deletion == DeletionPolicy::Delete).await? {
            return Ok(Action::await_change());
        }
        let looked = link.while_open(self.look(&link, &group)).await;
        match looked {
            // The cluster is gone, and rings for its groups.
            Err(ReconcileError::Kafka(ClientError::Closed)) => Ok(Action::requeue(CLOSED)),
            Err(ReconcileError::Kafka(error)) => {
                let verdict = Verdict::no(READY, "BrokerError", explained(&error));
                self.publish(with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now()))
                    .await?;
                Err(error.into())
            }
            done => done,
        }
    }

    async fn look(&mut self, link: &Link, group: &ValidatedGroup) -> Result<Action, ReconcileError> {
        let mut seen = link.group(group.interest(), false).await?;
        let mut problem = None;
        let mut decided = self.decided(group, &seen);
        let mut moved = None;
        let open = group.reset.as_ref().is_some_and(|reset| !history::knows(&self.before, &reset.id));
        if open && matches!(decided, Some(Move::Make(_) | Move::Interrupted)) {
            // What was polled a moment ago may be out of date: members may have joined.
            seen = link.group(group.interest(), true).await?;
            decided = self.decided(group, &seen);
            (moved, problem) = self.move_offsets(link, group, decided.as_ref(), &seen).await?;
            if moved.is_some() {
                seen = link.group(group.interest(), true).await?;
            }
        }
        let desired_replicas = match &group.autoscaling {
            Some(_) => {
                let (desired, refused) = self.scale(group, &seen).await?;
                problem = problem.or(refused);
                Some(desired)
            }
            None => None,
        };
        let status = observed(
            &self.before,
            &Ingredients {
                group,
                generation: self.generation(),
                seen: &seen,
                at_rest: link.is_group_at_rest(&group.id),
                reset: decided.as_ref(),
                moved,
                desired_replicas,
                problem: problem.as_ref(),
            },
            Timestamp::now(),
        );
        self.tell(&status).await;
        self.publish(status).await?;
        Ok(Action::requeue(if group.autoscaling.is_some() { LAG } else { SETTLED }))
    }

    fn decided(&self, group: &ValidatedGroup, seen: &GroupObservation) -> Option<Move> {
        group.reset.as_ref().map(|reset| decide(reset, &self.before, seen))
    }

    async fn move_offsets(
        &mut self,
        link: &Link,
        group: &ValidatedGroup,
        decided: Option<&Move>,
        seen: &GroupObservation,
    ) -> Result<(Option<OffsetResetStatus>, Option<Problem>), ReconcileError> {
        let (Some(Move::Make(partitions)), Some(reset)) = (decided, &group.reset) else {
            return Ok((None, None));
        };
        let offsets = match aim(link.admin(), reset, partitions, seen).await {
            Ok(offsets) => offsets,
            Err(error) => return refusal(error).map(|refusal| (None, Some(refusal))),
        };
        if !offsets.is_empty() {
            self.record(history::begin(&self.before, reset, seen, Timestamp::now())).await?;
        }
        match make_move(link.admin(), &group.id, reset, &offsets, seen).await {
            Ok(moved) => {
                let note = format!("offsets of {} partitions were moved ({})", moved.partitions, moved.id);
                self.context.reporter.normal(&self.reference(), "OffsetsReset", "Reset", note).await;
                Ok((Some(moved), None))
            }
            Err(error) => {
                // Where no answer came, it may have been made all the same.
                if matches!(error, ClientError::Api { .. }) {
                    self.record(history::refused(&self.before)).await?;
                }
                refusal(error).map(|refusal| (None, Some(refusal)))
            }
        }
    }

    /// Writes a status in the middle of a pass, which goes on from there.
    async fn record(&mut self, status: ConsumerGroupStatus) -> Result<(), ReconcileError> {
        let context = self.context;
        context.statuses.publish(&context.client, &self.group, &self.before, &status).await?;
        self.before = status;
        Ok(())
    }

    async fn scale(
        &self,
        group: &ValidatedGroup,
        seen: &GroupObservation,
    ) -> Result<(i32, Option<Problem>), ReconcileError> {
        let Some(spec) = &group.autoscaling else { return Ok((0, None)) };
        let (client, namespace) = (&self.context.client, &self.key.namespace);
        let from = match present(client, namespace, &spec.deployment).await? {
            Ok(from) => from,
            Err(problem) => {
                // For the status; it is not what the Deployment was told.
                let desired = Recommendations::default().look(spec, seen, 0, Instant::now());
                return Ok((desired, Some(problem)));
            }
        };
        let desired = {
            let mut lately = self.context.scaling.recommendations.lock();
            lately.entry(self.key.clone()).or_default().look(spec, seen, from, Instant::now())
        };
        if desired == from {
            return Ok((desired, None));
        }
        let refused = scale(client, namespace, &spec.deployment, desired).await?;
        if refused.is_none() {
            let note = format!(
                "Deployment {} was scaled from {from} to {desired}: {} records wait in {} partitions",
                spec.deployment,
                seen.backlog(),
                seen.positions.len(),
            );
            self.context.reporter.normal(&self.reference(), "Scaled", "Scale", note).await;
        }
        Ok((desired, refused))
    }

    /// Whether it has the group; one that the cluster does not let in has none.
    fn owns(&self) -> bool {
        self.context.directory.group_owner(&self.want).is_some_and(|owner| owner == self.key)
    }

    /// Not possible until the resource, the cluster or another resource changes.
    async fn refuse(&self, verdict: Verdict) -> Result<Action, ReconcileError> {
        if is_news(&self.before.conditions, &verdict) {
            let about = self.reference();
            let reporter = &self.context.reporter;
            reporter.warning(&about, verdict.reason, "Reconcile", verdict.message.clone()).await;
        }
        self.publish(with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now())).await?;
        Ok(Action::requeue(SETTLED))
    }

    /// Puts the finalizer on or takes it off. `false` when the resource is gone meanwhile.
    async fn hold(&mut self, hold: bool) -> Result<bool, ReconcileError> {
        if finalizer::is_held(&self.group) == hold {
            return Ok(true);
        }
        match finalizer::set(&self.context.client, &self.group, hold).await? {
            Some(group) => {
                self.group = group;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn say_farewell(self) -> Result<Action, ReconcileError> {
        if !finalizer::is_held(&self.group) {
            return Ok(Action::await_change());
        }
        let context = self.context;
        let delete = self.group.spec.deletion_policy == Some(DeletionPolicy::Delete)
            && !is_paused(&self.group)
            && self.owns()
            && membership::stays(&context.client, context, &self.want.cluster).await?;
        if delete && let Some(cluster) = context.directory.cluster(&self.want.cluster) {
            let link = context.links.get(&self.want.cluster, &cluster)?;
            let deleted = match link.health() {
                Health::Reachable => {
                    let deleted = link.while_open(groups::delete(link.admin(), &self.want.name)).await;
                    deleted.map_err(|error| explained(&error))
                }
                Health::Unknown => Err("the brokers have not answered yet".to_owned()),
                Health::Unreachable(reason) => Err(reason),
            };
            if let Err(reason) = deleted {
                if !membership::is_namespace_going(&context.client, &self.key.namespace).await? {
                    return self.blocked(reason).await;
                }
                tracing::info!(group = %self.key, reason, "the namespace goes, the group is left alone");
            }
            link.forget_group(&self.want.name);
        }
        finalizer::set(&context.client, &self.group, false).await?;
        Ok(Action::await_change())
    }

    async fn blocked(&self, reason: String) -> Result<Action, ReconcileError> {
        let message = format!(
            "the group cannot be deleted: {reason}; to let the resource go and keep the group, set \
             spec.deletionPolicy to Retain"
        );
        let verdict = Verdict::no(READY, "DeletionBlocked", message.clone());
        self.publish(with_verdicts(&self.before, vec![verdict], self.generation(), Timestamp::now())).await?;
        Err(ReconcileError::Waiting(message))
    }

    /// Events for what happened.
    async fn tell(&self, status: &ConsumerGroupStatus) {
        let about = self.reference();
        let reporter = &self.context.reporter;
        for News { warning, reason, action, note } in news(&self.before, status) {
            if warning {
                reporter.warning(&about, &reason, action, note).await;
            } else {
                reporter.normal(&about, &reason, action, note).await;
            }
        }
    }

    async fn publish(&self, status: ConsumerGroupStatus) -> Result<(), ReconcileError> {
        let context = self.context;
        context.metrics.ready(KIND, &self.key, is_true(&status.conditions, READY));
        context.statuses.publish(&context.client, &self.group, &self.before, &status).await?;
        Ok(())
    }

    fn reference(&self) -> ObjectReference {
        self.group.object_ref(&())
    }

    fn generation(&self) -> Option<i64> {
        self.group.meta().generation
    }
}

/// What does not get better by itself.
fn refusal(error: ClientError) -> Result<Problem, ReconcileError> {
    Problem::refusal(&error).ok_or_else(|| error.into())
}
