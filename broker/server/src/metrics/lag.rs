//! When the record at a committed offset was written, read from the log: the clock behind lag in seconds.
//! What was found is kept until the group commits again, so that a scrape reads only what has moved.

use std::collections::HashMap;

use millrace_protocol::Uuid;
use parking_lot::Mutex;

use crate::partitions::Partition;

/// A record: topic, partition, offset.
type Place = (Uuid, i32, i64);
type Known = HashMap<Place, i64>;

/// Times of records that were looked up at the last scrape.
#[derive(Debug, Default)]
pub(super) struct LagClock {
    known: Mutex<Known>,
}

/// One scrape: what was known before it, and what is asked for now.
pub(super) struct Looking<'a> {
    before: &'a LagClock,
    asked: Known,
}

impl LagClock {
    pub(super) fn begin(&self) -> Looking<'_> {
        Looking { before: self, asked: Known::new() }
    }

    /// Keeps what was asked for this time, and forgets the rest.
    pub(super) fn end(&self, looking: Looking<'_>) {
        *self.known.lock() = looking.asked;
    }
}

impl Looking<'_> {
    /// Milliseconds since 1970 when the first record at or after `offset` was written; `None` when it has
    /// no timestamp or cannot be read. May read the disk.
    pub(super) fn written_ms(&mut self, partition: &Partition, offset: i64) -> Option<i64> {
        // A record that expired is not waited for: the first one that is left is.
        let offset = offset.max(partition.log_start_offset());
        let place = (partition.topic_id(), partition.index(), offset);
        let known = self.asked.get(&place).copied().or_else(|| self.before.known.lock().get(&place).copied());
        let written_ms = match known {
            Some(written_ms) => written_ms,
            None => partition.timestamp_at(offset).ok()??,
        };
        self.asked.insert(place, written_ms);
        (written_ms >= 0).then_some(written_ms)
    }
}
