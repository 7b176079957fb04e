//! Members subscribe to different topics: what they had is kept, what is open goes to whoever has
//! least, and then partitions move one by one for as long as that makes the plan more even.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::movements::Movements;
use super::{NO_GENERATION, Owned};
use crate::consumer::assignor::user_data::Past;
use crate::consumer::assignor::{GroupMember, Plan, TopicCounts, partitions};
use crate::topic_partition::TopicPartition;

struct Builder<'a> {
    counts: &'a TopicCounts,
    members: &'a [GroupMember],
    /// Members that may get partitions of a topic.
    readers: HashMap<Arc<str>, Vec<usize>>,
    plan: Plan,
    holder: HashMap<TopicPartition, usize>,
    /// Members that may still get or give, those with least first.
    by_load: BTreeSet<(usize, &'a str, usize)>,
    movements: Movements,
    /// Who had a partition in an earlier generation than its owner of now.
    before: HashMap<TopicPartition, usize>,
}

pub(super) fn assign(
    counts: &TopicCounts,
    members: &[GroupMember],
    order: &[usize],
    pasts: &[Past],
    owned: Owned,
) -> Plan {
    let mut readers = HashMap::<Arc<str>, Vec<usize>>::new();
    for topic in counts.keys() {
        let of_topic = order.iter().copied().filter(|place| members[*place].subscribes_to(topic));
        readers.insert(Arc::clone(topic), of_topic.collect());
    }
    let before = before(pasts, order, owned.max_generation);
    let mut builder = Builder {
        counts,
        members,
        readers,
        plan: owned.partitions,
        holder: HashMap::new(),
        by_load: BTreeSet::new(),
        movements: Movements::default(),
        before,
    };
    let must_revoke = builder.drop_unsubscribed();
    let all = builder.all_partitions();
    let open: Vec<TopicPartition> =
        all.iter().filter(|partition| !builder.holder.contains_key(*partition)).cloned().collect();
    builder.by_load = (0..members.len()).map(|place| builder.load(place)).collect();
    builder.balance(&all, &open, must_revoke);
    builder.plan
}

/// Owners in generations before the newest; of several, the latest.
fn before(pasts: &[Past], order: &[usize], max_generation: i32) -> HashMap<TopicPartition, usize> {
    let mut before = HashMap::<TopicPartition, (i32, usize)>::new();
    for &place in order {
        let generation = pasts[place].generation.unwrap_or(NO_GENERATION);
        if generation >= max_generation {
            continue;
        }
        for partition in &pasts[place].partitions {
            let latest = before.entry(partition.clone()).or_insert((generation, place));
            if generation > latest.0 {
                *latest = (generation, place);
            }
        }
    }
    before.into_iter().map(|(partition, (_, place))| (partition, place)).collect()
}

impl<'a> Builder<'a> {
    fn load(&self, place: usize) -> (usize, &'a str, usize) {
        (self.plan[place].len(), &self.members[place].id, place)
    }

    fn readers_of(&self, topic: &str) -> &[usize] {
        self.readers.get(topic).map_or(&[], Vec::as_slice)
    }

    /// Takes away what members no longer subscribe to; returns whether there was any.
    fn drop_unsubscribed(&mut self) -> bool {
        let mut dropped = false;
        for (place, member) in self.members.iter().enumerate() {
            let had = self.plan[place].len();
            self.plan[place].retain(|partition| member.subscribes_to(&partition.topic));
            dropped |= self.plan[place].len() < had;
            let held = self.plan[place].iter().map(|partition| (partition.clone(), place));
            self.holder.extend(held);
        }
        dropped
    }

    /// Every partition; topics with the fewest readers first.
    fn all_partitions(&self) -> Vec<TopicPartition> {
        let mut topics: Vec<(&Arc<str>, i32)> =
            self.counts.iter().map(|(topic, count)| (topic, *count)).collect();
        topics.sort_by_key(|(topic, _)| self.readers_of(topic).len());
        topics.into_iter().flat_map(|(topic, count)| partitions(topic, count)).collect()
    }

    fn balance(&mut self, all: &[TopicPartition], open: &[TopicPartition], must_revoke: bool) {
        let is_first = self.by_load.last().is_none_or(|(most, ..)| *most == 0);
        for partition in open {
            self.give_to_least(partition);
        }
        let is_movable = |partition: &&TopicPartition| self.readers_of(&partition.topic).len() >= 2;
        let all: Vec<TopicPartition> = all.iter().filter(is_movable).cloned().collect();
        let open: Vec<TopicPartition> = open.iter().filter(is_movable).cloned().collect();
        for place in 0..self.members.len() {
            if !self.takes_part(place) {
                self.by_load.remove(&self.load(place));
            }
        }
        let plan_before = self.plan.clone();
        if self.by_load.is_empty() {
            return;
        }
        if !must_revoke {
            self.move_around(&open);
        }
        let moved = self.move_around(&all);
        if !is_first && moved && self.score(&self.plan) >= self.score(&plan_before) {
            self.plan = plan_before;
        }
    }

    fn give_to_least(&mut self, partition: &TopicPartition) {
        let least = self
            .by_load
            .iter()
            .find(|(_, _, place)| self.members[*place].subscribes_to(&partition.topic))
            .copied();
        let Some((.., place)) = least else { return };
        self.by_load.remove(&self.load(place));
        self.plan[place].push(partition.clone());
        self.holder.insert(partition.clone(), place);
        self.by_load.insert(self.load(place));
    }

    /// Most partitions that a member can have.
    fn most(&self, place: usize) -> usize {
        let of = |topic: &Arc<str>| self.counts.get(topic).map_or(0, |count| *count as usize);
        self.members[place].subscription.topics.iter().map(of).sum()
    }

    /// Whether a member can get or give anything.
    fn takes_part(&self, place: usize) -> bool {
        self.plan[place].len() < self.most(place)
            || self.plan[place].iter().any(|partition| self.readers_of(&partition.topic).len() >= 2)
    }

    /// Nobody who still takes part could get a partition from somebody with two more.
    fn is_balanced(&self) -> bool {
        let (Some((least, ..)), Some((most, ..))) = (self.by_load.first(), self.by_load.last()) else {
            return true;
        };
        if *least + 1 >= *most {
            return true;
        }
        self.by_load.iter().all(|(load, _, place)| {
            let mine: HashSet<&TopicPartition> = self.plan[*place].iter().collect();
            *load == self.most(*place)
                || self.members[*place].subscription.topics.iter().all(|topic| {
                    let count = self.counts.get(topic).copied().unwrap_or(0);
                    partitions(topic, count).filter(|partition| !mine.contains(partition)).all(|partition| {
                        let other = self.holder.get(&partition);
                        other.is_none_or(|other| load + 1 >= self.plan[*other].len())
                    })
                })
        })
    }

    /// Moves partitions while that makes the plan more even; returns whether any moved.
    fn move_around(&mut self, movable: &[TopicPartition]) -> bool {
        let mut moved = false;
        // Every round but the last moves something towards balance; the bound is never met.
        for _ in 0..=movable.len() * self.members.len() {
            let mut moved_now = false;
            for partition in movable {
                if self.is_balanced() {
                    break;
                }
                moved_now |= self.improve(partition);
            }
            moved |= moved_now;
            if !moved_now {
                break;
            }
        }
        moved
    }

    /// Moves a partition, or another in its place, if somebody should rather have it.
    fn improve(&mut self, partition: &TopicPartition) -> bool {
        let Some(&holder) = self.holder.get(partition) else { return false };
        let load = self.plan[holder].len();
        let earlier = self.before.get(partition).copied();
        if let Some(earlier) = earlier.filter(|place| self.readers_of(&partition.topic).contains(place))
            && load > self.plan[earlier].len() + 1
        {
            self.reassign(partition, holder, earlier);
            return true;
        }
        let is_better = |place: &usize| load > self.plan[*place].len() + 1;
        if !self.readers_of(&partition.topic).iter().any(is_better) {
            return false;
        }
        let least = self
            .by_load
            .iter()
            .find(|(_, _, place)| self.members[*place].subscribes_to(&partition.topic))
            .copied();
        let Some((.., place)) = least else { return false };
        self.reassign(partition, holder, place);
        true
    }

    fn reassign(&mut self, partition: &TopicPartition, holder: usize, to: usize) {
        let partition = self.movements.actual(partition, holder, to);
        let from = self.holder.get(&partition).copied().unwrap_or(holder);
        self.by_load.remove(&self.load(from));
        self.by_load.remove(&self.load(to));
        self.movements.note(&partition, from, to);
        self.plan[from].retain(|other| *other != partition);
        self.plan[to].push(partition.clone());
        self.holder.insert(partition, to);
        self.by_load.insert(self.load(to));
        self.by_load.insert(self.load(from));
    }

    /// The sum of all differences between two members; 0 is perfectly even.
    fn score(&self, plan: &Plan) -> usize {
        let loads: Vec<usize> = self.by_load.iter().map(|(_, _, place)| plan[*place].len()).collect();
        let differences = |(at, load): (usize, &usize)| {
            loads[at + 1..].iter().map(|other| load.abs_diff(*other)).sum::<usize>()
        };
        loads.iter().enumerate().map(differences).sum()
    }
}
