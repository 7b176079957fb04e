//! The room in which retention, compaction and truncation of one log work, one at a time.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::Log;
use crate::LogError;

/// What retention and compaction touch.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Base offsets of segments renamed to `.deleted`, with the time when their files go.
    pub(super) trash: Vec<(i64, i64)>,
}

/// Guards the [`Upkeep`]. Background work goes in only when the room is empty; a truncation or a stop goes
/// in as soon as it can, and a compaction, which may take minutes, leaves when one waits.
#[derive(Debug)]
pub(super) struct UpkeepRoom {
    upkeep: Mutex<Upkeep>,
    waiting: AtomicUsize,
    /// Where compaction goes on. Written by who is inside, read by anybody.
    cleaned_to: AtomicI64,
    /// The log's end when somebody last asked whether it rests.
    seen_end: AtomicI64,
}

impl UpkeepRoom {
    pub(super) fn new(cleaned_to: i64) -> Self {
        Self {
            upkeep: Mutex::default(),
            waiting: AtomicUsize::new(0),
            cleaned_to: AtomicI64::new(cleaned_to),
            seen_end: AtomicI64::new(-1),
        }
    }

    pub(super) fn cleaned_to(&self) -> i64 {
        self.cleaned_to.load(Ordering::Acquire)
    }

    pub(super) fn set_cleaned_to(&self, offset: i64) {
        self.cleaned_to.store(offset, Ordering::Release);
    }

    /// For work that cannot wait; asks whoever is inside to leave.
    pub(super) fn enter(&self) -> MutexGuard<'_, Upkeep> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let guard = self.upkeep.lock();
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        guard
    }

    /// `None` when somebody is inside.
    fn try_enter(&self) -> Option<MutexGuard<'_, Upkeep>> {
        self.upkeep.try_lock()
    }

    /// Whether somebody waits who cannot.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

impl Log {
    /// For background work: `None` when somebody is inside, and once the log takes no more appends: then
    /// its files are another's, or in doubt.
    pub(super) fn enter_upkeep(&self) -> Option<MutexGuard<'_, Upkeep>> {
        let guard = self.upkeep.try_enter()?;
        self.writer.lock().stopped.is_none().then_some(guard)
    }

    /// Gives back the memory of a log that rests: one whose end is where it was at the last call. What the
    /// indexes have in memory is written. To be called now and then, minutes apart.
    ///
    /// # Errors
    /// [`LogError::Storage`] when the indexes cannot be written.
    pub fn rest(&self) -> Result<(), LogError> {
        let segments = self.view.read().segments.clone();
        segments.iter().for_each(|segment| segment.forget_lookups());
        let end_offset = self.end_offset();
        if self.upkeep.seen_end.swap(end_offset, Ordering::AcqRel) != end_offset {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        writer.check_running()?;
        writer.scratch = Vec::new();
        writer.active.persist_indexes()
    }
}
