//! Wakes the one task that watches the time for all groups, when something is due earlier than it
//! thought.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::steady_ms;

/// The longest sleep; after that the task looks again in any case.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// Shared by the coordinators and the task.
#[derive(Debug)]
pub(super) struct Alarm {
    /// When the task means to wake.
    set_for_ms: AtomicI64,
    notify: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { set_for_ms: AtomicI64::new(i64::MIN), notify: Notify::new() }
    }
}

impl Alarm {
    /// Something is due at `deadline_ms`.
    pub(super) fn expect(&self, deadline_ms: i64) {
        if deadline_ms < self.set_for_ms.load(Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    /// Says when the task means to wake, before it looks for deadlines one last time: whoever sets an
    /// earlier one after that look wakes it.
    pub(super) fn set(&self, deadline_ms: i64) {
        self.set_for_ms.store(deadline_ms, Ordering::SeqCst);
    }

    /// Sleeps until `deadline_ms`, or until something is due earlier.
    pub(super) async fn sleep(&self, deadline_ms: i64) {
        let wait_ms = u64::try_from(deadline_ms.saturating_sub(steady_ms())).unwrap_or(0);
        let wait = Duration::from_millis(wait_ms).min(SLEEP_MAX);
        // Either way the task looks again.
        let _woken = tokio::time::timeout(wait, self.notify.notified()).await.is_ok();
    }
}
