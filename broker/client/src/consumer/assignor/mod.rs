//! Who in a group reads what: the leader's decision, a pure function of what the members say about
//! themselves. Agrees with Kafka's own assignors member by member, except that racks play no part.
//!
//! | file | holds |
//! |---|---|
//! | `range.rs` | topic by topic, a contiguous range for each member |
//! | `round_robin.rs` | all partitions in a row, one for each member in turn |
//! | `sticky/` | balanced, changing as little as possible, eager and cooperative |
//! | `user_data.rs` | what sticky members tell their leader beside the subscription |
//! | `java.rs` | the orders of Java's hash tables, on which sticky decisions rest where members tie |

mod java;
mod range;
mod round_robin;
mod sticky;
pub(crate) mod user_data;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::AssignorKind;
use crate::group_protocol::Subscription;
use crate::topic_partition::TopicPartition;

/// A member as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: Subscription,
}

impl GroupMember {
    fn subscribes_to(&self, topic: &str) -> bool {
        self.subscription.topics.iter().any(|subscribed| **subscribed == *topic)
    }
}

/// How many partitions each topic has; without topics that do not exist.
pub(crate) type TopicCounts = BTreeMap<Arc<str>, i32>;

/// What each member gets, by its place in the list of members.
pub(crate) type Plan = Vec<Vec<TopicPartition>>;

/// Spreads the partitions of the topics that are subscribed to over the members.
pub(crate) fn assign(kind: AssignorKind, counts: &TopicCounts, members: &[GroupMember]) -> Plan {
    let subscribed = |topic: &str| members.iter().any(|member| member.subscribes_to(topic));
    let counts: TopicCounts = counts
        .iter()
        .filter(|(topic, count)| **count > 0 && subscribed(topic))
        .map(|(topic, count)| (Arc::clone(topic), *count))
        .collect();
    match kind {
        AssignorKind::Range => range::assign(&counts, members),
        AssignorKind::RoundRobin => round_robin::assign(&counts, members),
        AssignorKind::Sticky => sticky::assign(&counts, members, user_data::sticky_member).plan,
        AssignorKind::CooperativeSticky => sticky::assign_cooperatively(&counts, members),
    }
}

/// The partitions of a topic, ascending.
fn partitions(topic: &Arc<str>, count: i32) -> impl Iterator<Item = TopicPartition> + '_ {
    (0..count).map(|number| TopicPartition::new(Arc::clone(topic), number))
}

/// Places of the members in the order in which ranges and turns are given: static members by their
/// fixed names, then the others by id (`AbstractPartitionAssignor.MemberInfo`).
fn in_order(members: &[GroupMember]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..members.len()).collect();
    places.sort_by(|left, right| {
        let (left, right) = (&members[*left], &members[*right]);
        match (&left.instance_id, &right.instance_id) {
            (Some(left), Some(right)) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => left.id.cmp(&right.id),
        }
    });
    places
}

#[cfg(test)]
mod tests;
