//! Carries a topic's plan out, through the brokers alone: the operator and local mode share it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_client::{Admin, ClientError, NewTopic};
use millrace_protocol::ErrorCode;

use super::ValidatedTopic;
use super::plan::{TopicChange, TopicPlan, plan};
use crate::kafka::link::Link;
use crate::kafka::settings::operation;
use crate::kafka::topics::{self, Seen, TopicObservation};
use crate::problem::Problem;

/// Between two looks at a topic that is not shown yet.
const AGAIN: Duration = Duration::from_millis(50);

/// How a topic was brought to its spec.
#[derive(Debug)]
pub struct Brought {
    /// The topic that the plan was made for.
    pub before: Option<Arc<TopicObservation>>,
    /// The topic as the brokers show it now.
    pub after: Option<Arc<TopicObservation>>,
    /// What was planned, and why the topic is not as its spec says even now.
    pub plan: TopicPlan,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done.
    pub done: Vec<TopicChange>,
    /// What the brokers refused, until the spec changes.
    pub refused: Vec<Problem>,
    /// Somebody else made the topic in the same moment, such as a producer: with partitions and settings of
    /// theirs.
    pub overtaken: bool,
}

impl Brought {
    /// The topic was made just now, and by nobody else.
    #[must_use]
    pub fn created(&self) -> bool {
        self.outcome.done.iter().any(|change| matches!(change, TopicChange::Create { .. }))
    }
}

/// Plans for the topic as it was `seen`, does it, and waits for the brokers to show it, at most for
/// `patience`. A topic that somebody else made meanwhile is planned for as it is. `demanded` as in [`plan`].
///
/// # Errors
/// What may go better another time.
pub async fn bring(
    link: &Link,
    topic: &ValidatedTopic,
    seen: Option<Arc<TopicObservation>>,
    demanded: Option<i32>,
    patience: Duration,
) -> Result<Brought, ClientError> {
    let deadline = Instant::now() + patience;
    let mut before = seen;
    let (mut plan, outcome) = loop {
        let plan = plan(topic, before.as_deref(), demanded);
        let outcome = apply(link, topic, &plan).await?;
        if !outcome.overtaken || Instant::now() >= deadline {
            break (plan, outcome);
        }
        before = once_shown(link, topic, &outcome, demanded, patience).await?;
    };
    let after = if outcome.done.is_empty() {
        before.clone()
    } else {
        once_shown(link, topic, &outcome, demanded, patience).await?
    };
    plan.problems.extend(outcome.refused.iter().cloned());
    plan.problems.extend(unsettled(topic, &outcome, after.as_deref(), demanded));
    Ok(Brought { before, after, plan, outcome })
}

/// The topic once the brokers show it with what was just done, which they need a moment for; or as it is
/// when they do not.
async fn once_shown(
    link: &Link,
    topic: &ValidatedTopic,
    outcome: &Outcome,
    demanded: Option<i32>,
    patience: Duration,
) -> Seen {
    let deadline = Instant::now() + patience;
    loop {
        let seen = link.topic(&topic.name).await?;
        let shown = seen.is_some() && unsettled(topic, outcome, seen.as_deref(), demanded).is_none();
        if shown || Instant::now() >= deadline {
            return Ok(seen);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What was just done and still is not as it should be would be done again for ever.
fn unsettled(
    topic: &ValidatedTopic,
    outcome: &Outcome,
    seen: Option<&TopicObservation>,
    demanded: Option<i32>,
) -> Option<Problem> {
    let seen = seen?;
    let again = plan(topic, Some(seen), demanded);
    let repeated: Vec<String> = again
        .changes
        .iter()
        .filter(|change| outcome.done.contains(change))
        .map(ToString::to_string)
        .collect();
    (!repeated.is_empty()).then(|| {
        let message = format!("the brokers took the change and do not show it: {}", repeated.join(", "));
        Problem::new("NotSettled", message)
    })
}

/// Does what the plan says. What is refused does not keep the rest from being done.
///
/// # Errors
/// What may go better another time.
pub async fn apply(link: &Link, topic: &ValidatedTopic, plan: &TopicPlan) -> Result<Outcome, ClientError> {
    let mut outcome = Outcome::default();
    let mut settings = Vec::new();
    for change in &plan.changes {
        match change {
            TopicChange::Setting(change) => settings.push(change.clone()),
            other => {
                let result = apply_one(link, &topic.name, other).await;
                outcome.overtaken |= result.as_ref().is_err_and(is_overtaken);
                outcome.take(result, std::slice::from_ref(other))?;
            }
        }
    }
    if !settings.is_empty() {
        // One request: a broker takes all of a topic's settings or none.
        let operations = settings.iter().map(operation).collect();
        let result = topics::alter_settings(link.admin(), &topic.name, operations, false).await;
        let changes: Vec<TopicChange> = settings.into_iter().map(TopicChange::Setting).collect();
        outcome.take(result, &changes)?;
    }
    Ok(outcome)
}

impl Outcome {
    fn take(&mut self, result: Result<(), ClientError>, changes: &[TopicChange]) -> Result<(), ClientError> {
        match result {
            Ok(()) => self.done.extend_from_slice(changes),
            // It is as somebody else made it: nothing was done, and nothing refused.
            Err(error) if is_overtaken(&error) => {}
            Err(error) => match Problem::refusal(&error) {
                Some(refusal) => self.refused.push(refusal),
                None => return Err(error),
            },
        }
        Ok(())
    }
}

/// What the brokers would refuse of a plan; changes nothing.
///
/// # Errors
/// What reaching a broker meets.
pub async fn rehearse(
    admin: &Admin,
    topic: &ValidatedTopic,
    plan: &TopicPlan,
) -> Result<Vec<Problem>, ClientError> {
    let mut outcome = Outcome::default();
    let mut settings = Vec::new();
    for change in &plan.changes {
        let result = match change {
            TopicChange::Create { .. } => match new_topic(&topic.name, change) {
                Some(new) => topics::only(admin.create_topics(vec![new], true).await?).map(|_| ()),
                None => Ok(()),
            },
            TopicChange::AddPartitions { to, .. } => {
                topics::add_partitions(admin, &topic.name, *to, true).await
            }
            TopicChange::Setting(change) => {
                settings.push(operation(change));
                Ok(())
            }
        };
        outcome.take(result, &[])?;
    }
    if !settings.is_empty() {
        outcome.take(topics::alter_settings(admin, &topic.name, settings, true).await, &[])?;
    }
    Ok(outcome.refused)
}

async fn apply_one(link: &Link, name: &str, change: &TopicChange) -> Result<(), ClientError> {
    match change {
        TopicChange::Create { .. } => {
            let Some(topic) = new_topic(name, change) else { return Ok(()) };
            link.create_topic(topic).await.map(|_| ())
        }
        TopicChange::AddPartitions { to, .. } => topics::add_partitions(link.admin(), name, *to, false).await,
        TopicChange::Setting(change) => {
            topics::alter_settings(link.admin(), name, vec![operation(change)], false).await
        }
    }
}

fn is_overtaken(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS)
}

fn new_topic(name: &str, change: &TopicChange) -> Option<NewTopic> {
    let TopicChange::Create { partitions, replication_factor, settings } = change else { return None };
    Some(NewTopic {
        name: name.to_owned(),
        num_partitions: *partitions,
        replication_factor: *replication_factor,
        configs: settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..NewTopic::default()
    })
}
