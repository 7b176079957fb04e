//! How fast something grows, from samples of a counter; and figures that a status can hold without being
//! rewritten all the time. Pure; times are handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A rate is over this long.
const WINDOW: Duration = Duration::from_secs(30);
/// Samples kept, at most.
const SAMPLES_MAX: usize = 64;

/// The growth of one counter.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    samples: VecDeque<(Instant, f64)>,
}

impl Rate {
    /// Takes a sample. A counter that went back started anew.
    pub fn sample(&mut self, at: Instant, value: f64) {
        if self.samples.back().is_some_and(|(_, last)| value < *last) {
            self.samples.clear();
        }
        self.samples.push_back((at, value));
        // The oldest sample is the last one outside of the window, so that the window is covered.
        while self.samples.len() > SAMPLES_MAX
            || self.samples.get(1).is_some_and(|(second, _)| at.duration_since(*second) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Growth a second; `None` as well where the last sample is out of date.
    #[must_use]
    pub fn current(&self, now: Instant) -> Option<f64> {
        let (last, _) = self.samples.back()?;
        self.per_second().filter(|_| now.saturating_duration_since(*last) < WINDOW)
    }

    /// Growth a second; `None` before there are two samples.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (to - from) / seconds)
    }
}

/// The figure that a status should show: the new one when it moved by more than a tenth, began or ended, or
/// came to rest; otherwise what is there, which is about right.
#[must_use]
pub fn steady(shown: Option<i64>, new: Option<i64>, at_rest: bool) -> Option<i64> {
    let (Some(shown), Some(new)) = (shown, new) else { return new };
    let moved = (new - shown).abs();
    let begins_or_ends = (new == 0) != (shown == 0);
    if at_rest || begins_or_ends || moved > shown.abs() / 10 { Some(new) } else { Some(shown) }
}

/// As [`steady`]; a figure that is not known at the moment is the one that was shown. After a restart of the
/// operator rates take a while to be known.
#[must_use]
pub fn steady_or_shown(shown: Option<i64>, new: Option<i64>, at_rest: bool) -> Option<i64> {
    steady(shown, new.or(shown), at_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_covers_the_window_and_falls_to_nothing_afterwards() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut rate = Rate::default();
        rate.sample(at(0), 0.0);
        assert_eq!(rate.per_second(), None);
        for step in 1..=12 {
            rate.sample(at(step * 5), f64::from(u32::try_from(step).unwrap()) * 500.0);
        }
        assert_eq!(rate.per_second(), Some(100.0));
        for step in 13..=18 {
            rate.sample(at(step * 5), 6000.0);
        }
        assert_eq!(rate.per_second(), Some(0.0));
    }

    #[test]
    fn a_restarted_counter_does_not_give_a_negative_rate() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.sample(start, 1000.0);
        rate.sample(start + Duration::from_secs(5), 10.0);
        assert_eq!(rate.per_second(), None);
        rate.sample(start + Duration::from_secs(10), 60.0);
        assert_eq!(rate.per_second(), Some(10.0));
    }

    #[test]
    fn a_status_shows_what_matters_and_keeps_still_otherwise() {
        assert_eq!(steady(None, Some(5), false), Some(5));
        assert_eq!(steady(Some(1000), Some(1099), false), Some(1000), "within a tenth");
        assert_eq!(steady(Some(1000), Some(1101), false), Some(1101));
        assert_eq!(steady(Some(1000), Some(1099), true), Some(1099), "at rest it is exact");
        assert_eq!(steady(Some(3), Some(0), false), Some(0), "caught up is said at once");
        assert_eq!(steady(Some(0), Some(1), false), Some(1));
        assert_eq!(steady(Some(7), None, false), None);
        assert_eq!(steady_or_shown(Some(7), None, true), Some(7), "a restart forgets nothing");
    }

    #[test]
    fn seconds_of_lag_that_grow_by_themselves_are_written_ever_less_often() {
        let mut shown = Some(10);
        let mut writes = 0;
        for second in 10..3600 {
            let next = steady(shown, Some(second), false);
            writes += u32::from(next != shown);
            shown = next;
        }
        assert!(writes < 70, "{writes} writes in an hour");
    }
}
