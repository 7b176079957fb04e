//! Which broker to restart next, when pods are not as their StatefulSet says. One at a time; only while
//! every partition keeps its topic's `min.insync.replicas` without it; the controller last; only when every replica is
//! in sync again. When nothing may be done, it is said why.

use std::collections::{BTreeMap, BTreeSet};

use crate::kafka::cluster::ReplicaSet;

/// A broker's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// The broker.
    pub broker: i32,
    /// It is as the StatefulSet says now.
    pub up_to_date: bool,
    /// It serves.
    pub ready: bool,
    /// It is on its way out.
    pub terminating: bool,
}

/// What the brokers themselves say; `None` where they cannot be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterState {
    /// Brokers that are registered.
    pub registered: BTreeSet<i32>,
    /// The controller.
    pub controller: Option<i32>,
    /// All partitions.
    pub partitions: Vec<ReplicaSet>,
    /// `min.insync.replicas`.
    pub min_insync_replicas: MinInsync,
}

/// `min.insync.replicas`: a topic's own goes before the brokers'.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MinInsync {
    /// Of topics without one of their own.
    pub default: usize,
    /// Of topics with one of their own, by name.
    pub topics: BTreeMap<String, usize>,
}

impl MinInsync {
    fn of(&self, partition: &ReplicaSet) -> usize {
        self.topics.get(topic(partition)).copied().unwrap_or(self.default)
    }
}

/// The topic of a partition.
fn topic(partition: &ReplicaSet) -> &str {
    partition.partition.rsplit_once('-').map_or("", |(topic, _)| topic)
}

/// Topics whose `min.insync.replicas` matters: those with more than one replica. The others stop with their
/// broker in any case.
#[must_use]
pub fn replicated_topics(partitions: &[ReplicaSet]) -> BTreeSet<&str> {
    partitions.iter().filter(|one| one.replicas.len() > 1).map(topic).collect()
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All pods are as they should be.
    Done,
    /// Restart this broker.
    Restart(i32),
    /// Look again; why.
    Wait(String),
    /// Nothing will happen until somebody helps; why.
    Blocked(String),
}

/// Decides.
#[must_use]
pub fn next(pods: &[PodState], cluster: Option<&ClusterState>) -> Step {
    let outdated: Vec<&PodState> = pods.iter().filter(|pod| !pod.up_to_date).collect();
    if outdated.is_empty() {
        return Step::Done;
    }
    if let Some(leaving) = pods.iter().find(|pod| pod.terminating) {
        return Step::Wait(format!("broker {} is stopping", leaving.broker));
    }
    let starting = pods.iter().find(|pod| !pod.ready && pod.up_to_date);
    // A broker that does not serve loses nothing, and may fail because of what the new settings mend. It may also serve
    // again in a moment: while others do, and one was just restarted, it could be the second that does not.
    let broken = outdated.iter().find(|pod| !pod.ready);
    let any_serves = pods.iter().any(|pod| pod.ready);
    if let Some(broken) = broken.filter(|_| starting.is_none() || !any_serves) {
        return Step::Restart(broken.broker);
    }
    if let Some(starting) = starting {
        return Step::Wait(format!("broker {} was restarted and does not serve yet", starting.broker));
    }
    match cluster {
        None => Step::Wait("the brokers cannot be asked which of them may be restarted".to_owned()),
        Some(cluster) => among_serving(pods, &outdated, cluster),
    }
}

fn among_serving(pods: &[PodState], outdated: &[&PodState], cluster: &ClusterState) -> Step {
    if let Some(missing) = pods.iter().find(|pod| !cluster.registered.contains(&pod.broker)) {
        return Step::Wait(format!("broker {} is not registered yet", missing.broker));
    }
    let behind = cluster.partitions.iter().filter(|one| one.isr.len() < one.replicas.len());
    let mut behind = behind.map(|one| one.partition.as_str());
    if let Some(first) = behind.next() {
        let more = behind.count();
        return Step::Wait(format!("replicas of {first} and {more} other partitions are not in sync yet"));
    }
    let mut candidates: Vec<i32> = outdated.iter().map(|pod| pod.broker).collect();
    // The controller last, so that it moves once.
    candidates.sort_by_key(|broker| (cluster.controller == Some(*broker), *broker));
    let mut reasons = Vec::new();
    for broker in &candidates {
        match objection(*broker, cluster) {
            None if cluster.controller == Some(*broker) && candidates.len() > 1 => {}
            None => return Step::Restart(*broker),
            Some(reason) => reasons.push(reason),
        }
    }
    Step::Blocked(reasons.join("; "))
}

/// Why a broker may not be restarted. A partition with one replica cannot do without its broker in any case.
fn objection(broker: i32, cluster: &ClusterState) -> Option<String> {
    let short = cluster.partitions.iter().find(|one| {
        let left = one.isr.iter().filter(|other| **other != broker).count();
        one.replicas.len() > 1 && one.isr.contains(&broker) && left < cluster.min_insync_replicas.of(one)
    })?;
    Some(format!(
        "without broker {broker} {} would have fewer replicas in sync than min.insync.replicas ({}): give it more \
         replicas, or lower the setting",
        short.partition,
        cluster.min_insync_replicas.of(short)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(broker: i32, up_to_date: bool, ready: bool) -> PodState {
        PodState { broker, up_to_date, ready, terminating: false }
    }

    fn cluster(controller: i32, partitions: &[(&[i32], &[i32])], min: usize) -> ClusterState {
        let partitions = (0..).zip(partitions).map(|(number, (replicas, isr))| ReplicaSet {
            partition: format!("t-{number}"),
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
        });
        ClusterState {
            registered: [0, 1, 2].into(),
            controller: Some(controller),
            partitions: partitions.collect(),
            min_insync_replicas: MinInsync { default: min, topics: BTreeMap::new() },
        }
    }

    const ALL: &[i32] = &[0, 1, 2];

    /// Restarts what the plan says until it is done, as the reconcile does.
    fn order(controller: i32, cluster: &ClusterState) -> Vec<i32> {
        let mut pods: Vec<PodState> = (0..3).map(|broker| pod(broker, false, true)).collect();
        let cluster = ClusterState { controller: Some(controller), ..cluster.clone() };
        let mut restarted = Vec::new();
        while let Step::Restart(broker) = next(&pods, Some(&cluster)) {
            restarted.push(broker);
            pods[usize::try_from(broker).unwrap()].up_to_date = true;
        }
        assert_eq!(next(&pods, Some(&cluster)), Step::Done);
        restarted
    }

    #[test]
    fn one_after_the_other_and_the_controller_last() {
        let safe = cluster(0, &[(ALL, ALL)], 2);
        assert_eq!(order(0, &safe), [1, 2, 0]);
        assert_eq!(order(1, &safe), [0, 2, 1]);
    }

    #[test]
    fn a_single_broker_is_restarted() {
        let alone = ClusterState {
            registered: [0].into(),
            controller: Some(0),
            partitions: vec![ReplicaSet { partition: "t-0".into(), replicas: vec![0], isr: vec![0] }],
            min_insync_replicas: MinInsync { default: 1, topics: BTreeMap::new() },
        };
        assert_eq!(next(&[pod(0, false, true)], Some(&alone)), Step::Restart(0));
        assert_eq!(next(&[pod(0, true, true)], None), Step::Done);
    }

    #[test]
    fn it_waits_for_a_broker_that_starts_and_for_replicas_that_catch_up() {
        let safe = cluster(0, &[(ALL, ALL)], 2);
        let pods = [pod(0, false, true), pod(1, true, false), pod(2, false, true)];
        assert!(matches!(next(&pods, Some(&safe)), Step::Wait(why) if why.contains("broker 1")));
        let behind = cluster(0, &[(ALL, ALL), (ALL, &[0, 2])], 1);
        let pods = [pod(0, false, true), pod(1, true, true), pod(2, false, true)];
        assert!(matches!(next(&pods, Some(&behind)), Step::Wait(why) if why.contains("t-1")));
        assert!(matches!(next(&pods, None), Step::Wait(_)));
        let mut leaving = pods;
        leaving[1].terminating = true;
        assert!(matches!(next(&leaving, Some(&safe)), Step::Wait(why) if why.contains("stopping")));
        let unregistered = ClusterState { registered: [0, 2].into(), ..safe };
        let pods = [pod(0, false, true), pod(1, true, true), pod(2, false, true)];
        assert!(matches!(next(&pods, Some(&unregistered)), Step::Wait(why) if why.contains("registered")));
    }

    #[test]
    fn a_broker_that_fails_is_replaced_first() {
        let pods = [pod(0, false, true), pod(1, false, false), pod(2, false, true)];
        assert_eq!(next(&pods, None), Step::Restart(1));
        // Of brokers that all fail none waits for another, which cannot serve without a quorum.
        let pods = [pod(0, true, false), pod(1, false, false), pod(2, false, false)];
        assert_eq!(next(&pods, None), Step::Restart(1));
        // It may serve again in a moment, and then there would be two that do not.
        let pods = [pod(0, true, false), pod(1, false, false), pod(2, false, true)];
        assert!(matches!(next(&pods, None), Step::Wait(why) if why.contains("broker 0")));
    }

    #[test]
    fn it_stops_and_says_why_when_a_restart_would_stop_writes() {
        let tight = cluster(0, &[(&[0, 1], &[0, 1])], 2);
        let pods = [pod(0, false, true), pod(1, false, true), pod(2, true, true)];
        let Step::Blocked(why) = next(&pods, Some(&tight)) else { panic!("not blocked") };
        assert!(why.contains("without broker 0 t-0") && why.contains("without broker 1"), "{why}");
        let pods = [pod(0, false, true), pod(1, false, true), pod(2, false, true)];
        assert_eq!(next(&pods, Some(&tight)), Step::Restart(2), "what may go goes");
    }

    #[test]
    fn what_a_topic_says_of_itself_goes_before_what_the_brokers_say() {
        let pods = [pod(0, false, true), pod(1, true, true), pod(2, true, true)];
        let with_own = |min: usize, own: usize| {
            let mut cluster = cluster(2, &[(&[0, 1], &[0, 1])], min);
            cluster.min_insync_replicas.topics = [("t".to_owned(), own), ("other".to_owned(), 9)].into();
            next(&pods, Some(&cluster))
        };
        assert_eq!(with_own(2, 1), Step::Restart(0), "the topic asks for less");
        let Step::Blocked(why) = with_own(1, 2) else { panic!("not blocked") };
        assert!(why.contains("t-0") && why.contains("min.insync.replicas (2)"), "{why}");
    }

    #[test]
    fn only_topics_with_more_than_one_replica_are_asked_about() {
        let set = |partition: &str, replicas: &[i32]| ReplicaSet {
            partition: partition.into(),
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
        };
        let partitions = [set("a-b-0", &[0, 1]), set("a-b-1", &[1, 0]), set("single-0", &[0])];
        assert_eq!(replicated_topics(&partitions), ["a-b"].into());
    }

    #[test]
    fn the_controller_waits_for_others_that_are_held_up() {
        let tight = cluster(2, &[(&[0, 1], &[0, 1])], 2);
        let pods = [pod(0, false, true), pod(1, true, true), pod(2, false, true)];
        assert!(matches!(next(&pods, Some(&tight)), Step::Blocked(_)));
    }
}
