//! The time, as whoever reads clocks tells it. Reads none itself.

/// One moment on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970: what records carry, and what retention is counted from. It jumps when
    /// somebody sets the clock.
    pub wall_ms: i64,
    /// Milliseconds since some moment, never set and never back: what deadlines are made of.
    pub steady_ms: i64,
}
