//! One pass over all resources: look, plan, show, do, and say how each one is then.

use std::fmt::Write;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_client::ClientError;
use millrace_crds::{ConditionStatus, ConsumerGroupStatus, PAUSE_ANNOTATION, TopicStatus};

use super::diff;
use super::set::ResourceSet;
use crate::conditions::{READY, find};
use crate::consumer_group::act::{aim, make_move};
use crate::consumer_group::reset::{Move, decide};
use crate::consumer_group::{self, ValidatedGroup};
use crate::kafka::link::Link;
use crate::kafka::topics::TopicObservation;
use crate::problem::{Problem, summed};
use crate::topic::apply::Creation;
use crate::topic::plan::TopicPlan;
use crate::topic::{self, ValidatedTopic};

/// A topic that is not shown so long after it was made is said to be missing.
const SHOWN: Duration = Duration::from_secs(5);

/// How far a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Shows what would change, also what was not asked for, such as moves of offsets, and what brokers say of it.
    DryRun,
    /// Shows what the pass behind it will change.
    Plan,
    /// Changes it.
    Act,
}

/// What a pass may do, and how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// How far it goes.
    pub depth: Depth,
    /// Move offsets of groups. Asked for each time: without Kubernetes nothing remembers that a move was
    /// made.
    pub reset_offsets: bool,
    /// Colours in what is shown.
    pub colour: bool,
}

/// How a resource is after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `topic` or `group`.
    pub kind: &'static str,
    /// Its name in Kafka.
    pub name: String,
    /// It is as its manifest says.
    pub ready: bool,
    /// In one word.
    pub reason: String,
    /// In a sentence, or figures.
    pub detail: String,
}

/// The reason of a topic that a dry run would bring to its manifest.
pub const WOULD_CHANGE: &str = "WouldChange";

/// The reason of a resource that its annotation takes out of the operator's hands.
pub const PAUSED: &str = "Paused";

/// Local mode does not stay for long enough to see what a load asks for, and has nothing to scale.
const NO_AUTOSCALING: &str = "; autoscaling needs Kubernetes";

/// What a pass came to.
#[derive(Debug, Default)]
pub struct Report {
    /// What changed, or would change.
    pub diff: String,
    /// All resources; those before the error, where one ended the pass.
    pub rows: Vec<Row>,
    /// What ended the pass early: the brokers cannot be reached. What they refuse is in the rows.
    pub error: Option<ClientError>,
}

/// Makes a pass.
pub async fn pass(link: &Link, set: &ResourceSet, mode: Mode) -> Report {
    let mut report = Report::default();
    report.error = pass_over_all(link, set, mode, &mut report).await.err();
    report
}

async fn pass_over_all(
    link: &Link,
    set: &ResourceSet,
    mode: Mode,
    report: &mut Report,
) -> Result<(), ClientError> {
    for (kind, name) in &set.paused {
        report.rows.push(row(
            kind,
            name,
            false,
            PAUSED,
            format!("left alone: annotation {PAUSE_ANNOTATION}"),
        ));
    }
    for topic in &set.topics {
        topic_pass(link, topic, mode, report).await?;
    }
    for group in &set.groups {
        group_pass(link, group, mode, report).await?;
    }
    Ok(())
}

async fn topic_pass(
    link: &Link,
    topic: &ValidatedTopic,
    mode: Mode,
    report: &mut Report,
) -> Result<(), ClientError> {
    let seen = link.topic(&topic.name).await?;
    if mode.depth != Depth::Act {
        let mut plan = topic::plan::plan(topic, seen.as_deref(), None);
        report.diff.push_str(&diff::topic(&topic.name, seen.as_deref(), &plan, mode.colour));
        if !plan.changes.is_empty() {
            if mode.depth == Depth::DryRun {
                plan.problems.extend(topic::apply::rehearse(link.admin(), topic, &plan).await?);
            }
            report.rows.push(match summed(&plan.problems) {
                None => row("topic", &topic.name, false, WOULD_CHANGE, String::new()),
                Some(problem) => row("topic", &topic.name, false, problem.reason, problem.message),
            });
            return Ok(());
        }
        report.rows.extend(topic_row(link, topic, seen.as_deref(), &Creation::NotNeeded, &plan.problems));
        return Ok(());
    }
    let brought = topic::apply::bring(link, topic, seen, None, SHOWN).await;
    let (before, after) = (brought.before.as_deref(), brought.after.as_deref());
    if let Some(error) = brought.error {
        // What was not reached is no change.
        let done = TopicPlan { changes: brought.done, problems: Vec::new() };
        report.diff.push_str(&diff::topic(&topic.name, before, &done, mode.colour));
        return Err(error);
    }
    report.diff.push_str(&diff::topic(&topic.name, before, &brought.plan, mode.colour));
    report.rows.extend(topic_row(link, topic, after, &brought.creation, &brought.problems()));
    Ok(())
}

fn topic_row(
    link: &Link,
    topic: &ValidatedTopic,
    seen: Option<&TopicObservation>,
    creation: &Creation,
    problems: &[Problem],
) -> Option<Row> {
    let from = topic::status::Ingredients {
        name: &topic.name,
        generation: None,
        seen,
        figures: link.figures(&topic.name),
        creation,
        problems,
    };
    let status = topic::status::observed(&TopicStatus::default(), &from, Timestamp::now());
    let ready = find(&status.conditions, READY)?;
    let is_ready = ready.status == ConditionStatus::True;
    let figures = format!(
        "{} partitions, {} replicas",
        status.partitions.unwrap_or(0),
        status.replication_factor.unwrap_or(0)
    );
    let mut detail = if is_ready { figures } else { ready.message.clone() };
    if topic.autoscaling.is_some() {
        detail.push_str(NO_AUTOSCALING);
    }
    Some(row("topic", &topic.name, is_ready, &ready.reason, detail))
}

async fn group_pass(
    link: &Link,
    group: &ValidatedGroup,
    mode: Mode,
    report: &mut Report,
) -> Result<(), ClientError> {
    let mut seen = link.group(group.interest(), true).await?;
    let decided = group.reset.as_ref().map(|reset| decide(reset, &ConsumerGroupStatus::default(), &seen));
    let mut moved = None;
    if let (Some(reset), Some(Move::Make(partitions))) = (&group.reset, &decided)
        && (mode.depth == Depth::DryRun || mode.reset_offsets)
    {
        let targets = aim(link.admin(), reset, partitions, &seen).await?;
        report.diff.push_str(&diff::offsets(&group.id, &seen, &targets, mode.colour));
        if mode.depth == Depth::Act {
            moved = Some(make_move(link.admin(), &group.id, reset, &targets, &seen).await?);
            seen = link.group(group.interest(), true).await?;
        }
    }
    let from = consumer_group::status::Ingredients {
        group,
        generation: None,
        seen: &seen,
        at_rest: true,
        reset: decided.as_ref(),
        moved,
        desired_replicas: None,
        problem: None,
    };
    let status = consumer_group::status::observed(&ConsumerGroupStatus::default(), &from, Timestamp::now());
    let mut reasons = Vec::new();
    let mut detail = format!("{} members", seen.members);
    if let (Some(lag), Some(seconds)) = (status.lag_records, status.lag_seconds) {
        // Writing to a String cannot fail.
        let _ = write!(detail, ", {lag} records and {seconds} s behind");
    }
    for condition in &status.conditions {
        let good = match condition.type_.as_str() {
            "Lagging" => condition.status == ConditionStatus::False,
            _ => condition.status == ConditionStatus::True,
        };
        if condition.type_ == READY || !good {
            reasons.push(condition.reason.clone());
        }
        if !good {
            let _ = write!(detail, "; {}", condition.message);
        }
    }
    if decided.is_some() && !mode.reset_offsets {
        detail.push_str("; offsets are moved with --reset-offsets only");
    }
    if group.autoscaling.is_some() {
        detail.push_str(NO_AUTOSCALING);
    }
    let ready = find(&status.conditions, READY).is_some_and(|ready| ready.status == ConditionStatus::True);
    let reason = reasons.join(",");
    report.rows.push(row("group", &group.id, ready, &reason, detail));
    Ok(())
}

fn row(kind: &'static str, name: &str, ready: bool, reason: &str, detail: String) -> Row {
    Row { kind, name: name.to_owned(), ready, reason: reason.to_owned(), detail }
}
