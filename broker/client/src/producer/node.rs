//! One broker as the producer's task sees it: its connection, how much is unanswered, and how long to
//! leave it alone. Pure.

use std::sync::Arc;

use tokio::time::Instant;

use crate::net::Connection;

/// How the broker can be reached.
#[derive(Debug, Default)]
pub(super) enum Link {
    #[default]
    Down,
    Connecting,
    Up(Arc<Connection>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) link: Link,
    /// Requests that were sent and not answered.
    pub(super) in_flight: usize,
    /// Failed connections in a row.
    pub(super) failures: u32,
    /// Asked for by the broker's throttling, or after a failure.
    pub(super) quiet_until: Option<Instant>,
}

/// Whether a batch may be taken for a broker.
#[derive(Debug)]
pub(super) enum Readiness {
    Ready,
    /// A connection has to be made.
    Down,
    /// An answer or the connection comes first.
    Busy,
    /// Not before this time.
    Quiet(Instant),
}

impl Node {
    pub(super) fn readiness(&mut self, now: Instant, in_flight_max: usize) -> Readiness {
        if let Link::Up(connection) = &self.link
            && connection.is_closed()
        {
            self.link = Link::Down;
        }
        match (&self.link, self.quiet_until) {
            (Link::Connecting, _) => Readiness::Busy,
            (_, Some(until)) if until > now => Readiness::Quiet(until),
            (Link::Down, _) => Readiness::Down,
            (Link::Up(_), _) if self.in_flight >= in_flight_max => Readiness::Busy,
            (Link::Up(_), _) => Readiness::Ready,
        }
    }
}
