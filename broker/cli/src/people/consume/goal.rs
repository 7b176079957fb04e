//! When a consumer has read enough: so many records, or what was the end when it started.

use std::collections::BTreeMap;

use millrace_client::{Consumer, TopicPartition};

use crate::people::failure::Failure;

/// See the module.
#[derive(Debug)]
pub(super) struct Goal {
    left: Option<u64>,
    until_end: bool,
    /// The end of each partition when it was first seen.
    ends: BTreeMap<TopicPartition, i64>,
}

impl Goal {
    /// After `count` records, at the end, or (both unset) never.
    pub(super) fn new(count: Option<u64>, until_end: bool) -> Self {
        Self { left: count, until_end, ends: BTreeMap::new() }
    }

    /// How many of `available` records are still wanted; they count as read.
    pub(super) fn take(&mut self, available: usize) -> usize {
        let Some(left) = &mut self.left else { return available };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
        *left -= taken as u64;
        taken
    }

    /// Whether nothing more is wanted.
    pub(super) async fn is_reached(&mut self, consumer: &mut Consumer) -> Result<bool, Failure> {
        if self.left == Some(0) {
            return Ok(true);
        }
        if !self.until_end {
            return Ok(false);
        }
        let assigned = consumer.assignment();
        let new: Vec<TopicPartition> =
            assigned.iter().filter(|one| !self.ends.contains_key(*one)).cloned().collect();
        if !new.is_empty() {
            for (partition, end) in consumer.end_offsets(&new).await? {
                self.ends.insert(partition, end?);
            }
        }
        // A member that was given nothing yet is not at the end.
        if assigned.is_empty() {
            return Ok(false);
        }
        for partition in assigned {
            let end = self.ends.get(&partition).copied().unwrap_or(0);
            if end > 0 && consumer.position(&partition).await? < end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_used_up() {
        let mut goal = Goal::new(Some(5), false);
        assert_eq!([goal.take(3), goal.take(4), goal.take(4)], [3, 2, 0]);
        assert_eq!(Goal::new(None, true).take(7), 7);
    }
}
