//! The receiving side of a load: consumers on threads of their own, each with its share of the
//! partitions, or all as members of a group. Records are walked, not kept.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_client::{ClientError, Consumer, ConsumerConfig, FetchedBatch, TopicPartition};
use millrace_protocol::records::RecordsError;
use tokio::runtime::Builder;

use super::histogram::Histogram;
use super::stamp::Stamp;
use crate::people::failure::Failure;

/// How long one poll waits before the end is thought of again.
const POLL: Duration = Duration::from_millis(100);
/// How long leaving the group may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) config: ConsumerConfig,
    pub(super) topic: String,
    /// Where each consumer starts; without partitions it subscribes.
    pub(super) shares: Vec<Vec<(TopicPartition, i64)>>,
    /// Records after which there is nothing more to wait for.
    pub(super) records: u64,
    /// Without a record for this long, the load is over.
    pub(super) idle: Duration,
    /// Measures how old records are.
    pub(super) stamp: Option<Stamp>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) records: u64,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
    pub(super) batches: u64,
    /// Ages of records with a stamp.
    pub(super) latencies: Histogram,
    pub(super) first_at: Option<Instant>,
    pub(super) last_at: Option<Instant>,
}

impl Received {
    fn new() -> Self {
        Self { records: 0, bytes: 0, batches: 0, latencies: Histogram::new(), first_at: None, last_at: None }
    }

    fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.batches += other.batches;
        self.latencies.merge(&other.latencies);
        self.first_at = [self.first_at, other.first_at].into_iter().flatten().min();
        self.last_at = self.last_at.max(other.last_at);
    }

    /// Takes in a batch that came at `now`; returns how many of its records count.
    fn take(
        &mut self,
        batch: &FetchedBatch,
        now: Instant,
        stamp: Option<&Stamp>,
    ) -> Result<u64, RecordsError> {
        let mut counted = 0;
        for record in batch.records() {
            let record = record?;
            if let Some(stamp) = stamp {
                let Some(due_at) = record.value.and_then(|value| stamp.read(value)) else { continue };
                self.latencies.record(now.saturating_duration_since(due_at));
            }
            counted += 1;
            self.bytes += record.key.map_or(0, <[u8]>::len) as u64;
            self.bytes += record.value.map_or(0, <[u8]>::len) as u64;
        }
        self.records += counted;
        self.batches += 1;
        self.first_at.get_or_insert(now);
        self.last_at = Some(now);
        Ok(counted)
    }
}

#[derive(Debug)]
struct Shared {
    records: AtomicU64,
    is_stopped: AtomicBool,
}

/// Consumers at work.
#[derive(Debug)]
pub(super) struct Receiving {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Received, Failure>>>,
    started: Instant,
}

impl Receiving {
    /// Starts the consumers; returns when all of them stand where they are to start.
    pub(super) fn start(reading: &Reading) -> Self {
        let shared = Arc::new(Shared { records: AtomicU64::new(0), is_stopped: AtomicBool::new(false) });
        let (ready, is_ready) = mpsc::channel();
        let started = Instant::now();
        let threads: Vec<_> = reading
            .shares
            .iter()
            .map(|share| {
                let (reading, share) = (reading.clone(), share.clone());
                let (shared, ready) = (Arc::clone(&shared), ready.clone());
                std::thread::spawn(move || consume(&reading, &share, &shared, &ready))
            })
            .collect();
        drop(ready);
        // One message from each; a consumer that fails sends none, and the channel closes.
        let _all = is_ready.iter().take(threads.len()).count();
        Self { shared, threads, started }
    }

    /// Ends it early.
    pub(super) fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Release);
    }

    /// Whether all have read what there was to read.
    pub(super) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Records so far.
    pub(super) fn records(&self) -> u64 {
        self.shared.records.load(Ordering::Relaxed)
    }

    /// When the consumers were started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// What was read; waits for the end.
    pub(super) fn finish(self) -> Result<Received, Failure> {
        let mut received = Received::new();
        let mut result = Ok(());
        for thread in self.threads {
            match thread.join().unwrap_or_else(|_| Err(Failure::new("a consumer fell"))) {
                Ok(one) => received.merge(&one),
                Err(failure) => result = result.and(Err(failure)),
            }
        }
        result.map(|()| received)
    }
}

fn consume(
    reading: &Reading,
    share: &[(TopicPartition, i64)],
    shared: &Shared,
    ready: &mpsc::Sender<()>,
) -> Result<Received, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot start: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let result = runtime.block_on(async {
        let mut consumer = Consumer::new(reading.config.clone()).await?;
        prepare(&mut consumer, reading, share)?;
        let _started = ready.send(()).is_ok();
        let received = read(&mut consumer, reading, shared).await;
        let closed = consumer.close(CLOSE_WITHIN).await;
        let received = received?;
        closed.map(|()| received)
    });
    result.map_err(|error| {
        shared.is_stopped.store(true, Ordering::Release);
        Failure::refused(format!("cannot read '{}'", reading.topic), error)
    })
}

fn prepare(
    consumer: &mut Consumer,
    reading: &Reading,
    share: &[(TopicPartition, i64)],
) -> Result<(), ClientError> {
    if share.is_empty() {
        return consumer.subscribe([reading.topic.as_str()]);
    }
    consumer.assign(share.iter().map(|(partition, _)| partition.clone()))?;
    share.iter().try_for_each(|(partition, offset)| consumer.seek(partition, *offset))
}

async fn read(consumer: &mut Consumer, reading: &Reading, shared: &Shared) -> Result<Received, ClientError> {
    let mut received = Received::new();
    let mut last = Instant::now();
    while !shared.is_stopped.load(Ordering::Acquire)
        && shared.records.load(Ordering::Relaxed) < reading.records
        && last.elapsed() < reading.idle
    {
        let batches = consumer.poll_batches(POLL).await?;
        let now = Instant::now();
        let mut counted = 0;
        for batch in &batches {
            let taken = received.take(batch, now, reading.stamp.as_ref());
            counted +=
                taken.map_err(|error| ClientError::Records { partition: batch.partition.clone(), error })?;
        }
        if !batches.is_empty() {
            last = now;
        }
        shared.records.fetch_add(counted, Ordering::Relaxed);
    }
    Ok(received)
}
