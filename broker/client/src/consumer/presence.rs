//! Whether the application still polls: told by `poll`, watched by the heartbeats. Knows the clock only.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::deadline::after;

/// See the module.
#[derive(Debug)]
pub(super) struct Presence {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    is_polling: bool,
    last_poll: Instant,
}

/// Kept for as long as a poll lasts.
#[derive(Debug)]
pub(super) struct Polling<'a>(&'a Presence);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        *self.0.state.lock() = State { is_polling: false, last_poll: Instant::now() };
    }
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { is_polling: false, last_poll: Instant::now() }) }
    }

    /// A poll begins; it ends with the value, also when it is dropped halfway.
    pub(super) fn poll(&self) -> Polling<'_> {
        self.state.lock().is_polling = true;
        Polling(self)
    }

    /// When the application has been away for longer than `interval_max`, if it does not come back.
    pub(super) fn overdue_at(&self, interval_max: Duration) -> Instant {
        let state = self.state.lock();
        let from = if state.is_polling { Instant::now() } else { state.last_poll };
        after(from, interval_max)
    }
}
