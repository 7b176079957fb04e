//! A question that is asked again and again, never twice at a time, with longer and longer waits while
//! the answers do not help.

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Something that is asked for when needed, one request at a time, with waits in between.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) is_wanted: bool,
    is_running: bool,
    /// Requests in a row that did not end the want.
    tries: u32,
    not_before: Instant,
}

impl Errand {
    pub(crate) fn new(now: Instant) -> Self {
        Self { is_wanted: false, is_running: false, tries: 0, not_before: now }
    }

    /// Whether to start now; the caller then does.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        if self.is_running || now < self.not_before {
            return false;
        }
        if !self.is_wanted {
            self.tries = 0;
            return false;
        }
        (self.is_wanted, self.is_running) = (false, true);
        self.tries = self.tries.saturating_add(1);
        true
    }

    pub(crate) fn ended(&mut self, now: Instant, backoff: Backoff) {
        self.is_running = false;
        self.not_before = now + backoff.wait_jittered(self.tries);
    }

    /// Whether it was asked, and the answer is not there yet.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        (self.is_wanted && !self.is_running).then_some(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_at_a_time_and_not_too_often() {
        let now = Instant::now();
        let backoff = Backoff::from_ms(100, 1_000);
        let mut errand = Errand::new(now);
        assert!(!errand.start(now), "nobody wants it");
        errand.is_wanted = true;
        assert!(errand.start(now));
        errand.is_wanted = true;
        assert!(!errand.start(now), "it is under way");
        errand.ended(now, backoff);
        assert!(!errand.start(now), "it waits");
        let due = errand.due().unwrap();
        assert!(due >= now + Duration::from_millis(80) && due <= now + Duration::from_millis(120));
        assert!(errand.start(due));
    }
}
