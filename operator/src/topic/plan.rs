//! From a topic as it should be and as it is to what must be done. Pure: the same input gives the same
//! plan, in the operator as in local mode.

use std::collections::BTreeMap;
use std::fmt;

use super::ValidatedTopic;
use crate::kafka::settings::{SettingChange, changes};
use crate::kafka::topics::TopicObservation;
use crate::problem::Problem;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    /// Make the topic.
    Create {
        /// With so many partitions, or as many as the broker likes.
        partitions: Option<i32>,
        /// With so many replicas, or as many as the broker likes.
        replication_factor: Option<i16>,
        /// With these settings.
        settings: BTreeMap<String, String>,
    },
    /// Add partitions.
    AddPartitions {
        /// There are so many.
        from: i32,
        /// There should be so many.
        to: i32,
    },
    /// Give a setting another value, or take it away.
    Setting(SettingChange),
}

/// What to do, and what cannot be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicPlan {
    /// In this order.
    pub changes: Vec<TopicChange>,
    /// Why the topic will not be as its spec says even then.
    pub problems: Vec<Problem>,
}

/// Plans. `demanded` is the number of partitions that the load asks for, where autoscaling is on.
#[must_use]
pub fn plan(topic: &ValidatedTopic, seen: Option<&TopicObservation>, demanded: Option<i32>) -> TopicPlan {
    let Some(seen) = seen else {
        let settings = topic.settings.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let create = TopicChange::Create {
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            settings: settings.collect(),
        };
        return TopicPlan { changes: vec![create], problems: Vec::new() };
    };
    let mut plan = TopicPlan::default();
    plan_partitions(topic, seen, demanded, &mut plan);
    plan_replicas(topic, seen, &mut plan);
    plan.changes.extend(changes(&topic.settings, &seen.settings).into_iter().map(TopicChange::Setting));
    plan
}

fn plan_partitions(
    topic: &ValidatedTopic,
    seen: &TopicObservation,
    demanded: Option<i32>,
    plan: &mut TopicPlan,
) {
    let from = seen.partition_count();
    let Some(to) = topic.partitions.max(demanded) else { return };
    if from < to {
        plan.changes.push(TopicChange::AddPartitions { from, to });
    } else if from > to && topic.autoscaling.is_none() {
        let message = format!(
            "the topic has {from} partitions and the spec asks for {to}; partitions cannot be removed: set \
             partitions to {from}, or make a new topic and move its readers and writers"
        );
        plan.problems.push(Problem::new("TooManyPartitions", message));
    }
}

fn plan_replicas(topic: &ValidatedTopic, seen: &TopicObservation, plan: &mut TopicPlan) {
    let Some(wanted) = topic.replication_factor.map(usize::try_from).and_then(Result::ok) else { return };
    let differing = seen.partitions.iter().filter(|partition| partition.replicas.len() != wanted).count();
    if differing > 0 {
        let message = format!(
            "{differing} of {} partitions do not have the {wanted} replicas that the spec asks for; moving \
             replicas needs partition reassignment, which this release does not do: reassign them with Kafka's \
             tools, or set replicationFactor to {}",
            seen.partition_count(),
            seen.replication_factor(),
        );
        plan.problems.push(Problem::new("ReplicationFactorDiffers", message));
    }
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { .. } => f.write_str("created"),
            Self::AddPartitions { from, to } => write!(f, "grown from {from} to {to} partitions"),
            Self::Setting(change) => {
                let shown = |value: &Option<String>| match value {
                    Some(value) => value.clone(),
                    None => "the broker's default".to_owned(),
                };
                write!(f, "{} set from {} to {}", change.name, shown(&change.from), shown(&change.to))
            }
        }
    }
}

#[cfg(test)]
mod tests;
