//! `kafka-producer-perf-test`: how fast records can be written (`org.apache.kafka.tools.ProducerPerformance`).
//!
//! Transactions are refused: the client has none.

mod arguments;
mod options;
mod payload;
mod stats;
mod throttle;
mod wrap;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_client::config::{BatchCallback, BatchReport};
use millrace_client::{ClientError, Producer, ProducerConfig, Record};

use self::options::{Payload, Request};
use self::payload::Source;
use self::stats::Stats;
use self::throttle::Throttle;
use super::clients::{LogLine, TopicFailures, cannot_construct};
use super::command_line::{Stop, end_uncaught};
use super::datetime::now_ms;
use super::metrics::print_metrics;
use super::reach::{Seeker, Unreached, no_host, reach};
use super::throwable::Throwable;
use crate::admin::throwable;
use crate::io::Io;
use crate::signals::Signals;

/// How long the end waits for what is still on its way: Kafka's tool waits for ever.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(300);

/// How often lines about the last seconds are printed while nothing else happens.
const PRINT_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_uncaught(io, result)
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let request = options::read(arguments, io)?;
    let mut source = Source::new(&request.payload, io)?;
    let mut config = ProducerConfig::from_properties(request.producer.clone())
        .map_err(|error| cannot_construct("producer", error))?;
    let client = request.producer.get("client.id").map_or("", String::as_str);
    let seeker = Seeker::Other(format!("Producer clientId={client}"));
    let block_max = config.block_max;
    let failures = TopicFailures::new(&request.topic, seeker.name().to_owned()).within(block_max);
    let tally = Tally::new(&request, failures);
    config.track_latency = true;
    let hear = tally.clone();
    config.on_batch = Some(BatchCallback(Arc::new(move |report| hear.batch(report))));
    let producer = Producer::new(config).await.map_err(|error| cannot_construct("producer", error))?;
    let mut signals = Signals::new(io.takes_signals);
    let reached = tokio::select! {
        reached = reach(producer.client(), &seeker, block_max, io) => reached,
        status = signals.next() => return Err(Stop::Exit(status)),
    };
    if reached == Err(Unreached::NoHost) {
        return Err(no_host("Failed to construct kafka producer").into());
    }
    // Where nobody answered, the first record has waited long enough.
    let doomed = u64::from(reached.is_err());
    let sent = tokio::select! {
        () = send_all(&producer, &request, &mut source, &tally, doomed, io) => Ok(()),
        status = signals.next() => Err(Stop::Exit(status)),
    };
    finish(&producer, &tally, io).await?;
    sent?;
    let mut state = tally.lock();
    io.line(state.stats.total(now_ms()));
    if request.with_metrics {
        let client = request.producer.get("client.id").map_or("", String::as_str);
        let (records, bytes) = state.stats.delivered();
        let metric = |name: &str, value: u64| {
            (format!("producer-metrics:{name}:{{client-id={client}}}"), value as f64)
        };
        let metrics = [
            metric("record-send-total", records),
            metric("record-error-total", state.failed),
            metric("outgoing-payload-byte-total", bytes),
        ];
        print_metrics(&metrics, io);
    }
    Ok(())
}

/// Sends all records but the first `doomed`, which fail.
async fn send_all(
    producer: &Producer,
    request: &Request,
    source: &mut Source,
    tally: &Tally,
    doomed: u64,
    io: &mut Io,
) {
    let mut throttle = Throttle::new(request.throughput);
    for number in 0..request.records {
        let value = source.next(number);
        tally.expect(value.len());
        let record = Record { value: Some(value), ..Record::to(&request.topic) };
        let appended = if number < doomed {
            Err(TopicFailures::not_found_in_time(&request.topic))
        } else {
            producer.append(record).await
        };
        if let Err(error) = appended {
            // Kafka's tool hears of it in the callback and goes on.
            tally.never_sent(error);
        }
        tally.print(io);
        throttle.pace(number).await;
    }
}

/// Waits until everything is delivered or failed.
async fn finish(producer: &Producer, tally: &Tally, io: &mut Io) -> Result<(), Throwable> {
    let mut closing = std::pin::pin!(producer.close(CLOSE_TIMEOUT));
    let closed = loop {
        tokio::select! {
            closed = &mut closing => break closed,
            () = tokio::time::sleep(PRINT_INTERVAL) => tally.print(io),
        }
    };
    tally.print(io);
    closed.map_err(throwable)
}

/// What became of the records, as the producer's own task tells.
#[derive(Debug, Clone)]
struct Tally(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to print.
    has_news: AtomicBool,
    /// The size of each value, where it is the same.
    size: Option<usize>,
}

#[derive(Debug)]
struct State {
    stats: Stats,
    failed: u64,
    /// Sizes of values that are on their way, where they differ. Batches of several partitions come back
    /// in another order, which moves bytes between lines about a few seconds and nothing else.
    sizes: VecDeque<usize>,
    failures: TopicFailures,
    lines: Vec<String>,
    errors: Vec<(Vec<LogLine>, Throwable)>,
}

impl State {
    fn fail(&mut self, error: ClientError) {
        self.failed += 1;
        let failure = self.failures.next(error);
        self.errors.push(failure);
    }
}

impl Tally {
    fn new(request: &Request, failures: TopicFailures) -> Self {
        let size = match &request.payload {
            Payload::Random(size) => Some(*size),
            Payload::File(..) | Payload::Monotonic => None,
        };
        let state = State {
            stats: Stats::new(request.records, now_ms()),
            failed: 0,
            sizes: VecDeque::new(),
            failures,
            lines: Vec::new(),
            errors: Vec::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), has_news: AtomicBool::new(false), size }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, size: usize) {
        if self.0.size.is_none() {
            self.lock().sizes.push_back(size);
        }
    }

    fn never_sent(&self, error: ClientError) {
        let mut state = self.lock();
        state.sizes.pop_back();
        state.fail(error);
        self.0.has_news.store(true, Ordering::Relaxed);
    }

    fn batch(&self, report: &BatchReport<'_>) {
        let now_ms = now_ms();
        let mut state = self.lock();
        for at in 0..report.record_count {
            let size = self.0.size.or_else(|| state.sizes.pop_front()).unwrap_or(0);
            match &report.result {
                Ok(_) => {
                    let appended = report.append_times.get(at).copied().unwrap_or(report.finished_at);
                    let latency = report.finished_at.saturating_duration_since(appended);
                    let line = state.stats.record(latency.as_millis() as u64, size as u64, now_ms);
                    state.lines.extend(line);
                }
                Err(error) => state.fail(error.clone()),
            }
        }
        if !state.lines.is_empty() || !state.errors.is_empty() {
            self.0.has_news.store(true, Ordering::Relaxed);
        }
    }

    /// Prints what was not printed yet.
    fn print(&self, io: &mut Io) {
        if !self.0.has_news.swap(false, Ordering::Relaxed) {
            return;
        }
        let (lines, errors) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.lines), std::mem::take(&mut state.errors))
        };
        for line in lines {
            io.line(line);
            io.flush();
        }
        for (lines, error) in errors {
            lines.iter().for_each(|line| line.write(io));
            io.error(error.stack_trace());
        }
    }
}
