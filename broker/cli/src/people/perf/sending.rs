//! The sending side of a load: for each connection a producer on a thread of its own, and a generator on
//! another that appends records when they are due. Latencies count from when a record was due to when
//! its batch was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_client::config::{BatchCallback, BatchReport};
use millrace_client::{ClientError, Producer, ProducerConfig, Record};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use super::histogram::Histogram;
use super::pace::{Pace, share};
use super::payload::{Keys, Payloads};
use super::stamp::Stamp;
use crate::people::failure::Failure;

/// Shortest sleep of a generator: below it, waking costs more than it gives. The kernel adds about as much.
const SLEEP_MIN: Duration = Duration::from_micros(50);
/// How long what is on its way may take to arrive at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(120);

/// What is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) topic: String,
    pub(super) config: ProducerConfig,
    /// Records in all; `u64::MAX` when time is the limit.
    pub(super) records: u64,
    pub(super) duration: Option<Duration>,
    /// Records in a second in all.
    pub(super) rate: Option<f64>,
    /// Bytes of a value.
    pub(super) size: usize,
    /// Different keys; 0 is none.
    pub(super) keys: u64,
    pub(super) connections: u64,
    /// Records in all that are sent before anything is measured.
    pub(super) warmup: u64,
    /// Values tell when they were due.
    pub(super) stamp: Option<Stamp>,
}

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// Bytes of keys and values that were delivered.
    pub(super) bytes: u64,
    pub(super) batches: u64,
    /// Bytes of the batches.
    pub(super) wire_bytes: u64,
    pub(super) latencies: Histogram,
    pub(super) late_max: Duration,
    /// From the first record due to the last acknowledgement.
    pub(super) elapsed: Duration,
    pub(super) first_error: Option<ClientError>,
}

/// What producers report, from their threads.
#[derive(Debug)]
struct Stats {
    delivered: u64,
    failed: u64,
    batches: u64,
    wire_bytes: u64,
    latencies: Histogram,
    last_at: Option<Instant>,
    first_error: Option<ClientError>,
}

impl Stats {
    fn new() -> Self {
        Self {
            delivered: 0,
            failed: 0,
            batches: 0,
            wire_bytes: 0,
            latencies: Histogram::new(),
            last_at: None,
            first_error: None,
        }
    }

    fn add(&mut self, report: &BatchReport<'_>) {
        if let Err(error) = &report.result {
            self.failed += report.record_count as u64;
            self.first_error.get_or_insert_with(|| error.clone());
            return;
        }
        self.delivered += report.record_count as u64;
        self.batches += 1;
        self.wire_bytes += report.batch_bytes as u64;
        self.last_at = self.last_at.max(Some(report.finished_at));
        for due_at in report.append_times {
            self.latencies.record(report.finished_at.saturating_duration_since(*due_at));
        }
    }
}

/// What all threads of a load share.
#[derive(Debug)]
struct Shared {
    stats: Vec<Mutex<Stats>>,
    ready: Barrier,
    start: OnceLock<Instant>,
    is_stopped: AtomicBool,
    appended: AtomicU64,
    late_max_ns: AtomicU64,
}

impl Shared {
    /// Waits for all connections; returns when the load began.
    fn start_together(&self) -> Instant {
        if self.ready.wait().is_leader() {
            let _first = self.start.set(Instant::now());
        }
        self.ready.wait();
        self.start.get().copied().unwrap_or_else(Instant::now)
    }
}

fn lock(stats: &Mutex<Stats>) -> std::sync::MutexGuard<'_, Stats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Sending {
    load: Load,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), Failure>>>,
}

impl Sending {
    /// Starts the load.
    pub(super) fn start(load: &Load) -> Self {
        let connections = load.connections.max(1);
        let shared = Arc::new(Shared {
            stats: (0..connections).map(|_| Mutex::new(Stats::new())).collect(),
            ready: Barrier::new(connections as usize),
            start: OnceLock::new(),
            is_stopped: AtomicBool::new(false),
            appended: AtomicU64::new(0),
            late_max_ns: AtomicU64::new(0),
        });
        let threads = (0..connections).map(|index| {
            let (load, shared) = (load.clone(), Arc::clone(&shared));
            std::thread::spawn(move || connection(&load, index, &shared))
        });
        Self { load: load.clone(), threads: threads.collect(), shared }
    }

    /// Ends it early; what was appended is still delivered.
    pub(super) fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Release);
    }

    /// Whether everything was delivered, or failed.
    pub(super) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Records that were handed to producers so far.
    pub(super) fn appended(&self) -> u64 {
        self.shared.appended.load(Ordering::Relaxed)
    }

    /// What was sent; waits for the end.
    pub(super) fn finish(self) -> Result<Sent, Failure> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(Failure::new("a generator fell")));
            result = result.and(ended);
        }
        result?;
        let start = self.shared.start.get().copied();
        let late_max = Duration::from_nanos(self.shared.late_max_ns.load(Ordering::Acquire));
        let mut sent = Sent {
            delivered: 0,
            failed: 0,
            bytes: 0,
            batches: 0,
            wire_bytes: 0,
            latencies: Histogram::new(),
            late_max,
            elapsed: Duration::ZERO,
            first_error: None,
        };
        for stats in &self.shared.stats {
            let stats = lock(stats);
            sent.delivered += stats.delivered;
            sent.failed += stats.failed;
            sent.batches += stats.batches;
            sent.wire_bytes += stats.wire_bytes;
            sent.latencies.merge(&stats.latencies);
            if let (Some(start), Some(last)) = (start, stats.last_at) {
                sent.elapsed = sent.elapsed.max(last.saturating_duration_since(start));
            }
            sent.first_error = sent.first_error.or_else(|| stats.first_error.clone());
        }
        let key_bytes = if self.load.keys > 0 { size_of::<u64>() } else { 0 };
        sent.bytes = sent.delivered * (self.load.size + key_bytes) as u64;
        Ok(sent)
    }
}

/// One connection from its first record to its last answer.
fn connection(load: &Load, index: u64, shared: &Arc<Shared>) -> Result<(), Failure> {
    let (runtime, producer) = match connect(load, index, shared) {
        Ok(connected) => connected,
        Err(failure) => {
            // The others wait for everybody.
            shared.is_stopped.store(true, Ordering::Release);
            shared.start_together();
            return Err(failure);
        }
    };
    let (done, is_done) = oneshot::channel();
    let generator = Generator {
        load: load.clone(),
        index,
        shared: Arc::clone(shared),
        producer: Arc::clone(&producer),
        payloads: Payloads::new(load.size),
        keys: Keys::new(load.keys, index),
    };
    let handle = runtime.handle().clone();
    let thread = std::thread::spawn(move || generator.run(&handle, done));
    let closed = runtime.block_on(async {
        // An error here is a generator that fell, which its thread tells.
        let _ended = is_done.await.is_ok();
        producer.close(CLOSE_WITHIN).await
    });
    let generated = thread.join().unwrap_or_else(|_| Err(Failure::new("a generator fell")));
    generated.and(closed.map_err(Failure::from))
}

fn connect(load: &Load, index: u64, shared: &Arc<Shared>) -> Result<(Runtime, Arc<Producer>), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot start: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let reports = Arc::clone(shared);
    let config = ProducerConfig {
        track_latency: true,
        on_batch: Some(BatchCallback(Arc::new(move |report: &BatchReport<'_>| {
            lock(&reports.stats[index as usize]).add(report);
        }))),
        ..load.config.clone()
    };
    let producer = Arc::new(runtime.block_on(Producer::new(config))?);
    Ok((runtime, producer))
}

struct Generator {
    load: Load,
    index: u64,
    shared: Arc<Shared>,
    producer: Arc<Producer>,
    payloads: Payloads,
    keys: Keys,
}

impl Generator {
    /// Runs on a thread of its own, so that it may sleep as briefly as it likes; the producer's thread
    /// drives the runtime.
    fn run(mut self, handle: &Handle, done: oneshot::Sender<()>) -> Result<(), Failure> {
        let prepared = handle.block_on(self.warm_up());
        // Everybody passes, also who failed: the others wait.
        let start = self.shared.start_together();
        let result = match prepared {
            Ok(()) => handle.block_on(self.generate(start)),
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.shared.is_stopped.store(true, Ordering::Release);
        }
        let _nobody_waits = done.send(()).is_err();
        result.map_err(|error| Failure::refused(format!("cannot send to '{}'", self.load.topic), error))
    }

    /// Learns the topic and sends what is not to be measured.
    async fn warm_up(&mut self) -> Result<(), ClientError> {
        self.producer.partitions_for(&self.load.topic).await?;
        // Without a stamp: a consumer passes over them.
        let stamp = self.load.stamp.take();
        for _ in 0..share(self.load.warmup, self.index, self.load.connections) {
            self.append(None).await?;
        }
        self.load.stamp = stamp;
        self.producer.flush().await?;
        *lock(&self.shared.stats[self.index as usize]) = Stats::new();
        Ok(())
    }

    async fn generate(&mut self, start: Instant) -> Result<(), ClientError> {
        let Load { rate, connections, duration, .. } = self.load;
        let pace = Pace::new(start, rate, self.index, connections);
        let end = duration.map(|duration| start + duration);
        let records = share(self.load.records, self.index, connections);
        let mut number = 0;
        while number < records && !self.shared.is_stopped.load(Ordering::Acquire) {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                break;
            }
            let due = pace.due_by(now, number).min(records);
            if due <= number {
                let wait = pace.due_at(number).map_or(SLEEP_MIN, |due| due.saturating_duration_since(now));
                std::thread::sleep(wait.max(SLEEP_MIN));
                continue;
            }
            if let Some(due_at) = pace.due_at(number) {
                let late_ns = now.saturating_duration_since(due_at).as_nanos() as u64;
                self.shared.late_max_ns.fetch_max(late_ns, Ordering::Relaxed);
            }
            for number in number..due {
                self.append(pace.due_at(number)).await?;
            }
            self.shared.appended.fetch_add(due - number, Ordering::Relaxed);
            number = due;
        }
        Ok(())
    }

    #[inline]
    async fn append(&mut self, due_at: Option<Instant>) -> Result<(), ClientError> {
        let value = match &self.load.stamp {
            None => self.payloads.next(),
            Some(stamp) => self.payloads.next_with(&stamp.of(due_at.unwrap_or_else(Instant::now))),
        };
        let record =
            Record { key: self.keys.next(), value: Some(value), due_at, ..Record::to(&self.load.topic) };
        self.producer.append(record).await
    }
}
