//! Durations counted in buckets that grow with what they hold, so that every quantile is known to within
//! one part in a hundred however many durations there are (as HdrHistogram does it). Pure.

use std::time::Duration;

/// Each power of two is cut into so many buckets, as a power of two.
const STEPS_BITS: u32 = 7;
const STEPS: u64 = 1 << STEPS_BITS;
/// Nanoseconds that are told apart at the upper end: 2^43 are more than two hours.
const BITS_MAX: u32 = 43;
const BUCKETS: usize = ((BITS_MAX - STEPS_BITS + 1) as usize) << STEPS_BITS;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Histogram {
    /// Nothing counted.
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, sum_ns: 0, max_ns: 0 }
    }

    /// Counts a duration.
    #[inline]
    pub(super) fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += 1;
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what another counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many durations were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub(super) fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The average; zero when nothing was counted.
    pub(super) fn mean(&self) -> Duration {
        let mean = self.sum_ns.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The duration that this share (`0.0..=1.0`) of all do not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(at).min(self.max_ns));
            }
        }
        self.max()
    }
}

/// Below [`STEPS`] a bucket for each nanosecond; from there on the leading bits name it.
#[inline]
fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let exponent = 63 - ns.leading_zeros() - STEPS_BITS;
    let place = (u64::from(exponent) << STEPS_BITS) + (ns >> exponent);
    (place as usize).min(BUCKETS - 1)
}

/// The longest duration of a bucket, in nanoseconds.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let exponent = (bucket >> STEPS_BITS) - 1;
    let leading = (bucket & (STEPS - 1)) + STEPS;
    ((leading + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_told_to_within_a_hundredth() {
        let mut before = None;
        for exponent in 0..BITS_MAX {
            for step in [0_u64, 1, 37, 100] {
                let ns = (1 << exponent) + step * (1 << exponent) / 101;
                let end = upper_end(bucket(ns));
                assert!(end >= ns && (end - ns) as f64 <= ns as f64 / 100.0, "{ns} counted as {end}");
                assert!(before.is_none_or(|before| before <= bucket(ns)), "{ns}");
                before = Some(bucket(ns));
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_a_known_set() {
        let mut first = Histogram::new();
        let mut second = Histogram::new();
        for ms in 1..=1000 {
            let half = if ms % 2 == 0 { &mut first } else { &mut second };
            half.record(Duration::from_millis(ms));
        }
        first.merge(&second);
        assert_eq!(first.count(), 1000);
        assert_eq!(first.max(), Duration::from_millis(1000));
        assert_eq!(first.mean(), Duration::from_micros(500_500));
        for (share, ms) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = first.quantile(share).as_secs_f64() * 1000.0;
            assert!((found - ms).abs() <= ms / 100.0, "{share}: {found} instead of {ms}");
        }
        assert_eq!(Histogram::new().quantile(0.5), Duration::ZERO);
    }
}
