//! How long to wait before the next attempt: exponential, jittered, bounded
//! ([KIP-580](https://cwiki.apache.org/confluence/display/KAFKA/KIP-580)). Knows no clock; randomness
//! is handed in.

use std::time::Duration;

/// Bounds of a series of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait before the first retry.
    pub first: Duration,
    /// No wait is longer, jitter aside.
    pub longest: Duration,
}

/// Waits vary by this part up and down, so that clients cut off together do not return together.
const JITTER: f64 = 0.2;

impl Backoff {
    /// A series from `first_ms` to `longest_ms` milliseconds.
    #[must_use]
    pub fn from_ms(first_ms: u64, longest_ms: u64) -> Self {
        Self {
            first: Duration::from_millis(first_ms),
            longest: Duration::from_millis(longest_ms.max(first_ms)),
        }
    }

    /// The wait after `failures` failures in a row (from 1). `random` lies in `0.0..1.0`.
    #[must_use]
    pub fn wait(&self, failures: u32, random: f64) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        // Beyond 2^20 every sensible bound is reached; the exponent stays small enough for f64.
        let doubled = self.first.as_secs_f64() * f64::from(1_u32 << (failures - 1).min(20));
        let bounded = doubled.min(self.longest.as_secs_f64());
        Duration::from_secs_f64(bounded * (1.0 - JITTER + 2.0 * JITTER * random))
    }

    pub(crate) fn wait_jittered(&self, failures: u32) -> Duration {
        self.wait(failures, fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::from_ms(100, 1000);
        let middle: Vec<u128> = (0..6).map(|n| backoff.wait(n, 0.5).as_millis()).collect();
        assert_eq!(middle, vec![0, 100, 200, 400, 800, 1000]);
        assert_eq!(backoff.wait(u32::MAX, 0.5).as_millis(), 1000);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let backoff = Backoff::from_ms(100, 1000);
        assert_eq!(backoff.wait(1, 0.0).as_millis(), 80);
        assert!(backoff.wait(1, 0.999_999).as_millis() <= 120);
    }
}
