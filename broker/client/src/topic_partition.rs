//! A partition by name, and what is committed for it. Knows nothing of where it lives.

use std::fmt;
use std::sync::Arc;

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A topic, and something beside each of its partitions.
pub(crate) type OfTopic<T> = (Arc<str>, Vec<(i32, T)>);

/// Partitions grouped by topic, in order of first appearance: the shape most requests have.
pub(crate) fn by_topic<'a, T>(items: impl IntoIterator<Item = (&'a TopicPartition, T)>) -> Vec<OfTopic<T>> {
    let mut grouped: Vec<OfTopic<T>> = Vec::new();
    let mut places = std::collections::HashMap::<Arc<str>, usize>::new();
    for (partition, item) in items {
        let place = *places.entry(Arc::clone(&partition.topic)).or_insert_with(|| {
            grouped.push((Arc::clone(&partition.topic), Vec::new()));
            grouped.len() - 1
        });
        grouped[place].1.push((partition.partition, item));
    }
    grouped
}

/// An offset that a group committed, or is to commit, for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Offset of the next record to read.
    pub offset: i64,
    /// Leader epoch of the last record read, when known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Free text kept beside the offset.
    pub metadata: String,
}

impl CommittedOffset {
    /// An offset without epoch or text.
    #[must_use]
    pub fn at(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// Which records of unfinished transactions a reader sees (`isolation.level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// Everything up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Only records of committed transactions, and those outside of any.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) fn on_the_wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_keeps_the_order_of_first_appearance() {
        let asked = [TopicPartition::new("b", 1), TopicPartition::new("a", 0), TopicPartition::new("b", 0)];
        let grouped = by_topic(asked.iter().map(|partition| (partition, ())));
        let shape: Vec<(&str, Vec<i32>)> = grouped
            .iter()
            .map(|(topic, partitions)| (&**topic, partitions.iter().map(|(number, ())| *number).collect()))
            .collect();
        assert_eq!(shape, vec![("b", vec![1, 0]), ("a", vec![0])]);
    }
}
