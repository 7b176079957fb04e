//! Settings of a producer, with Kafka's rules about which of them contradict
//! (`org.apache.kafka.clients.producer.ProducerConfig`).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_protocol::records::Compression;

use super::{ClientConfig, Source, invalid, refused};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Most unanswered requests that keep an idempotent producer's order: the broker remembers the last
/// five batches.
const IDEMPOTENT_IN_FLIGHT_MAX: i32 = 5;

/// Which replicas must have a batch before it counts as delivered (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// None: the broker does not even answer.
    None,
    /// The leader.
    Leader,
    /// All in-sync replicas.
    All,
}

impl Acks {
    pub(crate) fn on_the_wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a partition is chosen for records that name none (`partitioner.class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioning {
    /// By the key's murmur2 hash as Java's clients do; without a key, one partition for a batch's worth
    /// of bytes and then another (KIP-794).
    Default {
        /// Treat all records as if they had no key (`partitioner.ignore.keys`).
        ignore_keys: bool,
    },
    /// Each record to the next partition.
    RoundRobin,
}

/// How records become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// A batch is closed when it has this many bytes before compression (`batch.size`).
    pub batch_bytes: usize,
    /// A batch waits this long for more records (`linger.ms`).
    pub linger: Duration,
    /// Memory of all batches that are not delivered (`buffer.memory`).
    pub buffer_bytes: usize,
    /// Most bytes in one request, and in one record (`max.request.size`).
    pub request_bytes_max: usize,
    /// Codec of the batches (`compression.type`).
    pub compression: Compression,
}

/// What became of one batch.
#[derive(Debug)]
pub struct BatchReport<'a> {
    /// Where it went.
    pub partition: &'a TopicPartition,
    /// Its records.
    pub record_count: usize,
    /// Its size on the wire, after compression.
    pub batch_bytes: usize,
    /// When each record was appended, in order; empty unless `track_latency` is set.
    pub append_times: &'a [Instant],
    /// When the answer came.
    pub finished_at: Instant,
    /// Offset of the first record (-1 when unknown), or why it failed.
    pub result: Result<i64, ClientError>,
}

/// Called once for each batch, from the producer's own task: it must not block.
#[derive(Clone)]
pub struct BatchCallback(pub Arc<dyn Fn(&BatchReport<'_>) + Send + Sync>);

impl fmt::Debug for BatchCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchCallback")
    }
}

/// Settings of a [`crate::Producer`].
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Where and how to connect.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// Batches and memory.
    pub batching: Batching,
    /// Number batches so that retries cannot duplicate them (`enable.idempotence`).
    pub idempotence: bool,
    /// Attempts after the first (`retries`).
    pub retries: u32,
    /// From `send` to delivery or failure (`delivery.timeout.ms`).
    pub delivery_timeout: Duration,
    /// How long `send` may wait for metadata or memory (`max.block.ms`).
    pub block_max: Duration,
    /// Topics unused for longer are forgotten (`metadata.max.idle.ms`).
    pub metadata_max_idle: Duration,
    /// How a partition is chosen.
    pub partitioning: Partitioning,
    /// Keep the time of each append for [`BatchReport::append_times`].
    pub track_latency: bool,
    /// Told of each batch's fate.
    pub on_batch: Option<BatchCallback>,
}

impl ProducerConfig {
    /// Kafka's defaults with these bootstrap servers (`host:port,host:port`).
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        let client = ClientConfig {
            in_flight_max: IDEMPOTENT_IN_FLIGHT_MAX as usize,
            ..ClientConfig::new(bootstrap_servers)
        };
        Self {
            client,
            acks: Acks::All,
            batching: Batching {
                batch_bytes: 16_384,
                linger: Duration::from_millis(5),
                buffer_bytes: 32 << 20,
                request_bytes_max: 1 << 20,
                compression: Compression::None,
            },
            idempotence: true,
            retries: i32::MAX as u32,
            delivery_timeout: Duration::from_secs(120),
            block_max: Duration::from_secs(60),
            metadata_max_idle: Duration::from_secs(300),
            partitioning: Partitioning::Default { ignore_keys: false },
            track_latency: false,
            on_batch: None,
        }
    }

    /// Settings from property pairs; later pairs win.
    ///
    /// # Errors
    /// [`ClientError::Config`] in Kafka's words.
    pub fn from_properties<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ClientError> {
        let mut source = Source::new(pairs);
        let mut client = ClientConfig::read(&mut source)?;
        client.in_flight_max =
            source.size("max.in.flight.requests.per.connection", IDEMPOTENT_IN_FLIGHT_MAX, 1)?;
        if source.text("transactional.id").is_some() {
            return Err(refused(
                "transactional.id",
                "transactional.id is not supported: transactions are not",
            ));
        }
        let acks = read_acks(&mut source)?;
        let retries = source.int("retries", i32::MAX, 0)?.unsigned_abs();
        let idempotence = read_idempotence(&mut source, acks, retries, client.in_flight_max)?;
        let batching = read_batching(&mut source)?;
        let delivery_timeout = read_delivery_timeout(&mut source, batching.linger, client.timeouts.request)?;
        let mut config = Self {
            client,
            acks,
            batching,
            idempotence,
            retries,
            delivery_timeout,
            block_max: source.millis("max.block.ms", 60_000, 0)?,
            metadata_max_idle: source.millis("metadata.max.idle.ms", 300_000, 5_000)?,
            partitioning: read_partitioning(&mut source)?,
            track_latency: false,
            on_batch: None,
        };
        config.client.unused = source.unused();
        Ok(config)
    }
}

fn read_acks(source: &mut Source) -> Result<Acks, ClientError> {
    match source.text("acks") {
        None | Some("all" | "-1") => Ok(Acks::All),
        Some("0") => Ok(Acks::None),
        Some("1") => Ok(Acks::Leader),
        Some(other) => Err(invalid("acks", other, "String must be one of: all, -1, 0, 1")),
    }
}

/// Asked for, idempotence insists on what it needs; by default, it gives way.
fn read_idempotence(
    source: &mut Source,
    acks: Acks,
    retries: u32,
    in_flight_max: usize,
) -> Result<bool, ClientError> {
    let asked = source.given("enable.idempotence");
    if !source.flag("enable.idempotence", true)? {
        return Ok(false);
    }
    let obstacle = if retries == 0 {
        Some("Must set retries to non-zero when using the idempotent producer.")
    } else if acks != Acks::All {
        Some(
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee \
             idempotence.",
        )
    } else if in_flight_max > IDEMPOTENT_IN_FLIGHT_MAX as usize {
        Some("Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.")
    } else {
        None
    };
    match obstacle {
        None => Ok(true),
        Some(message) if asked => Err(refused("enable.idempotence", message)),
        Some(_) => Ok(false),
    }
}

fn read_batching(source: &mut Source) -> Result<Batching, ClientError> {
    let codec = source.text("compression.type").unwrap_or("none");
    let Some(compression) = Compression::from_name(codec) else {
        return Err(invalid(
            "compression.type",
            codec,
            "String must be one of: none, gzip, snappy, lz4, zstd",
        ));
    };
    // The codecs run at their default level; a level is checked for its type and changes nothing.
    source.int("compression.gzip.level", -1, -1)?;
    source.int("compression.lz4.level", 9, 1)?;
    source.int("compression.zstd.level", 3, i32::MIN)?;
    let buffer_bytes = source.long("buffer.memory", 32 << 20, 0)?;
    Ok(Batching {
        batch_bytes: source.size("batch.size", 16_384, 0)?,
        linger: source.millis("linger.ms", 5, 0)?,
        buffer_bytes: usize::try_from(buffer_bytes).unwrap_or(usize::MAX),
        request_bytes_max: source.size("max.request.size", 1 << 20, 0)?,
        compression,
    })
}

fn read_delivery_timeout(
    source: &mut Source,
    linger: Duration,
    request: Duration,
) -> Result<Duration, ClientError> {
    let asked = source.given("delivery.timeout.ms");
    let timeout = source.millis("delivery.timeout.ms", 120_000, 0)?;
    let least = linger.saturating_add(request);
    if timeout >= least {
        return Ok(timeout);
    }
    if asked {
        return Err(refused(
            "delivery.timeout.ms",
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        ));
    }
    Ok(least)
}

fn read_partitioning(source: &mut Source) -> Result<Partitioning, ClientError> {
    let ignore_keys = source.flag("partitioner.ignore.keys", false)?;
    match source.text("partitioner.class") {
        None | Some("") => Ok(Partitioning::Default { ignore_keys }),
        Some(name) if name.ends_with("RoundRobinPartitioner") => Ok(Partitioning::RoundRobin),
        Some(name) => Err(invalid(
            "partitioner.class",
            name,
            &format!("Class {name} could not be found; this client knows RoundRobinPartitioner"),
        )),
    }
}
