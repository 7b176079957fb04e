//! How many reconciles of one cluster's topics, or groups, are under way at a time: a cluster that is slow to
//! answer, or does not answer at all, must leave places to the others. Who gets no turn comes back in a moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Of one cluster at a time: half of all places (`controllers.rs`).
const AT_A_TIME: usize = 32;
/// Whoever has been under way for so long waits for brokers.
const SLOW: Duration = Duration::from_secs(2);
/// While so many wait for brokers nobody joins them.
const SLOW_MAX: usize = 8;

/// See the module. Clones share what they count.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: u64,
    /// When those under way began, in that order.
    began: BTreeMap<u64, Instant>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    number: u64,
}

impl Turns {
    /// A place, where there is one.
    #[must_use]
    pub fn take(&self, now: Instant) -> Option<Turn> {
        let mut inner = self.inner.lock();
        let waits = |began: &Instant| now.saturating_duration_since(*began) >= SLOW;
        let slow = inner.began.values().take(SLOW_MAX).filter(|began| waits(began)).count();
        if inner.began.len() >= AT_A_TIME || slow >= SLOW_MAX {
            return None;
        }
        inner.taken += 1;
        let number = inner.taken;
        inner.began.insert(number, now);
        drop(inner);
        Some(Turn { turns: self.clone(), number })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.inner.lock().began.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_answers_has_half_of_all_places() {
        let (turns, now) = (Turns::default(), Instant::now());
        let mut taken: Vec<Turn> = std::iter::from_fn(|| turns.take(now)).collect();
        assert_eq!(taken.len(), AT_A_TIME);
        taken.pop();
        assert!(turns.take(now).is_some());
    }

    #[test]
    fn nobody_joins_those_who_wait_for_brokers_that_do_not_answer() {
        let (turns, start) = (Turns::default(), Instant::now());
        let mut waiting: Vec<Turn> = (0..SLOW_MAX).map(|_| turns.take(start).unwrap()).collect();
        assert!(turns.take(start).is_some(), "they may be quick");
        assert!(turns.take(start + SLOW).is_none());
        waiting.pop();
        assert!(turns.take(start + SLOW).is_some(), "one has gone");
    }
}
