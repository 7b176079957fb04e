//! A Topic's spec, checked: the rules of its schema again, for resources that came past them, and in the
//! types that brokers want. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_crds::{DeletionPolicy, TopicAutoscaling, TopicSpec};

use crate::problem::Problem;

/// For how long a load must last by default before partitions are added.
const STABILIZATION_SECONDS: i32 = 300;
/// Kafka takes no longer name.
const NAME_CHARS_MAX: usize = 249;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedTopic {
    /// Its name in Kafka.
    pub name: String,
    /// How many partitions at least; `None` leaves it to the broker.
    pub partitions: Option<i32>,
    /// How many replicas; `None` leaves it to the broker.
    pub replication_factor: Option<i16>,
    /// Settings by name; `None` is hands off.
    pub settings: BTreeMap<String, Option<String>>,
    /// What becomes of the topic when its resource goes.
    pub deletion: DeletionPolicy,
    /// When to add partitions.
    pub autoscaling: Option<ValidatedAutoscaling>,
}

/// When to add partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedAutoscaling {
    /// Never more.
    pub partitions_max: i32,
    /// Bytes a second for one partition.
    pub bytes_in_per_partition: Option<i64>,
    /// Records of lag in one partition.
    pub lag_per_partition: Option<i64>,
    /// For how long the load must last.
    pub stabilization: Duration,
}

/// The topic's name in Kafka.
#[must_use]
pub fn topic_name<'a>(object_name: &'a str, spec: &'a TopicSpec) -> &'a str {
    spec.topic_name.as_deref().unwrap_or(object_name)
}

/// Checks the spec of the resource called `object_name`.
///
/// # Errors
/// The first rule that is broken.
pub fn validate(object_name: &str, spec: &TopicSpec) -> Result<ValidatedTopic, Problem> {
    let name = topic_name(object_name, spec);
    check_name(name)?;
    let partitions = spec.partitions;
    if partitions.is_some_and(|count| count < 1) {
        return Err(Problem::new("InvalidPartitions", "a topic has at least one partition"));
    }
    let replication_factor = match spec.replication_factor.map(i16::try_from) {
        None => None,
        Some(Ok(factor)) if factor >= 1 => Some(factor),
        Some(_) => {
            return Err(Problem::new(
                "InvalidReplicationFactor",
                "replicationFactor lies between 1 and 32767",
            ));
        }
    };
    Ok(ValidatedTopic {
        name: name.to_owned(),
        partitions,
        replication_factor,
        settings: settings(spec)?,
        deletion: spec.deletion_policy.unwrap_or(DeletionPolicy::Delete),
        autoscaling: spec.autoscaling.as_ref().map(|one| autoscaling(one, partitions)).transpose()?,
    })
}

fn settings(spec: &TopicSpec) -> Result<BTreeMap<String, Option<String>>, Problem> {
    let mut settings: BTreeMap<String, Option<String>> = spec
        .config
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_ref().map(ToString::to_string)))
        .collect();
    for name in spec.unmanaged_config.iter().flatten() {
        if settings.insert(name.clone(), None).flatten().is_some() {
            let message = format!("{name} is both in config, with a value, and in unmanagedConfig");
            return Err(Problem::new("InvalidConfig", message));
        }
    }
    Ok(settings)
}

/// Kafka's rule for names (`org.apache.kafka.common.internals.Topic.validate`), and the topics that are the
/// brokers' own.
fn check_name(name: &str) -> Result<(), Problem> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&letter);
    let invalid = |why: &str| Err(Problem::new("InvalidName", format!("{name:?} {why}")));
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return invalid("does not have 1 to 249 characters");
    }
    if !name.chars().all(legal) || name == "." || name == ".." {
        return invalid("is no name for a topic: letters, digits, dots, underscores and hyphens make one");
    }
    if ["__consumer_offsets", "__transaction_state", "__cluster_metadata", "__share_group_state"]
        .contains(&name)
    {
        return invalid("belongs to the brokers");
    }
    Ok(())
}

fn autoscaling(spec: &TopicAutoscaling, partitions: Option<i32>) -> Result<ValidatedAutoscaling, Problem> {
    if spec.bytes_in_per_partition.is_none() && spec.lag_per_partition.is_none() {
        let message = "autoscaling needs bytesInPerPartition or lagPerPartition";
        return Err(Problem::new("InvalidAutoscaling", message));
    }
    if partitions.is_some_and(|least| spec.max_partitions < least) || spec.max_partitions < 1 {
        let message = "autoscaling.maxPartitions must not be below partitions";
        return Err(Problem::new("InvalidAutoscaling", message));
    }
    let seconds = spec.stabilization_seconds.unwrap_or(STABILIZATION_SECONDS);
    Ok(ValidatedAutoscaling {
        partitions_max: spec.max_partitions,
        bytes_in_per_partition: spec.bytes_in_per_partition.filter(|bytes| *bytes > 0),
        lag_per_partition: spec.lag_per_partition.filter(|records| *records > 0),
        stabilization: Duration::from_secs(seconds.unsigned_abs().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_crds::Scalar;

    #[test]
    fn settings_are_text_however_they_were_written() {
        let config = BTreeMap::from([
            ("retention.ms".to_owned(), Some(Scalar::Int(60_000))),
            ("preallocate".to_owned(), Some(Scalar::Bool(false))),
            ("segment.bytes".to_owned(), None),
        ]);
        let unmanaged_config = Some(vec!["segment.bytes".to_owned(), "segment.ms".to_owned()]);
        let spec = TopicSpec { config: Some(config), unmanaged_config, ..TopicSpec::default() };
        let topic = validate("orders", &spec).unwrap();
        let settings: Vec<(&str, Option<&str>)> =
            topic.settings.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(
            settings,
            [
                ("preallocate", Some("false")),
                ("retention.ms", Some("60000")),
                ("segment.bytes", None),
                ("segment.ms", None)
            ]
        );
        assert_eq!(topic.deletion, DeletionPolicy::Delete);
    }

    #[test]
    fn what_came_past_the_schema_is_refused_here() {
        let named = |name: &str| TopicSpec { topic_name: Some(name.to_owned()), ..TopicSpec::default() };
        let reason = |spec: TopicSpec| validate("object", &spec).unwrap_err().reason;
        for name in ["..", "a b", "ä", "__consumer_offsets", ""] {
            assert_eq!(reason(named(name)), "InvalidName", "{name:?}");
        }
        assert_eq!(reason(TopicSpec { partitions: Some(0), ..TopicSpec::default() }), "InvalidPartitions");
        let factor = TopicSpec { replication_factor: Some(40_000), ..TopicSpec::default() };
        assert_eq!(reason(factor), "InvalidReplicationFactor");
        let torn = TopicSpec {
            config: Some(BTreeMap::from([("a".to_owned(), Some(Scalar::Int(1)))])),
            unmanaged_config: Some(vec!["a".to_owned()]),
            ..TopicSpec::default()
        };
        assert_eq!(reason(torn), "InvalidConfig");
        let autoscaling = TopicAutoscaling { max_partitions: 4, ..TopicAutoscaling::default() };
        let spec = TopicSpec { autoscaling: Some(autoscaling), ..TopicSpec::default() };
        assert_eq!(reason(spec), "InvalidAutoscaling");
    }
}
