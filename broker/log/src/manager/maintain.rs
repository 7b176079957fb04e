//! What is done for all logs now and then: flushes, retention, removal of files, checkpoints, expiry of
//! producers. One walk over the logs; nothing waits for one of them.

use std::collections::HashSet;
use std::sync::Arc;

use super::checkpoints::Kind;
use super::{Intervals, LogManager};
use crate::{Log, LogError, TopicPartition};

/// How long a log must be left alone before it gives memory back.
const REST_MS: i64 = 60_000;

/// What is not due each time.
#[derive(Debug, Clone, Copy)]
struct Due {
    retention: bool,
    rest: bool,
}

/// When what was done last, and which logs failed then.
#[derive(Debug)]
pub(super) struct Timers {
    intervals: Intervals,
    retention: Timer,
    recovery_checkpoint: Timer,
    start_checkpoint: Timer,
    high_watermark_checkpoint: Timer,
    producer_expiry: Timer,
    rest: Timer,
    /// Told of already; told again once they worked in between.
    failing: HashSet<TopicPartition>,
}

impl Timers {
    pub(super) fn new(intervals: Intervals, now_ms: i64) -> Self {
        let timer = Timer { last_ms: now_ms };
        Self {
            intervals,
            retention: timer,
            recovery_checkpoint: timer,
            start_checkpoint: timer,
            high_watermark_checkpoint: timer,
            producer_expiry: timer,
            rest: timer,
            failing: HashSet::new(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    last_ms: i64,
}

impl Timer {
    fn is_due(&mut self, now_ms: i64, interval_ms: i64) -> bool {
        // A clock that was set back must not stop the work.
        let waited_ms = now_ms.saturating_sub(self.last_ms);
        let due = waited_ms >= interval_ms || waited_ms < 0;
        if due {
            self.last_ms = now_ms;
        }
        due
    }
}

impl LogManager {
    /// Does what is due at `now_ms`; to be called about once a second. Blocks on the disk. What fails is
    /// logged, once until it works again, and tried the next time.
    pub fn maintenance(&self, now_ms: i64) {
        // A call that takes long is not joined by the next one.
        let Some(mut timers) = self.timers.try_lock() else { return };
        let intervals = timers.intervals;
        let retention = timers.retention.is_due(now_ms, intervals.retention_ms);
        let expiry = timers.producer_expiry.is_due(now_ms, intervals.producer_expiry_ms);
        let rest = timers.rest.is_due(now_ms, REST_MS);
        for log in self.logs() {
            self.tend(&log, now_ms, Due { retention, rest }, &mut timers.failing);
            if expiry {
                log.expire_producers(now_ms);
            }
        }
        self.empty_dir_trash(now_ms);
        if timers.recovery_checkpoint.is_due(now_ms, intervals.recovery_checkpoint_ms) {
            self.checkpoint(Kind::Recovery);
        }
        if timers.start_checkpoint.is_due(now_ms, intervals.start_checkpoint_ms) {
            self.checkpoint(Kind::Start);
        }
        if timers.high_watermark_checkpoint.is_due(now_ms, intervals.high_watermark_checkpoint_ms) {
            self.checkpoint(Kind::HighWatermark);
        }
    }

    fn tend(&self, log: &Arc<Log>, now_ms: i64, due: Due, failing: &mut HashSet<TopicPartition>) {
        match tend_one(log, now_ms, due) {
            Ok(()) if failing.is_empty() => {}
            Ok(()) => {
                failing.remove(log.partition());
            }
            // It was deleted meanwhile.
            Err(LogError::Closed) => {}
            Err(error) => {
                if failing.insert(log.partition().clone()) {
                    tracing::error!(partition = %log.partition(), %error, "upkeep of a log fails");
                }
            }
        }
    }
}

fn tend_one(log: &Log, now_ms: i64, due: Due) -> Result<(), LogError> {
    if !log.flush_if_due(now_ms)? {
        log.flush_sealed()?;
    }
    if due.retention {
        let trimmed = log.apply_retention(now_ms)?;
        if trimmed.segments > 0 {
            tracing::info!(
                partition = %log.partition(),
                segments = trimmed.segments,
                bytes = trimmed.bytes,
                log_start_offset = log.start_offset(),
                "old segments are deleted"
            );
        }
    }
    if due.rest {
        log.rest()?;
    }
    log.empty_trash(now_ms).map(|_| ())
}
