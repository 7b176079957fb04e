//! A ConsumerGroup's spec, checked: the rules of its schema again, for resources that came past them, and
//! in the types that brokers want. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{
    ConsumerGroupSpec, DeletionPolicy, GroupAutoscaling, OffsetPosition, OffsetReset, OffsetTarget,
};

use crate::kafka::groups::GroupInterest;
use crate::problem::Problem;

/// For how long fewer members must suffice by default before some are taken away.
const STABILIZATION_SECONDS: i32 = 300;

/// What is expected of a group, and allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedGroup {
    /// The group's id.
    pub id: String,
    /// The topics that it is expected to read; `None` for whatever it reads.
    pub topics: Option<BTreeSet<String>>,
    /// Records that it may be behind.
    pub lag_records_max: Option<i64>,
    /// Seconds that it may be behind.
    pub lag_seconds_max: Option<i64>,
    /// A move of its offsets.
    pub reset: Option<ValidatedReset>,
    /// How to scale its members.
    pub autoscaling: Option<ValidatedScaling>,
    /// What becomes of its offsets when its resource goes.
    pub deletion: DeletionPolicy,
}

/// A move of offsets, to be made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedReset {
    /// Its name.
    pub id: String,
    /// Where to.
    pub to: Goal,
    /// Of which topics; `None` for all that count.
    pub topics: Option<BTreeSet<String>>,
}

/// Where offsets move to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The first record.
    Earliest,
    /// After the last record.
    Latest,
    /// The first record at or after this time, in milliseconds since 1970.
    Time(i64),
    /// This offset.
    Offset(i64),
    /// So many records on, or back.
    Shift(i64),
}

/// How to scale members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedScaling {
    /// The Deployment.
    pub deployment: String,
    /// Never fewer.
    pub replicas_min: i32,
    /// Never more.
    pub replicas_max: i32,
    /// Records for one member.
    pub lag_per_replica: i64,
    /// For how long fewer must suffice.
    pub stabilization: Duration,
}

impl ValidatedReset {
    /// Whether the offsets of a topic move.
    #[must_use]
    pub fn concerns(&self, topic: &str) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(topic))
    }
}

impl ValidatedGroup {
    /// What to look at in the cluster.
    #[must_use]
    pub fn interest(&self) -> GroupInterest {
        // Offsets of topics that are to be reset are looked at as well, whether or not something was committed.
        // Where nothing else is named the group's own offsets say what counts.
        let reset = self.reset.iter().filter_map(|reset| reset.topics.as_ref()).flatten();
        let aside = match &self.topics {
            Some(topics) => reset.filter(|topic| !topics.contains(*topic)).cloned().collect(),
            None => BTreeSet::new(),
        };
        GroupInterest { group: self.id.clone(), topics: self.topics.clone(), aside }
    }
}

/// The group's id in Kafka.
#[must_use]
pub fn group_id<'a>(object_name: &'a str, spec: &'a ConsumerGroupSpec) -> &'a str {
    spec.group_id.as_deref().unwrap_or(object_name)
}

/// Checks the spec of the resource called `object_name`.
///
/// # Errors
/// The first rule that is broken.
pub fn validate(object_name: &str, spec: &ConsumerGroupSpec) -> Result<ValidatedGroup, Problem> {
    let id = group_id(object_name, spec);
    if id.is_empty() {
        return Err(Problem::new("InvalidName", "groupId is empty"));
    }
    let limits = spec.max_lag.clone().unwrap_or_default();
    Ok(ValidatedGroup {
        id: id.to_owned(),
        topics: spec.topics.as_ref().map(|topics| topics.iter().cloned().collect()),
        lag_records_max: limits.records,
        lag_seconds_max: limits.seconds,
        reset: spec.offset_reset.as_ref().map(reset).transpose()?,
        autoscaling: spec.autoscaling.as_ref().map(scaling).transpose()?,
        deletion: spec.deletion_policy.unwrap_or(DeletionPolicy::Retain),
    })
}

fn reset(spec: &OffsetReset) -> Result<ValidatedReset, Problem> {
    Ok(ValidatedReset {
        id: spec.id.clone(),
        to: goal(&spec.to)?,
        topics: spec.topics.as_ref().map(|topics| topics.iter().cloned().collect()),
    })
}

fn goal(target: &OffsetTarget) -> Result<Goal, Problem> {
    let invalid = |message: String| Problem::new("InvalidOffsetReset", message);
    let position = target.position.map(|position| match position {
        OffsetPosition::Earliest => Goal::Earliest,
        OffsetPosition::Latest => Goal::Latest,
    });
    let time = match &target.timestamp {
        None => None,
        Some(text) => {
            let time: Timestamp =
                text.parse().map_err(|error| invalid(format!("offsetReset.to.timestamp: {error}")))?;
            Some(Goal::Time(time.as_millisecond()))
        }
    };
    let given = [position, time, target.offset.map(Goal::Offset), target.shift_by.map(Goal::Shift)];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(goal), None) => Ok(goal),
        _ => Err(invalid(
            "offsetReset.to needs exactly one of position, timestamp, offset and shiftBy".to_owned(),
        )),
    }
}

fn scaling(spec: &GroupAutoscaling) -> Result<ValidatedScaling, Problem> {
    let replicas_min = spec.min_replicas.unwrap_or(1);
    if replicas_min < 0 || spec.max_replicas < replicas_min.max(1) || spec.lag_per_replica < 1 {
        let message = "autoscaling needs 0 <= minReplicas <= maxReplicas and a positive lagPerReplica";
        return Err(Problem::new("InvalidAutoscaling", message));
    }
    let seconds = spec.stabilization_seconds.unwrap_or(STABILIZATION_SECONDS);
    Ok(ValidatedScaling {
        deployment: spec.target_ref.name.clone(),
        replicas_min,
        replicas_max: spec.max_replicas,
        lag_per_replica: spec.lag_per_replica,
        stabilization: Duration::from_secs(seconds.unsigned_abs().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<ValidatedGroup, &'static str> {
        let spec = serde_yaml::from_str(&format!("clusterRef: {{name: main}}\n{yaml}")).unwrap();
        validate("readers", &spec).map_err(|problem| problem.reason)
    }

    #[test]
    fn a_move_has_exactly_one_goal() {
        let goal = |to: &str| {
            check(&format!("offsetReset: {{id: a, to: {to}}}")).map(|group| group.reset.unwrap().to)
        };
        assert_eq!(goal("{position: Earliest}"), Ok(Goal::Earliest));
        assert_eq!(goal("{timestamp: '1970-01-01T00:00:01.5Z'}"), Ok(Goal::Time(1500)));
        assert_eq!(goal("{offset: 7}"), Ok(Goal::Offset(7)));
        assert_eq!(goal("{shiftBy: -7}"), Ok(Goal::Shift(-7)));
        assert_eq!(goal("{}"), Err("InvalidOffsetReset"));
        assert_eq!(goal("{offset: 7, shiftBy: 1}"), Err("InvalidOffsetReset"));
        assert_eq!(goal("{timestamp: yesterday}"), Err("InvalidOffsetReset"));
    }

    #[test]
    fn topics_that_are_only_moved_are_looked_at_aside() {
        let named = |yaml: &str| {
            let interest = check(yaml).unwrap().interest();
            let topics = interest.topics.map(|topics| topics.into_iter().collect::<Vec<_>>());
            (topics, interest.aside.into_iter().collect::<Vec<_>>())
        };
        let reset = "offsetReset: {id: a, to: {offset: 1}, topics: [read, moved]}";
        let read = || Some(vec!["read".to_owned()]);
        assert_eq!(named(&format!("topics: [read]\n{reset}")), (read(), vec!["moved".to_owned()]));
        assert_eq!(named("topics: [read]"), (read(), vec![]));
        assert_eq!(named(reset), (None, vec![]), "what it committed for counts");
    }

    #[test]
    fn the_groups_offsets_stay_unless_told_otherwise() {
        let group = check("").unwrap();
        assert_eq!((group.id.as_str(), group.deletion), ("readers", DeletionPolicy::Retain));
        assert_eq!(check("groupId: ''"), Err("InvalidName"));
    }
}
