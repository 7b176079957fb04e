//! A topic that a link watches: what was last seen of it, and for how long that is believed. Pure; times are
//! handed in.

use std::sync::Arc;
use std::time::Instant;

use super::super::rates::Rate;
use super::super::topics::TopicObservation;
use super::{PATIENCE, ShownFigures, TopicFigures};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WatchedTopic {
    /// What the brokers last said: `None` when there is no such topic.
    pub(super) seen: Option<Arc<TopicObservation>>,
    /// Its figures.
    pub(super) figures: TopicFigures,
    /// Those that it last rang for.
    told: ShownFigures,
    pub(super) records: Rate,
    pub(super) bytes_in: Rate,
    pub(super) bytes_out: Rate,
    /// Since when the brokers have not been able to describe it.
    failing_since: Option<Instant>,
    lost: bool,
}

impl WatchedTopic {
    /// Whether what was seen is not believed any more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether to ring for the figures: a status would show others.
    pub(super) fn tell_figures(&mut self) -> bool {
        let shown = self.figures.shown(self.told);
        std::mem::replace(&mut self.told, shown) != shown
    }

    /// Notes that the brokers could not describe it. Whether to ring: once, when that has lasted for
    /// [`PATIENCE`].
    pub(super) fn miss(&mut self, now: Instant) -> bool {
        let since = *self.failing_since.get_or_insert(now);
        let lasted = now.duration_since(since) >= PATIENCE;
        lasted && !std::mem::replace(&mut self.lost, true)
    }

    /// Takes what the brokers say. Whether to ring: it is not what it was, or it was lost.
    pub(super) fn see(&mut self, seen: Option<TopicObservation>) -> bool {
        self.failing_since = None;
        let found = std::mem::take(&mut self.lost);
        let changed = self.seen.as_deref() != seen.as_ref();
        if changed {
            self.seen = seen.map(Arc::new);
        }
        changed || found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seen() -> Option<TopicObservation> {
        Some(TopicObservation { id: "abc".into(), partitions: Vec::new(), settings: Default::default() })
    }

    #[test]
    fn a_topic_that_cannot_be_described_is_lost_once_that_lasts_and_found_again() {
        let (start, mut topic) = (Instant::now(), WatchedTopic::default());
        assert!(topic.see(seen()) && !topic.see(seen()), "only what is new rings");
        for second in [0, 5, 29] {
            assert!(!topic.miss(start + Duration::from_secs(second)) && !topic.is_lost(), "at {second}");
        }
        assert!(topic.miss(start + PATIENCE) && topic.is_lost());
        assert!(!topic.miss(start + PATIENCE * 2), "once");
        assert!(topic.see(seen()) && !topic.is_lost(), "it is back, and what it was");
        assert!(!topic.miss(start + PATIENCE * 3), "patience begins anew");
    }

    #[test]
    fn figures_ring_when_a_status_would_show_others() {
        let mut topic = WatchedTopic::default();
        let mut rings = |bytes: f64, size: i64, at_rest: bool| {
            (topic.figures.bytes_in_per_second, topic.figures.size_bytes) = (Some(bytes), Some(size));
            topic.figures.at_rest = at_rest;
            topic.tell_figures()
        };
        assert!(rings(1000.4, 50_000, false));
        assert!(!rings(1031.7, 51_000, false) && !rings(965.1, 54_900, false), "about the same");
        assert!(rings(1200.0, 54_900, false) && rings(1200.0, 60_000, false));
        assert!(rings(0.0, 60_100, true), "it came to rest");
        assert!(!rings(0.0, 60_100, true));
    }

    #[test]
    fn looks_that_fail_in_passing_do_not_add_up() {
        let (start, mut topic) = (Instant::now(), WatchedTopic::default());
        topic.see(seen());
        for seconds in [0, 20, 40, 60] {
            assert!(!topic.miss(start + Duration::from_secs(seconds)));
            topic.see(seen());
        }
    }
}
