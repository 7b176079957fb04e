//! Topic by topic, a contiguous range for each member; the first members get one more where it does not
//! come out even (`org.apache.kafka.clients.consumer.RangeAssignor`).

use super::{GroupMember, Plan, TopicCounts, in_order, partitions};

pub(super) fn assign(counts: &TopicCounts, members: &[GroupMember]) -> Plan {
    let mut plan = vec![Vec::new(); members.len()];
    let order = in_order(members);
    for (topic, count) in counts {
        let readers: Vec<usize> =
            order.iter().copied().filter(|place| members[*place].subscribes_to(topic)).collect();
        let mut all = partitions(topic, *count);
        let (each, more) = (*count as usize / readers.len(), *count as usize % readers.len());
        for (turn, place) in readers.into_iter().enumerate() {
            plan[place].extend(all.by_ref().take(each + usize::from(turn < more)));
        }
    }
    plan
}
