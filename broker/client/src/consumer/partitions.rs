//! What a consumer reads and how far it is, partition by partition. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::commit::Offsets;
use crate::admin::types::OffsetSpec;
use crate::error::ClientError;
use crate::topic_partition::{CommittedOffset, TopicPartition};

/// Where a partition is to be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// At what the group committed; if nothing, where `auto.offset.reset` says.
    Committed,
    /// Where the leader finds this.
    Reset(OffsetSpec),
    /// Nowhere: there is nothing to start from.
    None,
    /// At this offset.
    At(i64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Partition {
    /// What `poll` returns next; all before is taken to be processed.
    pub(super) position: Position,
    /// What the next fetch asks for: ahead of the position by what is kept ready.
    pub(super) fetch_at: i64,
    /// Epoch of the leader that wrote the record before the position.
    pub(super) leader_epoch: Option<i32>,
    /// Changes whenever the position is set: answers to what was asked before are worth nothing.
    pub(super) tag: u64,
    pub(super) is_paused: bool,
    /// A question about its position is on its way.
    pub(super) is_asked: bool,
    /// A fetch for it is on its way.
    pub(super) is_fetching: bool,
    /// Offset that follows the last record that may be read, as of the last fetch.
    pub(super) end: Option<i64>,
    /// After a failure, not before this.
    pub(super) retry_at: Option<Instant>,
    pub(super) failures: u32,
    /// The position that is known to be committed.
    pub(super) committed: Option<i64>,
}

/// Partitions by name.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    by_name: BTreeMap<TopicPartition, Partition>,
    next_tag: u64,
}

impl Partitions {
    /// Adds a partition, unless it is there.
    pub(super) fn add(&mut self, partition: TopicPartition, position: Position) {
        self.next_tag += 1;
        let tag = self.next_tag;
        let fetch_at = if let Position::At(offset) = position { offset } else { -1 };
        self.by_name.entry(partition).or_insert_with(|| Partition {
            position,
            fetch_at,
            leader_epoch: None,
            tag,
            is_paused: false,
            is_asked: false,
            is_fetching: false,
            end: None,
            retry_at: None,
            failures: 0,
            committed: None,
        });
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&TopicPartition) -> bool) {
        self.by_name.retain(|partition, _| keep(partition));
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.by_name.get(partition)
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.by_name.get_mut(partition)
    }

    /// The partition, if its position was not set since it had this tag.
    pub(super) fn tagged(&mut self, partition: &TopicPartition, tag: u64) -> Option<&mut Partition> {
        self.by_name.get_mut(partition).filter(|known| known.tag == tag)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Partition)> {
        self.by_name.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Partition)> {
        self.by_name.iter_mut()
    }

    pub(super) fn names(&self) -> Vec<TopicPartition> {
        self.by_name.keys().cloned().collect()
    }

    /// Those topics of which partitions are read.
    pub(super) fn topics(&self) -> BTreeSet<Arc<str>> {
        self.by_name.keys().map(|partition| Arc::clone(&partition.topic)).collect()
    }

    /// Sets where to go on.
    pub(super) fn set(&mut self, partition: &TopicPartition, position: Position) -> Result<(), ClientError> {
        self.next_tag += 1;
        let tag = self.next_tag;
        let known = self.by_name.get_mut(partition).ok_or_else(|| not_assigned(partition))?;
        known.move_to(position, tag);
        Ok(())
    }

    /// Goes on at the position, without what was fetched ahead of it.
    pub(super) fn rewind(&mut self, partition: &TopicPartition) {
        let Some(known) = self.by_name.get(partition) else { return };
        let (position, leader_epoch) = (known.position, known.leader_epoch);
        if matches!(position, Position::At(_))
            && self.set(partition, position).is_ok()
            && let Some(known) = self.by_name.get_mut(partition)
        {
            known.leader_epoch = leader_epoch;
        }
    }

    /// Positions to commit: those that moved since they were committed, or all.
    pub(super) fn offsets(&self, all: bool) -> Offsets {
        let moved = |known: &Partition, offset| all || known.committed != Some(offset);
        self.by_name
            .iter()
            .filter_map(|(partition, known)| match known.position {
                Position::At(offset) if moved(known, offset) => {
                    let leader_epoch = known.leader_epoch;
                    let offset = CommittedOffset { offset, leader_epoch, metadata: String::new() };
                    Some((partition.clone(), offset))
                }
                _ => None,
            })
            .collect()
    }

    /// Remembers that these are committed.
    pub(super) fn note_committed(&mut self, offsets: &Offsets) {
        for (partition, offset) in offsets {
            if let Some(known) = self.by_name.get_mut(partition) {
                known.committed = Some(offset.offset);
            }
        }
    }
}

impl Partition {
    fn move_to(&mut self, position: Position, tag: u64) {
        self.position = position;
        self.tag = tag;
        self.is_asked = false;
        self.is_fetching = false;
        self.leader_epoch = None;
        self.succeeded();
        if let Position::At(offset) = position {
            self.fetch_at = offset;
        }
    }

    /// Goes on at `offset`, as it was found out.
    pub(super) fn found(&mut self, offset: i64, leader_epoch: Option<i32>) {
        self.position = Position::At(offset);
        self.fetch_at = offset;
        self.leader_epoch = leader_epoch;
        self.is_asked = false;
        self.succeeded();
    }

    pub(super) fn succeeded(&mut self) {
        self.retry_at = None;
        self.failures = 0;
    }

    /// To be left alone until `at`.
    pub(super) fn failed(&mut self, at: impl FnOnce(u32) -> Instant) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(at(self.failures));
    }

    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| at > now)
    }

    /// Where to read from now on, if that is known and nothing is in the way.
    pub(super) fn fetchable_at(&self, now: Instant) -> Option<i64> {
        let is_free = !self.is_paused && !self.is_fetching && !self.is_waiting(now);
        (is_free && matches!(self.position, Position::At(_))).then_some(self.fetch_at)
    }
}

/// The error of a call about a partition that is not read.
pub(super) fn not_assigned(partition: &TopicPartition) -> ClientError {
    ClientError::Usage(format!("No current assignment for partition {partition}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_before_a_seek_is_stale() {
        let at = TopicPartition::new("t", 0);
        let mut partitions = Partitions::default();
        partitions.add(at.clone(), Position::Committed);
        let tag = partitions.get(&at).unwrap().tag;
        partitions.tagged(&at, tag).unwrap().found(7, None);
        assert_eq!(partitions.get(&at).unwrap().fetchable_at(Instant::now()), Some(7));
        partitions.set(&at, Position::At(3)).unwrap();
        assert!(partitions.tagged(&at, tag).is_none());
        assert_eq!(partitions.get(&at).unwrap().fetchable_at(Instant::now()), Some(3));
        assert!(partitions.set(&TopicPartition::new("t", 1), Position::At(3)).is_err());
    }

    #[test]
    fn only_what_moved_is_committed() {
        let at = TopicPartition::new("t", 0);
        let mut partitions = Partitions::default();
        partitions.add(at.clone(), Position::At(5));
        partitions.add(TopicPartition::new("t", 1), Position::Committed);
        let offsets = partitions.offsets(false);
        assert_eq!(offsets, vec![(at.clone(), CommittedOffset::at(5))], "a start is worth remembering");
        partitions.note_committed(&offsets);
        assert!(partitions.offsets(false).is_empty());
        assert_eq!(partitions.offsets(true).len(), 1);
    }
}
