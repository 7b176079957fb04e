//! When the record at a committed offset was written, read from the log: the clock behind lag in seconds.
//! What was found is kept until the group commits again, so that a scrape reads only what has moved.

use std::collections::HashMap;

use millrace_protocol::Uuid;
use parking_lot::Mutex;

use crate::partitions::Partition;

/// A record: topic, partition, offset.
type Place = (Uuid, i32, i64);
type Known = HashMap<Place, i64>;

/// When the first record at an offset or after it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written {
    /// In milliseconds since 1970.
    At(i64),
    /// There is no such record.
    Nothing,
    /// It has no timestamp, or cannot be read.
    Unknown,
}

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
    /// When the first record at or after `offset` was written. May read the disk.
    pub(super) fn written(&mut self, partition: &Partition, offset: i64) -> Written {
        // A record that expired is not waited for: the first one that is left is.
        let offset = offset.max(partition.log_start_offset());
        let place = (partition.topic_id(), partition.index(), offset);
        let known = self.asked.get(&place).copied().or_else(|| self.before.known.lock().get(&place).copied());
        let written_ms = match known.map_or_else(|| partition.timestamp_at(offset), |known| Ok(Some(known))) {
            Ok(Some(written_ms)) => written_ms,
            Ok(None) => return Written::Nothing,
            Err(_) => return Written::Unknown,
        };
        self.asked.insert(place, written_ms);
        if written_ms >= 0 { Written::At(written_ms) } else { Written::Unknown }
    }
}
