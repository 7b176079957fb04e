//! Balanced, changing as little as possible
//! (`org.apache.kafka.clients.consumer.internals.AbstractStickyAssignor`). Where all members subscribe
//! to the same topics, quotas do; otherwise partitions are moved one by one while that helps.

mod constrained;
mod general;
mod movements;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::user_data::{Past, cooperative_member};
use super::{GroupMember, Plan, TopicCounts, java};
use crate::group_protocol::Subscription;
use crate::topic_partition::TopicPartition;

/// Generation of members that tell none.
const NO_GENERATION: i32 = -1;

/// A plan, and which of its partitions somebody else still holds, if that came to light.
pub(super) struct Sticky {
    pub(super) plan: Plan,
    /// Partitions that change hands, with the place of the member that gets them.
    transferring: Option<HashMap<TopicPartition, usize>>,
}

/// What members had and may keep.
struct Owned {
    /// By place of the member.
    partitions: Plan,
    /// Claimed by two members of one generation: nobody may keep them.
    contested: HashSet<TopicPartition>,
    max_generation: i32,
}

/// Assigns as if everybody had given everything back.
pub(super) fn assign(
    counts: &TopicCounts,
    members: &[GroupMember],
    past_of: impl Fn(&Subscription) -> Past,
) -> Sticky {
    let pasts: Vec<Past> = members.iter().map(|member| past_of(&member.subscription)).collect();
    let order = java::walk(members.iter().map(|member| member.id.as_str()));
    let owned = owned(counts, members, &pasts, &order);
    if have_same_topics(members) {
        let (plan, transferring) = constrained::assign(counts, members, &order, owned);
        return Sticky { plan, transferring: Some(transferring) };
    }
    let plan = general::assign(counts, members, &order, &pasts, owned);
    Sticky { plan, transferring: None }
}

/// Leaves out what its owner has to give back first; the owner's next generation brings it (KIP-429).
pub(super) fn assign_cooperatively(counts: &TopicCounts, members: &[GroupMember]) -> Plan {
    let Sticky { mut plan, transferring } = assign(counts, members, cooperative_member);
    let transferring = transferring.unwrap_or_else(|| changing_hands(members, &plan));
    for (partition, place) in transferring {
        plan[place].retain(|assigned| *assigned != partition);
    }
    plan
}

fn have_same_topics(members: &[GroupMember]) -> bool {
    let mut topics = members.iter().map(|member| member.subscription.topics.iter().collect::<BTreeSet<_>>());
    let Some(first) = topics.next() else { return true };
    topics.all(|others| others == first)
}

/// What each member had, as far as the topics still exist and no other member had it later.
fn owned(counts: &TopicCounts, members: &[GroupMember], pasts: &[Past], order: &[usize]) -> Owned {
    let mut owned = Owned {
        partitions: vec![Vec::new(); members.len()],
        contested: HashSet::new(),
        max_generation: NO_GENERATION,
    };
    let mut owners = HashMap::<TopicPartition, usize>::new();
    for &place in order {
        let generation = pasts[place].generation.unwrap_or(NO_GENERATION);
        owned.max_generation = owned.max_generation.max(generation);
        for partition in &pasts[place].partitions {
            if counts.get(&partition.topic).is_none_or(|count| partition.partition >= *count) {
                continue;
            }
            let Some(&other) = owners.get(partition) else {
                owned.partitions[place].push(partition.clone());
                owners.insert(partition.clone(), place);
                continue;
            };
            let others = members[other].subscription.generation.unwrap_or(NO_GENERATION);
            if generation < others {
                continue;
            }
            owned.partitions[other].retain(|theirs| theirs != partition);
            owners.insert(partition.clone(), place);
            if generation == others {
                owned.contested.insert(partition.clone());
            } else {
                owned.partitions[place].push(partition.clone());
            }
        }
    }
    owned
}

/// Partitions that one member holds and another is to get.
fn changing_hands(members: &[GroupMember], plan: &Plan) -> HashMap<TopicPartition, usize> {
    let mut added = HashMap::new();
    let mut revoked = HashSet::new();
    for (place, assigned) in plan.iter().enumerate() {
        let owned: HashSet<&TopicPartition> = members[place].subscription.owned.iter().collect();
        let assigned: HashSet<&TopicPartition> = assigned.iter().collect();
        added.extend(assigned.difference(&owned).map(|partition| ((*partition).clone(), place)));
        revoked.extend(owned.difference(&assigned).map(|partition| (*partition).clone()));
    }
    added.retain(|partition, _| revoked.contains(partition));
    added
}
