//! One partition under many hands at once.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use millrace_log::disk::sim::SimDisk;
use millrace_log::{FilePool, LogConfig, OpenLog, TopicPartition};
use millrace_tests::records::batch;

use super::*;
use crate::metrics::Metrics;
use crate::partitions::FetchWaiter;

fn partition() -> Partition {
    let pool = FilePool::new(Arc::new(SimDisk::new()), 16);
    let params = OpenLog {
        partition: TopicPartition::new("t", 0),
        dir: "/data/t-0".into(),
        config: Arc::new(LogConfig::default()),
        recovery_point: 0,
        log_start_offset: 0,
        high_watermark: 0,
        cleaned_to: 0,
        clean: false,
        now_ms: 0,
    };
    let log = Arc::new(Log::open(&pool, params).unwrap());
    Partition::new(Uuid([1; 16]), log, 1, 0, Metrics::new().unwrap().topic("t"), Arc::default())
}

#[test]
fn what_is_acknowledged_is_visible_however_many_produce() {
    const THREADS: usize = 8;
    const APPENDS: usize = 5_000;
    let partition = partition();
    let done = AtomicBool::new(false);
    let records: Bytes = batch(&[b"x"]);
    let (hidden, fell) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut highest, mut fell) = (0, 0);
            while !done.load(Ordering::Acquire) {
                let seen = partition.high_watermark();
                fell += usize::from(seen < highest);
                highest = highest.max(seen);
            }
            fell
        });
        let producing: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let hidden = (0..APPENDS).filter(|_| {
                        let appended = partition.append(records.clone(), &mut { usize::MAX }).unwrap();
                        partition.high_watermark() <= appended.last_offset
                    });
                    hidden.count()
                })
            })
            .collect();
        let hidden: usize = producing.into_iter().map(|thread| thread.join().unwrap()).sum();
        done.store(true, Ordering::Release);
        (hidden, watching.join().unwrap())
    });
    assert_eq!((hidden, fell), (0, 0), "acknowledged and hidden, falls of the high watermark");
    assert_eq!(partition.high_watermark(), (THREADS * APPENDS) as i64);
    assert_eq!(partition.log().end_offset(), partition.high_watermark());
}

/// An append and a parking at the same moment: the fetch sees the new end when it looks again, or the append
/// sees the fetch. Only on two processors at once do they miss each other.
#[test]
fn a_fetch_that_parks_while_records_arrive_is_woken_or_sees_them() {
    const ROUNDS: usize = 100_000;
    let partition = partition();
    let options = AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: now_ms() };
    let records: Bytes = batch(&[b"x"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    // Whoever is ready counts; both begin when two have counted in a round.
    let ready = AtomicUsize::new(0);
    let meet = |round: usize| {
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < 2 * round {
            for _ in 0..100 {
                std::hint::spin_loop();
            }
            assert!(Instant::now() < deadline, "the other thread is gone");
            thread::yield_now();
        }
    };
    let missed = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let end = partition.log().append(records.clone(), &options).unwrap().last_offset + 1;
                meet(2 * round + 1);
                partition.reveal(end, 1);
                meet(2 * round + 2);
            }
        });
        let mut missed = 0;
        for round in 0..ROUNDS {
            let seen = partition.high_watermark();
            let waiter = FetchWaiter::new(1);
            meet(2 * round + 1);
            partition.waiters().park(&waiter);
            let moved = partition.high_watermark() != seen;
            meet(2 * round + 2);
            missed += usize::from(!moved && waiter.woken().now_or_never().is_none());
            partition.waiters().unpark(&waiter);
        }
        missed
    });
    assert_eq!(missed, 0, "fetches that sleep while there is something to read");
}
