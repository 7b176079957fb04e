//! Carries a topic's plan out, through the brokers alone: the operator and local mode share it.

use millrace_client::{Admin, ClientError, NewTopic};
use millrace_protocol::ErrorCode;

use super::ValidatedTopic;
use super::plan::{TopicChange, TopicPlan};
use crate::kafka::link::Link;
use crate::kafka::settings::operation;
use crate::kafka::topics;
use crate::problem::Problem;

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done.
    pub done: Vec<TopicChange>,
    /// What the brokers refused, until the spec changes.
    pub refused: Vec<Problem>,
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
            match link.create_topic(topic).await {
                // Somebody was faster, such as a producer: it is looked at again.
                Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Ok(()),
                result => result.map(|_| ()),
            }
        }
        TopicChange::AddPartitions { to, .. } => topics::add_partitions(link.admin(), name, *to, false).await,
        TopicChange::Setting(change) => {
            topics::alter_settings(link.admin(), name, vec![operation(change)], false).await
        }
    }
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
