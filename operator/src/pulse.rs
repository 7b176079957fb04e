//! Whether the task that does the work still runs. It beats in that task itself, whatever the work waits for:
//! who stands by, or is cut off from the Kubernetes API, waits and is well. What stops the pulse is a task that
//! never comes back, in a dead lock or an endless loop, while the other threads still answer.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(5);
/// A task that has not beaten for so long does not come back: no step of the work takes seconds.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// See the module. Clones share one pulse.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Instant>>,
}

impl Default for Pulse {
    /// The first beat.
    fn default() -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())) }
    }
}

impl Pulse {
    /// Beats for as long as `work` goes on.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = beat.tick() => *self.last.lock() = Instant::now(),
            }
        }
    }

    /// It has beaten lately.
    #[must_use]
    pub fn is_felt(&self) -> bool {
        self.last.lock().elapsed() < SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_only_waits_is_well_however_long() {
        let pulse = Pulse::default();
        let day = Duration::from_secs(86_400);
        let waiting = pulse.during(std::future::pending::<()>());
        assert!(tokio::time::timeout(day, waiting).await.is_err());
        assert!(pulse.is_felt());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_come_back_is_noticed() {
        let pulse = Pulse::default();
        pulse.during(tokio::time::sleep(SILENCE_MAX * 2)).await;
        assert!(pulse.is_felt());
        // From here on nobody drives it any more.
        tokio::time::advance(SILENCE_MAX - BEAT * 2).await;
        assert!(pulse.is_felt(), "a long step is not the end");
        tokio::time::advance(BEAT * 2).await;
        assert!(!pulse.is_felt());
    }
}
