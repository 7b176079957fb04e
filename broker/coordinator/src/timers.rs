//! Deadlines of a shard, ordered. A deadline that moves later, as those of heartbeats do all the time,
//! costs no reordering: the old place in the queue comes up first and is put back.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TimerKey {
    /// A group's members had time to join its next generation.
    Join(Arc<str>),
    /// A generation's members had time to ask for their assignment.
    Sync(Arc<str>),
    /// A member of a group was not heard of.
    Session(Arc<str>, Arc<str>),
    /// Expired offsets are to be looked for.
    Expiry,
}

/// Where a key stands in the queue, and when it is really due.
#[derive(Debug, Clone, Copy)]
struct Armed {
    queued_ms: i64,
    deadline_ms: i64,
}

/// One deadline for each key.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(i64, TimerKey)>,
    armed: HashMap<TimerKey, Armed>,
}

impl Timers {
    /// Sets the key's deadline, in place of the one that it had.
    pub(crate) fn schedule(&mut self, key: TimerKey, deadline_ms: i64) {
        if let Some(armed) = self.armed.get_mut(&key) {
            armed.deadline_ms = deadline_ms;
            if armed.queued_ms <= deadline_ms {
                return;
            }
            let queued = (armed.queued_ms, key);
            self.queue.remove(&queued);
            self.arm(queued.1, deadline_ms);
        } else {
            self.arm(key, deadline_ms);
        }
    }

    fn arm(&mut self, key: TimerKey, deadline_ms: i64) {
        self.queue.insert((deadline_ms, key.clone()));
        self.armed.insert(key, Armed { queued_ms: deadline_ms, deadline_ms });
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(armed) = self.armed.remove(&key) {
            self.queue.remove(&(armed.queued_ms, key));
        }
    }

    /// When to look again; nothing is due before, though perhaps not then either.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.queue.first().map(|(queued_ms, _)| *queued_ms)
    }

    /// Takes out a key whose deadline has come, the earliest first.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<TimerKey> {
        while self.next_ms()? <= now_ms {
            let (_, key) = self.queue.pop_first()?;
            match self.armed.remove(&key) {
                Some(armed) if armed.deadline_ms > now_ms => self.arm(key, armed.deadline_ms),
                _ => return Some(key),
            }
        }
        None
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(member: &str) -> TimerKey {
        TimerKey::Session("g".into(), member.into())
    }

    #[test]
    fn deadlines_move_in_both_directions_and_go_away() {
        let mut timers = Timers::default();
        timers.schedule(session("a"), 100);
        timers.schedule(session("b"), 50);
        timers.schedule(session("a"), 10);
        timers.schedule(session("b"), 200);
        assert_eq!(timers.next_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(10), Some(session("a")));
        // The place that "b" had comes up early and is put back.
        assert_eq!(timers.next_ms(), Some(50));
        assert_eq!(timers.pop_due(60), None);
        assert_eq!(timers.next_ms(), Some(200));
        timers.cancel(session("b"));
        assert_eq!((timers.next_ms(), timers.pop_due(1000)), (None, None));
        assert!(timers.armed.is_empty());
    }
}
