//! How brokers leave: their replicas move to those that stay, then the quorum lets go of the voter, then the pod goes. A
//! broker is taken away only when it holds nothing and votes on nothing.
//! For the day when a cluster has several brokers; until then nobody asks.

use std::collections::{BTreeMap, BTreeSet};

use crate::kafka::cluster::ReplicaSet;

/// A broker that can take replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its id.
    pub broker: i32,
    /// Its zone, where known.
    pub rack: Option<String>,
}

/// New replicas for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// `topic-partition`.
    pub partition: String,
    /// All its replicas then; those that stay keep their place, so the preferred leader moves only when it
    /// leaves.
    pub replicas: Vec<i32>,
}

/// A cluster that is to become smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shrinking {
    /// Brokers that leave and whose pods are there.
    pub leaving: BTreeSet<i32>,
    /// Brokers that stay.
    pub staying: Vec<Destination>,
    /// All partitions.
    pub partitions: Vec<ReplicaSet>,
    /// Those that are being moved (`ListPartitionReassignments`).
    pub moving: BTreeSet<String>,
    /// Who votes in the metadata quorum.
    pub voters: BTreeSet<i32>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nobody is to leave any more.
    Done,
    /// Move these replicas.
    Move(Vec<Reassignment>),
    /// Look again; why.
    Wait(String),
    /// Take the broker out of the quorum (KIP-853).
    RemoveVoter(i32),
    /// Take the broker's pod away.
    TakeAway(i32),
    /// Nothing will happen until somebody helps; why.
    Blocked(String),
}

/// Decides. The last broker leaves first, as a StatefulSet has it, and one voter at a time, so that the quorum keeps its
/// majority all along.
#[must_use]
pub fn next(cluster: &Shrinking) -> Step {
    let Some(last) = cluster.leaving.last() else { return Step::Done };
    let plan = match drain(&cluster.partitions, &cluster.staying, &cluster.leaving) {
        Ok(plan) => plan,
        Err(reason) => return Step::Blocked(reason),
    };
    let (under_way, to_move): (Vec<_>, Vec<_>) =
        plan.into_iter().partition(|one| cluster.moving.contains(&one.partition));
    if !to_move.is_empty() {
        return Step::Move(to_move);
    }
    if let Some(first) = under_way.first() {
        let more = under_way.len() - 1;
        return Step::Wait(format!("replicas of {} and {more} other partitions are moving", first.partition));
    }
    if !cluster.voters.contains(last) {
        return Step::TakeAway(*last);
    }
    if cluster.voters.len() == 1 {
        return Step::Blocked(format!("broker {last} is the only voter: one that stays has to vote first"));
    }
    Step::RemoveVoter(*last)
}

/// The reassignments that empty the brokers `leaving`. Each replica goes to the broker with the fewest that
/// does not have the partition, in a zone that does not have it where there is one.
///
/// # Errors
/// Why the brokers that stay cannot take the replicas.
pub fn drain(
    partitions: &[ReplicaSet],
    staying: &[Destination],
    leaving: &BTreeSet<i32>,
) -> Result<Vec<Reassignment>, String> {
    let mut load: BTreeMap<i32, usize> = staying.iter().map(|one| (one.broker, 0)).collect();
    for broker in partitions.iter().flat_map(|partition| &partition.replicas) {
        if let Some(count) = load.get_mut(broker) {
            *count += 1;
        }
    }
    let racks: BTreeMap<i32, Option<&str>> =
        staying.iter().map(|one| (one.broker, one.rack.as_deref())).collect();
    let mut plan = Vec::new();
    for partition in
        partitions.iter().filter(|one| one.replicas.iter().any(|broker| leaving.contains(broker)))
    {
        let mut replicas = partition.replicas.clone();
        for place in 0..replicas.len() {
            if !leaving.contains(&replicas[place]) {
                continue;
            }
            let Some(broker) = destination(&replicas, leaving, &load, &racks) else {
                return Err(format!(
                    "{} has {} replicas and only {} brokers stay: lower its replication factor first",
                    partition.partition,
                    partition.replicas.len(),
                    staying.len()
                ));
            };
            replicas[place] = broker;
            *load.entry(broker).or_default() += 1;
        }
        plan.push(Reassignment { partition: partition.partition.clone(), replicas });
    }
    Ok(plan)
}

fn destination(
    replicas: &[i32],
    leaving: &BTreeSet<i32>,
    load: &BTreeMap<i32, usize>,
    racks: &BTreeMap<i32, Option<&str>>,
) -> Option<i32> {
    let staying = replicas.iter().filter(|broker| !leaving.contains(broker));
    let used: BTreeSet<&str> = staying.filter_map(|broker| racks.get(broker).copied().flatten()).collect();
    let free = load.iter().filter(|(broker, _)| !replicas.contains(broker));
    let same_rack =
        |broker: &i32| racks.get(broker).copied().flatten().is_some_and(|rack| used.contains(rack));
    free.min_by_key(|(broker, count)| (same_rack(broker), **count, **broker)).map(|(broker, _)| *broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(replicas: &[&[i32]]) -> Vec<ReplicaSet> {
        let sets = (0..).zip(replicas).map(|(number, replicas)| ReplicaSet {
            partition: format!("t-{number}"),
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
        });
        sets.collect()
    }

    fn staying(brokers: &[(i32, Option<&str>)]) -> Vec<Destination> {
        let destination = |(broker, rack): &(i32, Option<&str>)| Destination {
            broker: *broker,
            rack: rack.map(str::to_owned),
        };
        brokers.iter().map(destination).collect()
    }

    fn moves(plan: Vec<Reassignment>) -> Vec<(String, Vec<i32>)> {
        plan.into_iter().map(|one| (one.partition, one.replicas)).collect()
    }

    #[test]
    fn replicas_go_evenly_to_those_who_stay_and_the_rest_keeps_its_place() {
        let partitions = partitions(&[&[3, 0], &[0, 3], &[1, 2], &[3, 1]]);
        let plan = drain(&partitions, &staying(&[(0, None), (1, None), (2, None)]), &[3].into()).unwrap();
        assert_eq!(
            moves(plan),
            [("t-0".into(), vec![2, 0]), ("t-1".into(), vec![0, 1]), ("t-3".into(), vec![0, 1])]
        );
    }

    #[test]
    fn zones_stay_apart_where_they_can() {
        let partitions = partitions(&[&[0, 3]]);
        let brokers = staying(&[(0, Some("a")), (1, Some("a")), (2, Some("b"))]);
        assert_eq!(moves(drain(&partitions, &brokers, &[3].into()).unwrap()), [("t-0".into(), vec![0, 2])]);
        let one_zone = staying(&[(0, Some("a")), (1, Some("a"))]);
        assert_eq!(moves(drain(&partitions, &one_zone, &[3].into()).unwrap()), [("t-0".into(), vec![0, 1])]);
    }

    #[test]
    fn too_few_brokers_is_an_error_that_names_the_partition() {
        let partitions = partitions(&[&[0, 1, 2]]);
        let error = drain(&partitions, &staying(&[(0, None), (1, None)]), &[2].into()).unwrap_err();
        assert!(error.contains("t-0") && error.contains("3 replicas"), "{error}");
    }

    #[test]
    fn replicas_move_then_the_voter_leaves_then_the_pod_goes() {
        let mut cluster = Shrinking {
            leaving: [2, 3].into(),
            staying: staying(&[(0, None), (1, None)]),
            partitions: partitions(&[&[2, 0], &[3], &[0, 1]]),
            voters: [0, 1, 3].into(),
            ..Shrinking::default()
        };
        let Step::Move(plan) = next(&cluster) else { panic!("{:?}", next(&cluster)) };
        assert_eq!(moves(plan), [("t-0".into(), vec![1, 0]), ("t-1".into(), vec![0])]);
        cluster.moving = ["t-0".into()].into();
        let Step::Move(rest) = next(&cluster) else { panic!("{:?}", next(&cluster)) };
        assert_eq!(moves(rest), [("t-1".into(), vec![0])], "what moves already is not asked for again");
        cluster.moving.insert("t-1".into());
        assert!(matches!(next(&cluster), Step::Wait(why) if why.contains("t-0 and 1 other")));
        (cluster.partitions, cluster.moving) = (partitions(&[&[1, 0], &[0], &[0, 1]]), BTreeSet::new());
        assert_eq!(next(&cluster), Step::RemoveVoter(3));
        cluster.voters = [0, 1].into();
        assert_eq!(next(&cluster), Step::TakeAway(3));
        cluster.leaving.remove(&3);
        assert_eq!(next(&cluster), Step::TakeAway(2), "it never voted");
        cluster.leaving.clear();
        assert_eq!(next(&cluster), Step::Done);
    }

    #[test]
    fn who_cannot_leave_is_told_why() {
        let only_voter = Shrinking {
            leaving: [1].into(),
            staying: staying(&[(0, None)]),
            voters: [1].into(),
            ..Shrinking::default()
        };
        assert!(matches!(next(&only_voter), Step::Blocked(why) if why.contains("only voter")));
        let full = Shrinking { partitions: partitions(&[&[0, 1]]), ..only_voter };
        assert!(matches!(next(&full), Step::Blocked(why) if why.contains("t-0")));
    }

    #[test]
    fn an_empty_broker_needs_nothing() {
        let partitions = partitions(&[&[0], &[1]]);
        assert!(drain(&partitions, &staying(&[(0, None), (1, None)]), &[2].into()).unwrap().is_empty());
    }
}
