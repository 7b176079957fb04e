//! Carries a topic's plan out, through the brokers alone: the operator and local mode share it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_client::{Admin, ClientError, NewTopic};
use millrace_protocol::ErrorCode;

use super::ValidatedTopic;
use super::plan::{TopicChange, TopicPlan, plan};
use crate::kafka::connect::explained;
use crate::kafka::link::Link;
use crate::kafka::settings::operation;
use crate::kafka::topics::{self, TopicObservation};
use crate::problem::Problem;

/// The reason where something stands in the way that may go away by itself.
pub const BROKER_ERROR: &str = "BrokerError";
/// Between two looks at a topic that is not shown yet.
const AGAIN: Duration = Duration::from_millis(50);

/// How a topic was brought to its spec, or how far: what was done is known even where an error ended it.
#[derive(Debug)]
pub struct Brought {
    /// The topic that the plan was made for.
    pub before: Option<Arc<TopicObservation>>,
    /// The topic as the brokers last showed it.
    pub after: Option<Arc<TopicObservation>>,
    /// What was planned.
    pub plan: TopicPlan,
    /// What was done.
    pub done: Vec<TopicChange>,
    /// What the brokers refused until the spec changes, or took and do not show.
    pub refused: Vec<Problem>,
    /// What became of the topic's creation.
    pub creation: Creation,
    /// What ended it early, and may go better another time.
    pub error: Option<ClientError>,
}

/// What became of a topic's creation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Creation {
    /// The topic was there.
    #[default]
    NotNeeded,
    /// The brokers made it; its id, empty from brokers that have none.
    Made(String),
    /// The brokers did not make it.
    Refused,
    /// Somebody else made it in the same moment, such as a producer: with partitions and settings of theirs.
    Overtaken,
    /// Nobody knows: the brokers did not say.
    Unknown,
}

impl Brought {
    fn planned(plan: TopicPlan, seen: Option<Arc<TopicObservation>>) -> Self {
        Self {
            before: seen.clone(),
            after: seen,
            plan,
            done: Vec::new(),
            refused: Vec::new(),
            creation: Creation::default(),
            error: None,
        }
    }

    /// Why the topic is not as its spec says, as far as is known.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        match &self.error {
            Some(error) => vec![Problem::new(BROKER_ERROR, explained(error))],
            None => self.plan.problems.iter().chain(&self.refused).cloned().collect(),
        }
    }

    fn take(
        &mut self,
        result: Result<(), ClientError>,
        changes: Vec<TopicChange>,
    ) -> Result<(), ClientError> {
        match result {
            Ok(()) => self.done.extend(changes),
            Err(error) => self.refused.push(refusal(error)?),
        }
        Ok(())
    }
}

/// Plans for the topic as it was `seen`, does it, and waits for the brokers to show it, at most for
/// `patience`. A topic that somebody else made meanwhile is planned for as it is. `demanded` as in [`plan`].
/// One that was not seen is created, and nothing is done before that.
pub async fn bring(
    link: &Link,
    topic: &ValidatedTopic,
    seen: Option<Arc<TopicObservation>>,
    demanded: Option<i32>,
    patience: Duration,
) -> Brought {
    let mut brought = Brought::planned(plan(topic, seen.as_deref(), demanded), seen);
    let task = Task { link, topic, demanded, patience };
    brought.error = task.carry_out(&mut brought).await.err();
    brought
}

/// As [`bring`] for a topic that is not there, and whose creation was refused before: `None` when it is not
/// refused any more, and then nothing was done.
///
/// # Errors
/// What reaching a broker meets.
pub async fn refused_again(link: &Link, topic: &ValidatedTopic) -> Result<Option<Brought>, ClientError> {
    let plan = plan(topic, None, None);
    let refused = rehearse(link.admin(), topic, &plan).await?;
    let brought = Brought { creation: Creation::Refused, refused, ..Brought::planned(plan, None) };
    Ok(Some(brought).filter(|brought| !brought.refused.is_empty()))
}

/// What is the same in every step.
struct Task<'a> {
    link: &'a Link,
    topic: &'a ValidatedTopic,
    demanded: Option<i32>,
    patience: Duration,
}

impl Task<'_> {
    async fn carry_out(&self, brought: &mut Brought) -> Result<(), ClientError> {
        self.apply(brought).await?;
        if brought.creation == Creation::Overtaken {
            self.wait_until_shown(brought).await?;
            let Some(seen) = brought.after.clone() else { return Ok(()) };
            let again = plan(self.topic, Some(&seen), self.demanded);
            if again == TopicPlan::default() {
                // A request whose answer is lost is sent again, and the second one meets the work of the
                // first: what is there as it was asked for is taken for that.
                brought.creation = Creation::Made(seen.id.clone());
                brought.done.extend(brought.plan.changes.iter().cloned());
                return Ok(());
            }
            (brought.before, brought.plan) = (Some(seen), again);
            self.apply(brought).await?;
        }
        if !brought.done.is_empty() {
            self.wait_until_shown(brought).await?;
        }
        Ok(())
    }

    /// Does what the plan says. What is refused does not keep the rest from being done.
    async fn apply(&self, brought: &mut Brought) -> Result<(), ClientError> {
        let mut settings = Vec::new();
        for change in brought.plan.changes.clone() {
            match &change {
                TopicChange::Create { .. } => self.create(change, brought).await?,
                TopicChange::AddPartitions { to, .. } => {
                    let result = self.grow(*to).await;
                    brought.take(result, vec![change])?;
                }
                TopicChange::Setting(change) => settings.push(change.clone()),
            }
        }
        if !settings.is_empty() {
            // One request: a broker takes all of a topic's settings or none.
            let operations = settings.iter().map(operation).collect();
            let result = topics::alter_settings(self.link.admin(), &self.topic.name, operations, false).await;
            brought.take(result, settings.into_iter().map(TopicChange::Setting).collect())?;
        }
        Ok(())
    }

    async fn create(&self, change: TopicChange, brought: &mut Brought) -> Result<(), ClientError> {
        let Some(topic) = new_topic(&self.topic.name, &change) else { return Ok(()) };
        brought.creation = Creation::Unknown;
        match self.link.create_topic(topic).await {
            Ok(created) => {
                let id = if created.id.is_zero() { String::new() } else { created.id.to_string() };
                brought.creation = Creation::Made(id);
                brought.done.push(change);
            }
            Err(error) if is_overtaken(&error) => brought.creation = Creation::Overtaken,
            Err(error) => {
                brought.refused.push(refusal(error)?);
                brought.creation = Creation::Refused;
            }
        }
        Ok(())
    }

    /// Where a request was sent again since its answer was lost, the second one is refused: there are as many
    /// partitions by then.
    async fn grow(&self, to: i32) -> Result<(), ClientError> {
        let grown = topics::add_partitions(self.link.admin(), &self.topic.name, to, false).await;
        if let Err(error) = &grown
            && error.code() == Some(ErrorCode::INVALID_PARTITIONS)
            && let Some(seen) = self.link.topic(&self.topic.name).await?
            && seen.partition_count() == to
        {
            return Ok(());
        }
        grown
    }

    /// Looks until the brokers show the topic with what was just done, which they need a moment for; or as it
    /// is when they do not.
    async fn wait_until_shown(&self, brought: &mut Brought) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.patience;
        loop {
            brought.after = self.link.topic(&self.topic.name).await?;
            let not_settled = match brought.after.as_deref() {
                Some(seen) => not_settled(&plan(self.topic, Some(seen), self.demanded), &brought.done),
                None => None,
            };
            if brought.after.is_some() && not_settled.is_none() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                brought.refused.extend(not_settled);
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What was just done and is planned for even so would be done again for ever.
fn not_settled(again: &TopicPlan, done: &[TopicChange]) -> Option<Problem> {
    let repeated: Vec<String> =
        again.changes.iter().filter(|change| done.contains(change)).map(ToString::to_string).collect();
    (!repeated.is_empty()).then(|| {
        let message = format!("the brokers took the change and do not show it: {}", repeated.join(", "));
        Problem::new("NotSettled", message)
    })
}

/// What does not get better by itself.
fn refusal(error: ClientError) -> Result<Problem, ClientError> {
    Problem::refusal(&error).ok_or(error)
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
    let mut refused = Vec::new();
    let mut take = |result: Result<(), ClientError>| match result {
        // It is as somebody else made it.
        Err(error) if !is_overtaken(&error) => refusal(error).map(|problem| refused.push(problem)),
        _ => Ok(()),
    };
    let mut settings = Vec::new();
    for change in &plan.changes {
        match change {
            TopicChange::Create { .. } => {
                if let Some(new) = new_topic(&topic.name, change) {
                    take(topics::only(admin.create_topics(vec![new], true).await?).map(|_| ()))?;
                }
            }
            TopicChange::AddPartitions { to, .. } => {
                take(topics::add_partitions(admin, &topic.name, *to, true).await)?;
            }
            TopicChange::Setting(change) => settings.push(operation(change)),
        }
    }
    if !settings.is_empty() {
        take(topics::alter_settings(admin, &topic.name, settings, true).await)?;
    }
    Ok(refused)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_and_is_not_shown_is_told_apart_from_what_is_new() {
        let grown = |from, to| TopicChange::AddPartitions { from, to };
        let again = TopicPlan { changes: vec![grown(1, 3)], problems: Vec::new() };
        let problem = not_settled(&again, &[grown(1, 3)]).unwrap();
        assert_eq!(
            (problem.reason, problem.message.as_str()),
            ("NotSettled", "the brokers took the change and do not show it: grown from 1 to 3 partitions")
        );
        assert_eq!(not_settled(&again, &[grown(1, 2)]), None, "the load asks for more by now");
        assert_eq!(not_settled(&TopicPlan::default(), &[grown(1, 3)]), None);
    }

    #[test]
    fn an_error_hides_the_problems_and_not_what_was_done() {
        let plan =
            TopicPlan { changes: Vec::new(), problems: vec![Problem::new("TooManyPartitions", "two")] };
        let mut brought = Brought::planned(plan, None);
        brought.refused.push(Problem::new("InvalidConfig", "one"));
        let reasons = |brought: &Brought| -> Vec<&str> {
            brought.problems().iter().map(|problem| problem.reason).collect()
        };
        assert_eq!(reasons(&brought), ["TooManyPartitions", "InvalidConfig"]);
        brought.error = Some(ClientError::Closed);
        assert_eq!(reasons(&brought), [BROKER_ERROR]);
    }

    #[test]
    fn what_may_go_better_is_no_refusal() {
        let mut brought = Brought::planned(TopicPlan::default(), None);
        let change = || vec![TopicChange::AddPartitions { from: 1, to: 2 }];
        assert!(brought.take(Err(ClientError::Closed), change()).is_err());
        assert!(brought.done.is_empty() && brought.refused.is_empty());
        brought.take(Ok(()), change()).unwrap();
        assert_eq!(brought.done, change());
    }
}
