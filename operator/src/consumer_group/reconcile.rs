//! Looks at one group, and does what its resource allows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use millrace_client::{ClientError, TopicPartition};
use millrace_crds::{ConsumerGroup, ConsumerGroupStatus, DeletionPolicy, OffsetResetStatus};

use super::act::{aim, made, make_move};
use super::autoscale::Recommendations;
use super::history;
use super::news::{News, news};
use super::reset::{self, Move, Refusal, decide};
use super::scale::{TARGET_NOT_FOUND, present, scale};
use super::status::{Ingredients, observed};
use super::validate::{ValidatedGroup, ValidatedReset, validate};
use crate::api::error::ReconcileError;
use crate::api::finalizer;
use crate::conditions::{CLUSTER_NOT_READY, CLUSTER_UNREADABLE, READY, Verdict};
use crate::context::Context;
use crate::directory::Want;
use crate::kafka::connect::explained;
use crate::kafka::groups::{self, GroupObservation};
use crate::kafka::link::{Health, Link, now_ms};
use crate::membership::{self, Denied};
use crate::names::{ObjectKey, is_paused};
use crate::pass::Pass;
use crate::problem::Problem;
use crate::watched::{claim_target, group_wanted};

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

impl Pass<'_, ConsumerGroup> {
    async fn run(mut self) -> Result<Action, ReconcileError> {
        if self.is_going() {
            return self.say_farewell().await;
        }
        if is_paused(&self.object) {
            return self.look_away().await;
        }
        let group = match validate(&self.key.name, &self.object.spec) {
            Ok(group) => group,
            Err(problem) => return self.turn_down(Verdict::no(READY, problem.reason, problem.message)).await,
        };
        let claims = &self.context.directory.groups;
        let link = match membership::admitted(self.context, claims, &self.key, &group_wanted(&self.object)) {
            Ok(link) => link,
            Err(Denied::Verdict(verdict)) => return self.turn_down(verdict).await,
            Err(Denied::NotNow) => return Err(ReconcileError::NotNow),
        };
        let _turn = link.group_turns.take(Instant::now()).ok_or(ReconcileError::NotItsTurn)?;
        if !self.hold(group.deletion == DeletionPolicy::Delete).await? {
            return Ok(Action::await_change());
        }
        match link.while_open(self.look(&link, &group)).await {
            // The cluster is gone, and rings for its groups.
            Err(ReconcileError::Kafka(ClientError::Closed)) => Ok(Action::requeue(CLOSED)),
            Err(ReconcileError::Kafka(error)) => {
                self.say(vec![Verdict::no(READY, "BrokerError", explained(&error))]).await?;
                Err(error.into())
            }
            done => done,
        }
    }

    /// Not possible until the resource, the cluster or another resource changes.
    async fn turn_down(&self, verdict: Verdict) -> Result<Action, ReconcileError> {
        // An outage passes, and the Deployment is the group's before and after it.
        if ![CLUSTER_NOT_READY, CLUSTER_UNREADABLE].contains(&verdict.reason) {
            self.context.scaling.targets.forget(&self.key);
        }
        self.refuse(verdict).await?;
        Ok(Action::requeue(SETTLED))
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
        // What stands in the way of scaling does not keep the lag from being shown.
        let (mut desired_replicas, mut failed) = (self.before.desired_replicas, None);
        // Who waits for members to go does not send new ones.
        let waits = matches!(decided, Some(Move::WaitForMembers(_) | Move::WaitForAnswer(_) | Move::Make(_)));
        match self.scale(group, &seen, open && moved.is_none() && waits).await {
            Ok((desired, refused)) => {
                desired_replicas = desired;
                problem = problem.or(refused);
            }
            Err(error) => failed = Some(error),
        }
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
        self.tell_news(&status).await;
        self.publish(&status).await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(Action::requeue(next_look(group, &seen, now_ms()))),
        }
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
                self.tell_moved(&moved).await;
                Ok((Some(moved), None))
            }
            Err(error) => {
                let moved = match error {
                    ClientError::Api { .. } => self.after_refusal(link, group, reset, &offsets).await?,
                    // No answer came: it may have been made all the same, and stays begun.
                    _ => None,
                };
                if moved.is_some() {
                    return Ok((moved, Problem::refusal(&error)));
                }
                refusal(error).map(|refusal| (None, Some(refusal)))
            }
        }
    }

    /// Looks what became of a move that was refused: what was made of it all the same.
    async fn after_refusal(
        &mut self,
        link: &Link,
        group: &ValidatedGroup,
        reset: &ValidatedReset,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Option<OffsetResetStatus>, ReconcileError> {
        let seen = link.group(group.interest(), true).await?;
        match reset::refusal(reset, offsets, &self.before, &seen) {
            Refusal::Made(partitions) => {
                let moved = made(reset, partitions);
                self.tell_moved(&moved).await;
                return Ok(Some(moved));
            }
            Refusal::NotMade => self.record(history::refused(&self.before)).await?,
            Refusal::Unknown => {}
        }
        Ok(None)
    }

    async fn tell_moved(&self, moved: &OffsetResetStatus) {
        let note = format!("offsets of {} partitions were moved ({})", moved.partitions, moved.id);
        self.tell("OffsetsReset", "Reset", note).await;
    }

    /// The members that the lag asks for, where that is asked for, and why the Deployment does not get them. While
    /// offsets are `to_move` it gets none besides those that it has.
    async fn scale(
        &self,
        group: &ValidatedGroup,
        seen: &GroupObservation,
        to_move: bool,
    ) -> Result<(Option<i32>, Option<Problem>), ReconcileError> {
        let Some(spec) = &group.autoscaling else { return Ok((None, None)) };
        let (client, namespace) = (&self.context.client, &self.key.namespace);
        // One that was turned down before claims it again.
        claim_target(self.context, &self.object);
        if let Some(other) = self.context.scaling.targets.rival(&self.key) {
            // What was asked for before tells nothing by the time that it has the Deployment.
            self.context.scaling.recommendations.lock().remove(&self.key);
            let message = format!("Deployment {} is scaled by ConsumerGroup {}", spec.deployment, other.name);
            return Ok((None, Some(Problem::new("ScaleTargetTaken", message))));
        }
        let from = match present(client, namespace, &spec.deployment).await? {
            Ok(from) => from,
            Err(problem) => {
                // For the status; it is not what the Deployment was told.
                let desired = Recommendations::default().look(spec, seen, 0, Instant::now());
                return Ok((Some(desired), Some(problem)));
            }
        };
        let desired = {
            let mut lately = self.context.scaling.recommendations.lock();
            lately.entry(self.key.clone()).or_default().look(spec, seen, from, Instant::now())
        };
        let desired = if to_move { desired.min(from) } else { desired };
        if desired == from {
            return Ok((Some(desired), None));
        }
        let (refusals, what) = (&self.context.scaling.refused, format!("{} {desired}", spec.deployment));
        if let Some(problem) = refusals.standing(&self.key, &what, Instant::now()) {
            return Ok((Some(desired), Some(problem)));
        }
        let refused = scale(client, namespace, &spec.deployment, desired).await?;
        if let Some(problem) = &refused {
            // One that is not there is there as soon as somebody makes it.
            if problem.reason != TARGET_NOT_FOUND {
                refusals.note(self.key.clone(), &what, problem.clone(), Instant::now());
            }
        } else {
            refusals.forget(&self.key);
            let note = format!(
                "Deployment {} was scaled from {from} to {desired}: {} records wait in {} partitions",
                spec.deployment,
                seen.backlog(),
                seen.counted().count(),
            );
            self.tell("Scaled", "Scale", note).await;
        }
        Ok((Some(desired), refused))
    }

    async fn say_farewell(self) -> Result<Action, ReconcileError> {
        if !finalizer::is_held(&self.object) {
            return Ok(Action::await_change());
        }
        let (context, want) = (self.context, group_wanted(&self.object));
        // One that the cluster does not let in has none.
        let owns = || context.directory.group_owner(&want).is_some_and(|owner| owner == self.key);
        let delete = self.object.spec.deletion_policy == Some(DeletionPolicy::Delete)
            && !is_paused(&self.object)
            && owns()
            && membership::stays(&context.client, context, &want.cluster).await?;
        if delete && let Err(reason) = self.delete_group(&want).await? {
            if !membership::is_namespace_going(&context.client, &self.key.namespace).await? {
                return Err(self.blocked(&reason).await?);
            }
            tracing::info!(group = %self.key, reason, "the namespace goes, the group is left alone");
        }
        self.let_go().await
    }

    /// Deletes the group, or says why that cannot be done.
    async fn delete_group(&self, want: &Want) -> Result<Result<(), String>, ReconcileError> {
        let Some(cluster) = self.context.directory.cluster(&want.cluster) else {
            return Ok(Err(membership::unreadable(&want.cluster)));
        };
        let link = self.context.links.get(&want.cluster, &cluster)?;
        if link.health() == Health::Unknown {
            // The first answer rings.
            return Err(ReconcileError::NotNow);
        }
        let _turn = link.group_turns.take(Instant::now()).ok_or(ReconcileError::NotItsTurn)?;
        let deleted = link.if_reachable(groups::delete(link.admin(), &want.name)).await;
        link.forget_group(&want.name);
        Ok(deleted)
    }

    /// Events for what happened.
    async fn tell_news(&self, status: &ConsumerGroupStatus) {
        for News { warning, reason, action, note } in news(&self.before, status) {
            if warning {
                self.warn(&reason, action, note).await;
            } else {
                self.tell(&reason, action, note).await;
            }
        }
    }
}

/// When to look again though nothing rings: for scaling, and when records will have waited for too long.
fn next_look(group: &ValidatedGroup, seen: &GroupObservation, now_ms: i64) -> Duration {
    if group.autoscaling.is_some() {
        return LAG;
    }
    let left_ms = |limit: i64| {
        (limit.saturating_mul(1000) - seen.lag_ms_at_least(now_ms).filter(|ms| *ms > 0)?).try_into().ok()
    };
    let left =
        group.lag_seconds_max.and_then(|limit| left_ms(limit.saturating_add(1))).map(Duration::from_millis);
    left.map_or(SETTLED, |left| left.min(SETTLED))
}

/// What does not get better by itself.
fn refusal(error: ClientError) -> Result<Problem, ReconcileError> {
    Problem::refusal(&error).ok_or_else(|| error.into())
}
