//! The producer: records to batches in the caller's task, batches to brokers in one of its own.
//!
//! | file | holds |
//! |---|---|
//! | `record.rs` | what goes in and what comes out |
//! | `accumulator.rs` | where both sides meet: topics, memory, wake-ups |
//! | `partitioner.rs` | which partition a record goes to |
//! | `queue.rs`, `batch.rs` | one partition's batches, their order and numbers |
//! | `delivery.rs` | what becomes of a batch, and who waits for it |
//! | `sender.rs`, `jobs.rs`, `request.rs`, `node.rs` | the task that sends |

mod accumulator;
mod batch;
mod delivery;
mod jobs;
mod node;
mod partitioner;
mod queue;
mod record;
mod request;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millrace_protocol::records::BATCH_HEADER_BYTES;
use millrace_protocol::{ApiKey, ErrorCode};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use delivery::Delivery;
pub use partitioner::partition_for_key;
pub use record::{Record, RecordMetadata};

use accumulator::{Accumulator, Added, Addressed, Phase};
use batch::{Item, item_bytes_max};
use queue::{Rules, Slot};
use sender::{Sender, now_ms};

use crate::client::{Client, Retry};
use crate::cluster::{ClusterView, PartitionView, TopicScope, TopicView};
use crate::config::{Acks, ProducerConfig};
use crate::deadline::after;
use crate::error::ClientError;

/// Unanswered batches of one partition that a broker can tell apart (it remembers the last five).
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// Sends records, in batches, in the background. See [`ProducerConfig`] for what can be set. Shared by
/// reference: all calls take `&self`. Dropped without [`Producer::close`], it gives up what is not
/// delivered yet.
pub struct Producer {
    client: Client,
    config: Arc<ProducerConfig>,
    shared: Arc<Accumulator>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.enter(Phase::Abandoned);
    }
}

impl Producer {
    /// A producer with these settings. Connects when first used. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Config`] when a bootstrap server is not `host:port`.
    pub async fn new(config: ProducerConfig) -> Result<Self, ClientError> {
        let client = Client::new(config.client.clone())?;
        let config = Arc::new(config);
        let memory_bytes = config.batching.buffer_bytes;
        let shared = Arc::new(Accumulator::new(rules(&config), config.partitioning, memory_bytes));
        let sender = Sender::new(client.clone(), Arc::clone(&config), Arc::clone(&shared));
        let task = Mutex::new(Some(tokio::spawn(sender.run())));
        Ok(Self { client, config, shared, task })
    }

    /// The client underneath: its connections and metadata are this producer's.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Puts a record into its partition's batch. Waits, at most `max.block.ms`, while the topic is not
    /// known or memory is short. The delivery is another wait: that of [`Delivery`].
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] after `max.block.ms`, [`ClientError::RecordTooLarge`],
    /// [`ClientError::Api`] when the topic's name is invalid or the topic is not authorised,
    /// [`ClientError::Closed`].
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, ClientError> {
        let (slot, timestamp_ms) = self.put(record, true).await?;
        let fate = slot.fate.ok_or(ClientError::Closed)?;
        Ok(Delivery::new(fate, slot.index, timestamp_ms))
    }

    /// As [`Producer::send`] for callers that learn of deliveries through
    /// [`ProducerConfig::on_batch`]: nothing is kept for the single record.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn append(&self, record: Record<'_>) -> Result<(), ClientError> {
        self.put(record, false).await.map(drop)
    }

    /// Adds the record; returns where it is and its time.
    async fn put(&self, record: Record<'_>, wants_fate: bool) -> Result<(Slot, i64), ClientError> {
        let bytes_max = item_bytes_max(record.key, record.value, record.headers);
        self.check_size(bytes_max)?;
        let now_ms = now_ms();
        let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
        let item = Item {
            timestamp_ms,
            key: record.key,
            value: record.value,
            headers: record.headers,
            bytes_max,
            appended_at: self
                .config
                .track_latency
                .then(|| record.due_at.unwrap_or_else(std::time::Instant::now)),
        };
        let addressed =
            Addressed { topic: record.topic, partition: record.partition, item, now_ms, wants_fate };
        match self.shared.add(&addressed, &mut None) {
            Added::Done(slot) => Ok((slot, timestamp_ms)),
            missing => {
                let slot = self.put_patiently(&addressed, missing).await?;
                Ok((slot, timestamp_ms))
            }
        }
    }

    /// Gets what is missing, for as long as `max.block.ms` allows.
    async fn put_patiently(&self, addressed: &Addressed<'_>, missing: Added) -> Result<Slot, ClientError> {
        let started = Instant::now();
        let deadline = after(started, self.config.block_max);
        let mut memory: Option<OwnedSemaphorePermit> = None;
        let mut missing = missing;
        loop {
            match missing {
                Added::Done(slot) => return Ok(slot),
                Added::Shut => return Err(ClientError::Closed),
                Added::UnknownTopic | Added::UnknownPartition => {
                    self.find_topic(addressed, started).await?;
                }
                Added::NeedsMemory => {
                    let bytes = self.shared.batch_memory(&addressed.item);
                    match timeout_at(deadline, self.shared.allocate(bytes)).await {
                        Ok(Some(share)) => memory = Some(share),
                        Ok(None) => return Err(ClientError::Closed),
                        Err(_) => return Err(self.no_memory(bytes)),
                    }
                }
            }
            missing = self.shared.add(addressed, &mut memory);
        }
    }

    fn check_size(&self, item_bytes: usize) -> Result<(), ClientError> {
        let size_bytes = item_bytes + BATCH_HEADER_BYTES;
        for (limit_bytes, key) in [
            (self.config.batching.request_bytes_max, "max.request.size"),
            (self.shared.memory_bytes(), "buffer.memory"),
        ] {
            if size_bytes > limit_bytes {
                return Err(ClientError::RecordTooLarge { size_bytes, limit_bytes, key });
            }
        }
        Ok(())
    }

    fn no_memory(&self, bytes: u32) -> ClientError {
        ClientError::TimedOut {
            what: format!("waiting for {bytes} bytes of buffer.memory"),
            after_ms: self.config.block_max.as_millis() as u64,
            last: None,
        }
    }

    /// Asks for the topic until it has the partition that is wanted, or `max.block.ms` are over.
    async fn find_topic(&self, wanted: &Addressed<'_>, started: Instant) -> Result<(), ClientError> {
        let topic = wanted.topic;
        let partition = wanted.partition.unwrap_or(0);
        if partition < 0 {
            return Err(ClientError::Usage(format!(
                "Invalid partition: {partition}. Partition number should always be non-negative or null."
            )));
        }
        let serves = move |view: &TopicView| view.partitions.iter().any(|one| one.partition == partition);
        let what = match wanted.partition {
            None => format!("finding topic {topic}"),
            Some(partition) => format!("finding partition {partition} of topic {topic}"),
        };
        let within = self.config.block_max.saturating_sub(started.elapsed());
        let mut retry = Retry::new(Arc::new(self.config.client.clone()), &what, within);
        loop {
            let scope = TopicScope::Named(vec![topic.to_owned()]);
            let name = topic.to_owned();
            let suffices = move |view: &ClusterView| view.topic(&name).is_some_and(|one| serves(one));
            let asked = retry.attempt(self.client.refresh_unless(&scope, true, suffices)).await?;
            let error = match asked {
                Ok(cluster) => match cluster.topic(topic) {
                    Some(view) if serves(view) => {
                        self.shared.learn(view, wanted.now_ms);
                        return Ok(());
                    }
                    _ => missing(topic, cluster.topics.get(topic)),
                },
                Err(error) => error,
            };
            if !error.is_retriable() {
                return Err(error);
            }
            retry.after(error).await?;
        }
    }

    /// The partitions of a topic, which the broker may create for it.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionView>, ClientError> {
        let item =
            Item { timestamp_ms: 0, key: None, value: None, headers: &[], bytes_max: 0, appended_at: None };
        let wanted = Addressed { topic, partition: None, item, now_ms: now_ms(), wants_fate: false };
        self.find_topic(&wanted, Instant::now()).await?;
        Ok(self.client.cluster().topic(topic).map_or_else(Vec::new, |view| view.partitions.clone()))
    }

    /// Sends everything now and returns when all that was appended before is delivered or failed; which
    /// of both, each [`Delivery`] tells.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn flush(&self) -> Result<(), ClientError> {
        if self.shared.phase() == Phase::Abandoned {
            return Err(ClientError::Closed);
        }
        let _hurry = self.shared.hurry();
        for fate in self.shared.open_fates() {
            fate.finished().await;
        }
        Ok(())
    }

    /// Takes no more records, delivers what was appended, and closes the connections. What is left after
    /// `timeout` fails with [`ClientError::Closed`].
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when something was left.
    pub async fn close(&self, timeout: Duration) -> Result<(), ClientError> {
        let Some(mut task) = self.task.lock().take() else { return Ok(()) };
        self.shared.enter(Phase::Closing);
        let in_time = tokio::time::timeout(timeout, &mut task).await.is_ok();
        if !in_time {
            self.shared.enter(Phase::Abandoned);
            // It stops at its next step; a panic in a callback has stopped it already.
            let _ = task.await;
        }
        self.client.close();
        if in_time {
            return Ok(());
        }
        let after_ms = timeout.as_millis() as u64;
        Err(ClientError::TimedOut { what: "closing the producer".to_owned(), after_ms, last: None })
    }
}

/// The error of a topic, or of a partition, that is not there yet.
fn missing(topic: &str, view: Option<&Arc<TopicView>>) -> ClientError {
    let code = view.map(|view| view.error).filter(|code| code.is_err());
    ClientError::api(ApiKey::Metadata, code.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), topic)
}

fn rules(config: &ProducerConfig) -> Rules {
    let batching = &config.batching;
    let in_flight_max = match (config.idempotence, config.client.in_flight_max) {
        (true, in_flight_max) => in_flight_max.min(IDEMPOTENT_IN_FLIGHT_MAX),
        // One request at a time keeps the order, also over a change of leader.
        (false, 1) => 1,
        (false, _) => usize::MAX,
    };
    Rules {
        batch_bytes: batching.batch_bytes,
        compression: batching.compression,
        linger: batching.linger,
        idempotent: config.idempotence,
        in_flight_max,
        retries: if config.acks == Acks::None { 0 } else { config.retries },
        delivery_timeout: config.delivery_timeout,
    }
}
