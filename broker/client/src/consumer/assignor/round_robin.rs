//! All partitions in a row, one for each member in turn; who did not subscribe to a topic is passed over
//! (`org.apache.kafka.clients.consumer.RoundRobinAssignor`).

use super::{GroupMember, Plan, TopicCounts, in_order, partitions};

pub(super) fn assign(counts: &TopicCounts, members: &[GroupMember]) -> Plan {
    let mut plan = vec![Vec::new(); members.len()];
    let order = in_order(members);
    let mut turn = 0;
    for (topic, count) in counts {
        for partition in partitions(topic, *count) {
            // Somebody subscribes to the topic, or it would not be among the counts.
            let taker = (0..order.len())
                .map(|step| (turn + step) % order.len())
                .find(|at| members[order[*at]].subscribes_to(topic));
            if let Some(taker) = taker {
                plan[order[taker]].push(partition);
                turn = taker + 1;
            }
        }
    }
    plan
}
