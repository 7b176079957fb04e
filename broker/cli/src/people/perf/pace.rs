//! When each record of a load is due. The load is open: a record that could not be sent in time stays due
//! when it was, so that a broker which stalls does not make the generator stop asking. Pure.

use std::time::{Duration, Instant};

/// Records that are appended in a row before the clock is looked at, when there is no rate.
const CHUNK: u64 = 64;

/// A share of a load: every `of`-th record, from number `index` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    start: Instant,
    /// Records in a second, of all shares together; `None` is as fast as it goes.
    rate: Option<f64>,
    index: u64,
    of: u64,
}

impl Pace {
    /// Share `index` of `of` that begins at `start`.
    pub(super) fn new(start: Instant, rate: Option<f64>, index: u64, of: u64) -> Self {
        Self { start, rate, index, of }
    }

    /// When record `number` of this share is due; `None` without a rate: when its turn comes.
    pub(super) fn due_at(&self, number: u64) -> Option<Instant> {
        let overall = number.saturating_mul(self.of).saturating_add(self.index);
        self.rate.map(|rate| self.start + Duration::from_secs_f64(overall as f64 / rate))
    }

    /// How many records of this share are due at `now`, of which `sent` left before.
    pub(super) fn due_by(&self, now: Instant, sent: u64) -> u64 {
        let Some(rate) = self.rate else { return sent + CHUNK };
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        let overall = (elapsed * rate) as u64 + u64::from(now >= self.start);
        overall.saturating_sub(self.index).div_ceil(self.of)
    }
}

/// `total` records in `of` shares of the same size, the first ones one larger where it does not work out.
pub(super) fn share(total: u64, index: u64, of: u64) -> u64 {
    total / of + u64::from(index < total % of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_makes_records_due_one_by_one() {
        let start = Instant::now();
        let pace = Pace::new(start, Some(1000.0), 0, 1);
        let at = |us: u64| pace.due_by(start + Duration::from_micros(us), 0);
        assert_eq!([0, 900, 1_100, 10_100].map(at), [1, 1, 2, 11]);
        assert_eq!(pace.due_at(10), Some(start + Duration::from_millis(10)));
        let early = Pace::new(start + Duration::from_secs(1), Some(1000.0), 0, 1);
        assert_eq!(early.due_by(start, 0), 0, "nothing before the start");
    }

    #[test]
    fn shares_take_turns() {
        let start = Instant::now();
        let shares: Vec<Pace> = (0..3).map(|index| Pace::new(start, Some(3000.0), index, 3)).collect();
        for us in [0, 400, 700, 1_500, 99_999] {
            let now = start + Duration::from_micros(us);
            let together: u64 = shares.iter().map(|share| share.due_by(now, 0)).sum();
            assert_eq!(together, us * 3000 / 1_000_000 + 1, "{us} us");
        }
        for (index, pace) in shares.iter().enumerate() {
            // A record is counted as due no later than it is due.
            let due = pace.due_at(5).unwrap() + Duration::from_nanos(10);
            assert!(pace.due_by(due, 0) >= 6, "share {index}");
        }
        assert_eq!((0..3).map(|index| share(10, index, 3)).collect::<Vec<_>>(), [4, 3, 3]);
    }

    #[test]
    fn without_a_rate_it_is_always_time_for_more() {
        let pace = Pace::new(Instant::now(), None, 0, 1);
        assert_eq!(pace.due_by(Instant::now(), 1000), 1000 + CHUNK);
        assert_eq!(pace.due_at(1), None);
    }
}
