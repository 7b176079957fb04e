//! Fetches that found too little: each parks once on the partitions it named, and is woken once,
//! by the append that completes it (`DelayedFetch` in Kafka). Knows counts of bytes, not records.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A parked fetch.
#[derive(Debug)]
pub(crate) struct FetchWaiter {
    /// Bytes that must yet arrive; at or below zero it has been woken.
    missing_bytes: AtomicI64,
    wake: Notify,
}

impl FetchWaiter {
    pub(crate) fn new(missing_bytes: i64) -> Arc<Self> {
        Arc::new(Self { missing_bytes: AtomicI64::new(missing_bytes.max(1)), wake: Notify::new() })
    }

    /// Waits until enough has arrived.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Counts arrived bytes. True when the fetch is complete and need not be told again.
    fn arrived(&self, bytes: i64) -> bool {
        let before = self.missing_bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before > 0 && before <= bytes {
            self.wake.notify_one();
        }
        before <= bytes
    }
}

/// The fetches parked on one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Read without the lock by every append; nearly always zero or one.
    count: AtomicUsize,
    parked: Mutex<Vec<Arc<FetchWaiter>>>,
}

impl Waiters {
    /// Parks a fetch here. The caller compares the high watermark with what it has read *after* this returns:
    /// an append in between is then seen by one side or the other, since both write first and then look, with
    /// sequentially consistent accesses (`Log::advance_high_watermark`).
    pub(crate) fn park(&self, waiter: &Arc<FetchWaiter>) {
        let mut parked = self.parked.lock();
        parked.push(Arc::clone(waiter));
        self.count.store(parked.len(), Ordering::SeqCst);
    }

    /// Takes a fetch away that is done, whoever completed it.
    pub(crate) fn unpark(&self, waiter: &Arc<FetchWaiter>) {
        let mut parked = self.parked.lock();
        parked.retain(|other| !Arc::ptr_eq(other, waiter));
        self.count.store(parked.len(), Ordering::SeqCst);
    }

    /// Tells the parked fetches that `bytes` can be read. Call after the high watermark has advanced.
    pub(crate) fn arrived(&self, bytes: usize) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut parked = self.parked.lock();
        parked.retain(|waiter| !waiter.arrived(i64::try_from(bytes).unwrap_or(i64::MAX)));
        self.count.store(parked.len(), Ordering::SeqCst);
    }

    /// Wakes everybody: the partition is going away, or its leader has changed. Whoever parks later sees what
    /// was changed before this call: the lock is taken even where nobody seems to be parked.
    pub(crate) fn wake_all(&self) {
        let mut parked = self.parked.lock();
        parked.retain(|waiter| !waiter.arrived(i64::MAX));
        self.count.store(parked.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_fetch_wakes_once_when_enough_has_arrived_anywhere() {
        let (one, other) = (Waiters::default(), Waiters::default());
        let fetch = FetchWaiter::new(100);
        one.park(&fetch);
        other.park(&fetch);
        one.arrived(60);
        assert!(fetch.woken().now_or_never().is_none());
        other.arrived(60);
        assert!(fetch.woken().now_or_never().is_some());
        one.arrived(60);
        assert!(fetch.woken().now_or_never().is_none(), "woken once");
        assert!(one.parked.lock().is_empty(), "a completed fetch leaves at the next append");
    }

    #[test]
    fn an_abandoned_fetch_leaves_nothing_behind() {
        let waiters = Waiters::default();
        let fetch = FetchWaiter::new(1);
        waiters.park(&fetch);
        waiters.unpark(&fetch);
        assert_eq!(waiters.count.load(Ordering::SeqCst), 0);
    }
}
