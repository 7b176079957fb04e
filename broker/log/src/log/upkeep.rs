//! The room in which retention, compaction and truncation of one log work, one at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// What retention and compaction touch.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Base offsets of segments renamed to `.deleted`, with the time when their files go.
    pub(super) trash: Vec<(i64, i64)>,
    /// Where compaction goes on.
    pub(super) cleaned_to: i64,
}

/// Guards the [`Upkeep`]. Background work goes in only when the room is empty; a truncation or a stop goes
/// in as soon as it can, and a compaction, which may take minutes, leaves when one waits.
#[derive(Debug)]
pub(super) struct UpkeepRoom {
    upkeep: Mutex<Upkeep>,
    waiting: AtomicUsize,
}

impl UpkeepRoom {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self { upkeep: Mutex::new(upkeep), waiting: AtomicUsize::new(0) }
    }

    /// For work that cannot wait; asks whoever is inside to leave.
    pub(super) fn enter(&self) -> MutexGuard<'_, Upkeep> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let guard = self.upkeep.lock();
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        guard
    }

    /// For background work: `None` when somebody is inside.
    pub(super) fn try_enter(&self) -> Option<MutexGuard<'_, Upkeep>> {
        self.upkeep.try_lock()
    }

    /// Whether somebody waits who cannot.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}
