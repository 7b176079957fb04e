//! What the broker counts, under the names that people's boards already read. Counters are resolved
//! when a topic or an API is set up, so that counting is one addition; everything that is state
//! anyway (offsets, connections, lag) is read when somebody asks, by `exposition`.

mod exposition;
mod groups;
mod lag;
mod partitions;
mod scrape;
mod topic;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_protocol::ApiKey;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use self::lag::LagClock;
pub(crate) use scrape::scrape;
pub(crate) use topic::TopicMetrics;

/// Upper bounds in seconds: from what a produce into the page cache takes to a parked fetch.
const REQUEST_SECONDS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

/// All counters of this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// By number of the API.
    requests: Vec<Option<Histogram>>,
    topics: TopicVectors,
    storage_errors: IntCounter,
    ready: AtomicBool,
    lag_clock: LagClock,
}

/// The vectors that each topic takes its counters from.
#[derive(Debug)]
struct TopicVectors {
    messages_in: IntCounterVec,
    bytes_in: IntCounterVec,
    bytes_out: IntCounterVec,
}

impl Metrics {
    /// # Errors
    /// Two metrics of the same name: a mistake in this file.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let topics = TopicVectors {
            messages_in: topic_counter(&registry, "messagesin", "Records appended by producers.")?,
            bytes_in: topic_counter(&registry, "bytesin", "Bytes of record batches appended by producers.")?,
            bytes_out: topic_counter(&registry, "bytesout", "Bytes of record batches sent to consumers.")?,
        };
        let storage_errors =
            IntCounter::new("millrace_storage_errors_total", "Reads and writes that the disk refused.")?;
        registry.register(Box::new(storage_errors.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let requests = request_histograms(&registry)?;
        Ok(Self {
            registry,
            requests,
            topics,
            storage_errors,
            ready: AtomicBool::new(false),
            lag_clock: LagClock::default(),
        })
    }

    /// The counters of one topic; the same ones for each of its partitions.
    pub(crate) fn topic(&self, topic: &str) -> TopicMetrics {
        let TopicVectors { messages_in, bytes_in, bytes_out } = &self.topics;
        let label = &[topic];
        TopicMetrics {
            messages_in: messages_in.with_label_values(label),
            bytes_in: bytes_in.with_label_values(label),
            bytes_out: bytes_out.with_label_values(label),
            storage_errors: self.storage_errors.clone(),
        }
    }

    /// A topic is gone; its series end.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let TopicVectors { messages_in, bytes_in, bytes_out } = &self.topics;
        for vector in [messages_in, bytes_in, bytes_out] {
            // There is nothing to remove where nothing was counted.
            let _absent = vector.remove_label_values(&[topic]).is_err();
        }
    }

    /// A request was answered, so long after it was read.
    pub(crate) fn observe_request(&self, api_key: ApiKey, took: Duration) {
        let number = usize::try_from(api_key.number()).unwrap_or_default();
        if let Some(Some(histogram)) = self.requests.get(number) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Whether clients are served.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn topic_counter(registry: &Registry, what: &str, help: &str) -> prometheus::Result<IntCounterVec> {
    let name = format!("kafka_server_brokertopicmetrics_{what}_total");
    let counter = IntCounterVec::new(Opts::new(name, help), &["topic"])?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn request_histograms(registry: &Registry) -> prometheus::Result<Vec<Option<Histogram>>> {
    let options =
        HistogramOpts::new("millrace_request_duration_seconds", "From a request's last byte to its answer.");
    let vector = HistogramVec::new(options.buckets(REQUEST_SECONDS.to_vec()), &["api"])?;
    registry.register(Box::new(vector.clone()))?;
    let mut histograms = Vec::new();
    for api_key in ApiKey::ALL {
        let number = usize::try_from(api_key.number()).unwrap_or_default();
        histograms.resize(number, None);
        histograms.push(Some(vector.with_label_values(&[api_key.name()])));
    }
    Ok(histograms)
}
