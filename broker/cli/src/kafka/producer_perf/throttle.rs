//! Keeps a rate (`org.apache.kafka.server.util.ThroughputThrottler`): naps are saved up until they are
//! long enough for the clock.

use std::time::{Duration, Instant};

/// Shorter naps are saved up.
const NAP_MIN: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Records a second; negative for no limit.
    target: f64,
    started: Instant,
    owed: Duration,
}

impl Throttle {
    /// Starts now.
    pub(super) fn new(target: f64) -> Self {
        Self { target, started: Instant::now(), owed: Duration::ZERO }
    }

    /// Waits if `sent` records are too many for the time that passed. A rate of zero waits for ever.
    pub(super) async fn pace(&mut self, sent: u64) {
        let Some(nap) = self.nap(sent, self.started.elapsed()) else { return };
        if self.target == 0.0 {
            std::future::pending().await
        }
        self.owed += nap;
        if self.owed >= NAP_MIN {
            tokio::time::sleep(self.owed).await;
            self.owed = Duration::ZERO;
        }
    }

    /// The nap for one record more than the rate allows.
    fn nap(&self, sent: u64, elapsed: Duration) -> Option<Duration> {
        if self.target < 0.0 || elapsed < Duration::from_millis(1) {
            return None;
        }
        let is_too_fast = sent as f64 / elapsed.as_secs_f64() > self.target;
        is_too_fast.then(|| Duration::try_from_secs_f64(1.0 / self.target).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_only_when_too_fast() {
        let throttle = Throttle::new(100.0);
        let second = Duration::from_secs(1);
        assert_eq!(throttle.nap(101, second), Some(Duration::from_millis(10)));
        assert_eq!(throttle.nap(100, second), None);
        assert_eq!(Throttle::new(-1.0).nap(1_000_000, second), None);
    }
}
