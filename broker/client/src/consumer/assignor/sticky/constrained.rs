//! All members subscribe to the same topics: each gets the same number of partitions, give or take one,
//! and keeps of what it had as much as that allows.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Owned;
use crate::consumer::assignor::{GroupMember, Plan, TopicCounts, partitions};
use crate::topic_partition::TopicPartition;

/// How many partitions a member may have.
struct Quotas {
    min: usize,
    max: usize,
    /// Members that may have more than `min`; none when it comes out even.
    over_min_expected: usize,
}

struct Builder<'a> {
    members: &'a [GroupMember],
    quotas: Quotas,
    over_min: usize,
    plan: Plan,
    contested: HashSet<TopicPartition>,
    /// What members had to give back, and who.
    revoked: HashMap<TopicPartition, usize>,
    below_min: Vec<usize>,
    at_min: VecDeque<usize>,
    transferring: HashMap<TopicPartition, usize>,
}

pub(super) fn assign(
    counts: &TopicCounts,
    members: &[GroupMember],
    order: &[usize],
    owned: Owned,
) -> (Plan, HashMap<TopicPartition, usize>) {
    let total: usize = counts.values().map(|count| *count as usize).sum();
    let among = members.len().max(1);
    let mut builder = Builder {
        members,
        quotas: Quotas { min: total / among, max: total.div_ceil(among), over_min_expected: total % among },
        over_min: 0,
        plan: vec![Vec::new(); members.len()],
        contested: owned.contested,
        revoked: HashMap::new(),
        below_min: Vec::new(),
        at_min: VecDeque::new(),
        transferring: HashMap::new(),
    };
    let mut had = owned.partitions;
    for &place in order {
        builder.keep(place, std::mem::take(&mut had[place]));
    }
    let kept: HashSet<TopicPartition> = builder.plan.iter().flatten().cloned().collect();
    let open = counts.iter().flat_map(|(topic, count)| partitions(topic, *count));
    builder.spread(open.filter(|partition| !kept.contains(partition)));
    (builder.plan, builder.transferring)
}

impl Builder<'_> {
    /// Lets a member keep what it had, up to its quota.
    fn keep(&mut self, place: usize, mut had: Vec<TopicPartition>) {
        had.sort_by(|left, right| (left.partition, &left.topic).cmp(&(right.partition, &right.topic)));
        had.retain(|partition| !self.contested.contains(partition));
        let Quotas { min, max, over_min_expected } = self.quotas;
        let quota = if had.len() < min {
            self.below_min.push(place);
            had.len()
        } else if had.len() >= max && self.over_min < over_min_expected {
            self.over_min += 1;
            if self.over_min == over_min_expected {
                self.at_min.clear();
            }
            max
        } else {
            if self.over_min < over_min_expected {
                self.at_min.push_back(place);
            }
            min
        };
        self.revoked.extend(had.drain(quota..).map(|partition| (partition, place)));
        self.plan[place] = had;
    }

    /// Gives what is open to members in turn: first to those below the lower quota, then to those at it.
    fn spread(&mut self, open: impl Iterator<Item = TopicPartition>) {
        let members = self.members;
        self.below_min.sort_by(|left, right| members[*left].id.cmp(&members[*right].id));
        self.at_min.make_contiguous().sort_by(|left, right| members[*left].id.cmp(&members[*right].id));
        let mut turn = 0;
        for partition in open {
            if turn >= self.below_min.len() {
                turn = 0;
            }
            let place = match self.below_min.get(turn) {
                Some(place) => *place,
                None => match self.at_min.pop_front() {
                    Some(place) => place,
                    // The quotas add up to all partitions.
                    None => return,
                },
            };
            let is_below = !self.below_min.is_empty();
            self.give(place, partition);
            if is_below && self.plan[place].len() == self.quotas.min {
                self.below_min.remove(turn);
                self.at_min.push_back(place);
            } else {
                turn += 1;
            }
        }
    }

    fn give(&mut self, place: usize, partition: TopicPartition) {
        let had_by_another = self.revoked.get(&partition).is_some_and(|owner| *owner != place);
        if had_by_another || self.contested.contains(&partition) {
            self.transferring.insert(partition.clone(), place);
        }
        self.plan[place].push(partition);
    }
}
