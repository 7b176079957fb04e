//! A line in the log for the first of many like events, and a count for the rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one event through in each period and counts the others. Meant for a `static`.
#[derive(Debug)]
pub(crate) struct RateLimited {
    period_ms: u64,
    /// Milliseconds since the first use, plus one; zero before it.
    next_ms: AtomicU64,
    suppressed: AtomicU64,
}

static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

impl RateLimited {
    pub(crate) const fn new(period: Duration) -> Self {
        Self {
            period_ms: period.as_millis() as u64,
            next_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// How many events were held back since the last one let through, if this one may pass.
    pub(crate) fn admit(&self) -> Option<u64> {
        let now_ms = STARTED.get_or_init(Instant::now).elapsed().as_millis() as u64;
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let passes = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + self.period_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if passes {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_passes_in_each_period() {
        let limit = RateLimited::new(Duration::from_secs(1));
        assert_eq!(limit.admit(), Some(0));
        assert_eq!(limit.admit(), None);
        assert_eq!(limit.admit(), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limit.admit(), Some(2));
    }
}
