//! The clocks. Only this crate reads them; everything below is told the time.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millrace_coordinator::Now;

/// Where the steady clock begins.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since 1970, by the wall's clock: for what is written down.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds that have passed, whatever is done to the wall's clock meanwhile: for deadlines.
pub(crate) fn steady_ms() -> i64 {
    i64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// This moment on both.
pub(crate) fn now() -> Now {
    Now { wall_ms: now_ms(), steady_ms: steady_ms() }
}
