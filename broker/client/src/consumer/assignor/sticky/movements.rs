//! Which partitions moved from whom to whom while a plan is balanced, so that none of a topic moves one
//! way when another of the same topic moved the other way: then the latter moves back instead.

use std::collections::HashMap;
use std::sync::Arc;

use crate::consumer::assignor::java;
use crate::topic_partition::TopicPartition;

/// From one member to another, by place.
type Pair = (usize, usize);

/// Partitions of one topic that moved between one pair, walked as Java walks a `HashSet`.
#[derive(Debug, Default)]
struct Moved {
    partitions: Vec<TopicPartition>,
    /// The most there ever were: tables do not shrink.
    most: usize,
}

impl Moved {
    fn insert(&mut self, partition: TopicPartition) {
        self.partitions.push(partition);
        self.most = self.most.max(self.partitions.len());
    }

    fn first(&self) -> Option<&TopicPartition> {
        let length = java::table_length(self.most);
        self.partitions.iter().min_by_key(|partition| {
            java::bucket(java::hash_of_partition(&partition.topic, partition.partition), length)
        })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Movements {
    by_topic: HashMap<Arc<str>, HashMap<Pair, Moved>>,
    by_partition: HashMap<TopicPartition, Pair>,
}

impl Movements {
    /// The partition to move from `from` to `to` in the place of `partition`.
    pub(super) fn actual(&self, partition: &TopicPartition, from: usize, to: usize) -> TopicPartition {
        let Some(moved) = self.by_topic.get(&partition.topic) else { return partition.clone() };
        let from = self.by_partition.get(partition).map_or(from, |(source, _)| *source);
        moved.get(&(to, from)).and_then(Moved::first).unwrap_or(partition).clone()
    }

    /// Notes a movement; one back to where the partition came from undoes what was noted.
    pub(super) fn note(&mut self, partition: &TopicPartition, from: usize, to: usize) {
        let pair = match self.forget(partition) {
            None => (from, to),
            Some((source, _)) if source != to => (source, to),
            Some(_) => return,
        };
        self.by_partition.insert(partition.clone(), pair);
        let of_topic = self.by_topic.entry(Arc::clone(&partition.topic)).or_default();
        of_topic.entry(pair).or_default().insert(partition.clone());
    }

    fn forget(&mut self, partition: &TopicPartition) -> Option<Pair> {
        let pair = self.by_partition.remove(partition)?;
        let of_topic = self.by_topic.get_mut(&partition.topic)?;
        let moved = of_topic.get_mut(&pair)?;
        moved.partitions.retain(|other| other != partition);
        if moved.partitions.is_empty() {
            of_topic.remove(&pair);
        }
        if of_topic.is_empty() {
            self.by_topic.remove(&partition.topic);
        }
        Some(pair)
    }
}
