//! Points in time that settings push into the future, however far. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never: later than any program runs.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The time `wait` after `from`; waits without an end stay within what a clock can show.
pub(crate) fn after(from: Instant, wait: Duration) -> Instant {
    from + wait.min(NEVER)
}
