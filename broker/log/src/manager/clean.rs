//! Compaction: which log comes next, and one map of keys that all take turns with.

use std::collections::HashMap;
use std::sync::Arc;

use super::LogManager;
use super::checkpoints::Kind;
use crate::{Cleanable, Log, LogError, OffsetMap, TopicPartition};

/// What compaction needs and remembers.
#[derive(Debug)]
pub(super) struct Cleaner {
    map: OffsetMap,
    /// Logs that compaction failed on, with their end then; left alone until they grow.
    failed: HashMap<TopicPartition, i64>,
}

impl Cleaner {
    pub(super) fn new(dedupe_bytes_max: usize) -> Self {
        Self { map: OffsetMap::new(dedupe_bytes_max), failed: HashMap::new() }
    }
}

/// A log that is worth compacting.
struct Candidate {
    log: Arc<Log>,
    cleanable: Cleanable,
}

impl LogManager {
    /// Compacts the log that is dirtiest, if one is dirty enough (Kafka's
    /// `LogCleanerManager.grabFilthiestCompactedLog`). Says whether it got anywhere; when not, the caller
    /// waits before it asks again. Blocks on the disk, for minutes perhaps.
    pub fn clean_once(&self, now_ms: i64) -> bool {
        let mut cleaner = self.cleaner.lock();
        let Some(Candidate { log, cleanable }) = self.dirtiest(&cleaner, now_ms) else { return false };
        match self.clean(&log, &cleanable, &mut cleaner.map, now_ms) {
            Ok(progress) => progress,
            Err(LogError::Closed) => false,
            Err(error) => {
                tracing::error!(partition = %log.partition(), %error, "compaction failed, the log stays as it is until it grows");
                cleaner.failed.insert(log.partition().clone(), cleanable.end);
                false
            }
        }
    }

    fn dirtiest(&self, cleaner: &Cleaner, now_ms: i64) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for log in self.logs() {
            let config = log.config();
            if !config.retention.policy.compact || log.stopped().is_some() {
                continue;
            }
            let cleanable = match log.cleanable(now_ms) {
                Ok(Some(cleanable)) => cleanable,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(partition = %log.partition(), %error, "cannot tell whether the log needs compaction");
                    continue;
                }
            };
            let worth = cleanable.overdue
                || cleanable.dirty_ratio_ppm > config.compaction.min_cleanable_dirty_ratio_ppm;
            if !worth || cleaner.failed.get(log.partition()) == Some(&cleanable.end) {
                continue;
            }
            let rank = |of: &Cleanable| (of.overdue, of.dirty_ratio_ppm);
            if best.as_ref().is_none_or(|best| rank(&cleanable) > rank(&best.cleanable)) {
                best = Some(Candidate { log, cleanable });
            }
        }
        best
    }

    fn clean(
        &self,
        log: &Log,
        cleanable: &Cleanable,
        map: &mut OffsetMap,
        now_ms: i64,
    ) -> Result<bool, LogError> {
        // Recovery must never meet the gaps that compaction leaves: what is compacted lies below the
        // recovery point, on the disk.
        log.flush_sealed()?;
        self.checkpoint_of(log, Kind::Recovery)?;
        let cleaned = log.compact(cleanable, map, now_ms);
        map.clear();
        let cleaned = cleaned?;
        tracing::info!(
            partition = %log.partition(),
            from = cleanable.first_dirty,
            to = cleaned.cleaned_to,
            bytes_before = cleaned.bytes_before,
            bytes_after = cleaned.bytes_after,
            incomplete = cleaned.incomplete,
            "log compacted"
        );
        if cleaned.cleaned_to > cleanable.first_dirty {
            self.checkpoint_of(log, Kind::Cleaned)?;
        }
        Ok(cleaned.cleaned_to > cleanable.first_dirty)
    }

    fn checkpoint_of(&self, log: &Log, kind: Kind) -> Result<(), LogError> {
        match self.directories.iter().position(|directory| Some(directory.path()) == log.dir().parent()) {
            Some(at) => self.checkpoint_dir(at, kind),
            None => Ok(()),
        }
    }
}
