//! Flushes by time (`flush.ms`), when it is short: logs with records that are not on the disk yet, by when
//! they have to be. A log is in here while it owes a flush and not otherwise; one task works for all. Longer
//! times are kept by the upkeep, which looks at all logs every second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_log::Log;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The upkeep's step of a second is good enough from here on.
const PRECISE_BELOW_MS: i64 = 5_000;

/// A log, and whether it owes a flush.
#[derive(Debug)]
pub(crate) struct Debtor {
    log: Arc<Log>,
    owes: AtomicBool,
}

/// Logs that owe a flush.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    queue: Mutex<Queue>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// By deadline; the number tells apart those that are due at the same time.
    due: BTreeMap<(Instant, u64), Arc<Debtor>>,
    next: u64,
}

impl Debtor {
    pub(super) fn new(log: Arc<Log>) -> Arc<Self> {
        Arc::new(Self { log, owes: AtomicBool::new(false) })
    }

    /// Pays. Blocks on the disk.
    pub(crate) fn flush(&self) {
        // Before the look at the log's end: whoever appends after that owes anew.
        self.owes.store(false, Ordering::SeqCst);
        if let Err(error) = self.log.flush(i64::MAX) {
            // After a failed sync the log has told why, and takes no more appends; after any other error the
            // upkeep tries again within a second, and tells.
            tracing::debug!(partition = %self.log.partition(), "flush by time failed: {error}");
        }
    }
}

impl Flushes {
    /// Records were appended that have to be on the disk within `within_ms`.
    pub(super) fn owe(&self, debtor: &Arc<Debtor>, within_ms: i64) {
        if within_ms >= PRECISE_BELOW_MS || debtor.owes.swap(true, Ordering::SeqCst) {
            return;
        }
        let deadline = Instant::now() + Duration::from_millis(u64::try_from(within_ms).unwrap_or(0));
        let mut queue = self.queue.lock();
        let number = queue.next;
        queue.next += 1;
        queue.due.insert((deadline, number), Arc::clone(debtor));
        let is_first = queue.due.first_key_value().is_some_and(|(key, _)| *key == (deadline, number));
        drop(queue);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Waits until flushes are due, and gives them out.
    pub(crate) async fn due(&self) -> Vec<Arc<Debtor>> {
        loop {
            let now = Instant::now();
            let next = {
                let mut queue = self.queue.lock();
                let later = queue.due.split_off(&(now + Duration::from_nanos(1), 0));
                let due = std::mem::replace(&mut queue.due, later);
                if !due.is_empty() {
                    return due.into_values().collect();
                }
                queue.due.first_key_value().map(|((deadline, _), _)| *deadline)
            };
            match next {
                None => self.earlier.notified().await,
                Some(deadline) => {
                    // Either way the queue is looked at again.
                    let _earlier = tokio::time::timeout_at(deadline, self.earlier.notified()).await.is_ok();
                }
            }
        }
    }

    /// Logs that owe a flush now.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.queue.lock().due.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use millrace_log::disk::sim::SimDisk;
    use millrace_log::{AppendOptions, FilePool, LogConfig, OpenLog, Origin, TopicPartition};
    use millrace_tests::records::batch;

    use super::*;

    fn debtor(name: &str) -> Arc<Debtor> {
        let pool = FilePool::new(Arc::new(SimDisk::new()), 16);
        let params = OpenLog {
            partition: TopicPartition::new(name, 0),
            dir: format!("/data/{name}-0").into(),
            config: Arc::new(LogConfig::default()),
            recovery_point: 0,
            log_start_offset: 0,
            high_watermark: 0,
            cleaned_to: 0,
            clean: false,
            now_ms: 0,
        };
        Debtor::new(Arc::new(Log::open(&pool, params).unwrap()))
    }

    fn append(debtor: &Debtor) {
        let options =
            AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: crate::clock::now_ms() };
        let records: Bytes = batch(&[b"x"]);
        debtor.log.append(records, &options).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_is_due_when_it_was_promised() {
        let flushes = Arc::new(Flushes::default());
        let (slow, quick) = (debtor("slow"), debtor("quick"));
        let begun = Instant::now();
        append(&slow);
        flushes.owe(&slow, 1_000);
        let waiting = tokio::spawn({
            let flushes = Arc::clone(&flushes);
            async move { (flushes.due().await, Instant::now()) }
        });
        tokio::time::advance(Duration::from_millis(50)).await;
        // One that comes later and has less time wakes the task.
        append(&quick);
        flushes.owe(&quick, 100);
        append(&quick);
        flushes.owe(&quick, 100);
        let (due, at) = waiting.await.unwrap();
        assert_eq!((at - begun).as_millis().abs_diff(150), 0, "{:?}", at - begun);
        assert_eq!(due.len(), 1, "a log owes once, however many records it has");
        due.iter().for_each(|debtor| debtor.flush());
        assert_eq!((quick.log.recovery_point(), slow.log.recovery_point()), (2, 0));
        let due = flushes.due().await;
        assert!((begun.elapsed().as_millis().abs_diff(1_000)) <= 1, "{:?}", begun.elapsed());
        due.iter().for_each(|debtor| debtor.flush());
        assert_eq!((slow.log.recovery_point(), flushes.len()), (1, 0), "nothing stays of a log that paid");
        append(&slow);
        flushes.owe(&slow, 60_000);
        assert_eq!(flushes.len(), 0, "what has time is left to the upkeep");
    }
}
