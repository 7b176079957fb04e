//! Waiting for a condition with a deadline: the only way in which these tests wait.

use std::time::{Duration, Instant};

/// Long enough for a busy machine, short enough for a person.
pub const DEADLINE: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(5);

/// Calls `condition` until it returns something, and returns that; `what` completes "waited until".
///
/// # Panics
/// After [`DEADLINE`].
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(result) = condition() {
            return result;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} until {what}");
        std::thread::sleep(INTERVAL);
    }
}
