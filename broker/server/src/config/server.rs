//! The broker's configuration as plain values, checked, for those who act on it. Built from the
//! layers of settings; knows nothing of files or variables.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use millrace_metadata::config::{ConfigLayers, ConfigMap};

use super::listeners::{Broken, Listener, listeners};
use super::place::Notice;
use super::values::Values;

/// How old a fetch session must be before another may take its place
/// (`ServerConfigs.MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const FETCH_SESSION_EVICTION_MIN: Duration = Duration::from_secs(120);

/// Everything that is settled when the broker starts, and what may change while it runs, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerConfig {
    /// `node.id`.
    pub(crate) node_id: i32,
    /// `broker.rack`.
    pub(crate) rack: Option<String>,
    /// The id to give to a cluster that has none yet; one that has another is not opened.
    pub(crate) cluster_id: Option<String>,
    /// `log.dirs`, absolute; the first one also holds the metadata, unless `log.metadata.dir` says
    /// otherwise.
    pub(crate) log_dirs: Vec<PathBuf>,
    /// Where clients connect; at least one.
    pub(crate) listeners: Vec<Listener>,
    /// Where `/metrics` and the probes are; `None` switches them off.
    pub(crate) http_listen: Option<SocketAddr>,
    pub(crate) topics: TopicsConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) socket: SocketConfig,
    pub(crate) log: LogConfig,
    pub(crate) groups: GroupsConfig,
    /// What file, environment and command line set: the layer below what is set at run time, from
    /// which topics take their defaults.
    pub(crate) properties: ConfigMap,
}

/// Creation and deletion of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicsConfig {
    /// `auto.create.topics.enable`.
    pub(crate) auto_create: bool,
    /// `num.partitions`.
    pub(crate) partitions: i32,
    /// `default.replication.factor`.
    pub(crate) replication_factor: i16,
    /// `delete.topic.enable`.
    pub(crate) deletable: bool,
    /// `max.request.partition.size.limit`: partitions in one answer to DescribeTopicPartitions.
    pub(crate) described_partitions_max: i32,
}

/// What clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitsConfig {
    /// `socket.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// `queued.max.request.bytes`, over all connections.
    pub(crate) queued_request_bytes_max: usize,
    /// `queued.max.requests`, of one connection.
    pub(crate) queued_requests_max: usize,
    /// `max.connections`.
    pub(crate) connections_max: usize,
    /// `max.connections.per.ip`.
    pub(crate) connections_per_ip_max: usize,
    /// `max.connections.per.ip.overrides`.
    pub(crate) connections_of_ip_max: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`, in a second.
    pub(crate) connection_rate_max: usize,
    /// `connections.max.idle.ms`.
    pub(crate) connection_idle_max: Duration,
    /// `fetch.max.bytes`.
    pub(crate) fetch_bytes_max: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub(crate) fetch_sessions_max: usize,
    /// Kafka has no key for it.
    pub(crate) fetch_session_eviction_min: Duration,
    /// `max.parked.requests`.
    pub(crate) parked_requests_max: usize,
}

/// How sockets are opened; `None` leaves a buffer's size to the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketConfig {
    /// `socket.send.buffer.bytes`.
    pub(crate) send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`.
    pub(crate) receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub(crate) backlog: i32,
}

/// How the logs of all partitions are looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// `log.retention.check.interval.ms`.
    pub(crate) retention_check_interval: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub(crate) recovery_checkpoint_interval: Duration,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub(crate) start_checkpoint_interval: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub(crate) high_watermark_checkpoint_interval: Duration,
    /// `producer.id.expiration.ms`.
    pub(crate) producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub(crate) producer_id_check_interval: Duration,
    /// `num.recovery.threads.per.data.dir`.
    pub(crate) recovery_threads_per_dir: usize,
    /// `log.max.open.files`; `None` takes half of what the process may open.
    pub(crate) open_files_max: Option<usize>,
    pub(crate) cleaner: CleanerConfig,
    pub(crate) metadata: MetadataLogConfig,
}

/// Compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub(crate) enabled: bool,
    /// `log.cleaner.backoff.ms`.
    pub(crate) back_off: Duration,
    /// `log.cleaner.dedupe.buffer.size`.
    pub(crate) dedupe_bytes_max: usize,
}

/// The metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataLogConfig {
    /// `metadata.log.dir`, or the first of `log.dirs`.
    pub(crate) dir: PathBuf,
    /// `metadata.log.segment.bytes`.
    pub(crate) segment_bytes: i32,
    /// `metadata.log.segment.ms`.
    pub(crate) segment_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub(crate) snapshot_bytes: u64,
}

/// Consumer groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupsConfig {
    /// `group.initial.rebalance.delay.ms`.
    pub(crate) initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub(crate) session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub(crate) session_timeout_max_ms: i32,
    /// `group.max.size`.
    pub(crate) size_max: usize,
    /// `offset.metadata.max.bytes`.
    pub(crate) offset_metadata_bytes_max: usize,
    /// `offsets.commit.timeout.ms`.
    pub(crate) commit_timeout: Duration,
    /// `offsets.load.buffer.size`.
    pub(crate) load_buffer_bytes: usize,
    /// `offsets.retention.minutes`.
    pub(crate) offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub(crate) offsets_retention_check_interval: Duration,
    pub(crate) offsets_topic: OffsetsTopicConfig,
}

/// `__consumer_offsets`, when it is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetsTopicConfig {
    /// `offsets.topic.num.partitions`.
    pub(crate) partitions: i32,
    /// `offsets.topic.replication.factor`; `None` is the default, lowered to the brokers there are.
    pub(crate) replication_factor: Option<i16>,
    /// `offsets.topic.segment.bytes`.
    pub(crate) segment_bytes: i32,
    /// `offsets.topic.compression.codec`: Kafka's number of the codec.
    pub(crate) compression: i8,
}

impl ServerConfig {
    /// Reads and checks all values that count over `layers`. Notices go to whoever starts the broker.
    ///
    /// # Errors
    /// The key that breaks a rule, and how.
    pub(super) fn build(
        layers: ConfigLayers<'_>,
        cluster_id: Option<String>,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, Broken> {
        let values = Values::new(layers);
        check_roles(&values)?;
        let log_dirs = log_dirs(&values)?;
        let config = Self {
            node_id: node_id(&values)?,
            rack: values.text("broker.rack"),
            cluster_id,
            listeners: listeners(&values, notices)?,
            http_listen: http_listen(&values)?,
            topics: TopicsConfig::read(&values),
            limits: LimitsConfig::read(&values)?,
            socket: SocketConfig::read(&values),
            log: LogConfig::read(&values, &log_dirs)?,
            groups: GroupsConfig::read(&values)?,
            properties: layers.static_broker.clone(),
            log_dirs,
        };
        match values.misses().first() {
            None => Ok(config),
            Some(key) => Err((key, "has no value and no default".to_owned())),
        }
    }
}

impl TopicsConfig {
    fn read(values: &Values<'_>) -> Self {
        Self {
            auto_create: values.bool("auto.create.topics.enable"),
            partitions: values.i32("num.partitions"),
            replication_factor: values.i16("default.replication.factor"),
            deletable: values.bool("delete.topic.enable"),
            described_partitions_max: values.i32("max.request.partition.size.limit"),
        }
    }
}

impl LimitsConfig {
    fn read(values: &Values<'_>) -> Result<Self, Broken> {
        let limits = Self {
            request_bytes_max: values.usize("socket.request.max.bytes"),
            queued_request_bytes_max: values.usize("queued.max.request.bytes"),
            queued_requests_max: values.usize("queued.max.requests"),
            connections_max: values.usize("max.connections"),
            connections_per_ip_max: values.usize("max.connections.per.ip"),
            connections_of_ip_max: connections_of_ip(values)?,
            connection_rate_max: values.usize("max.connection.creation.rate"),
            connection_idle_max: values.duration("connections.max.idle.ms"),
            fetch_bytes_max: values.i32("fetch.max.bytes"),
            fetch_sessions_max: values.usize("max.incremental.fetch.session.cache.slots"),
            fetch_session_eviction_min: FETCH_SESSION_EVICTION_MIN,
            parked_requests_max: values.usize("max.parked.requests"),
        };
        if limits.queued_request_bytes_max < limits.request_bytes_max {
            let (queued, single) = ("queued.max.request.bytes", "socket.request.max.bytes");
            let LimitsConfig { queued_request_bytes_max: of_all, request_bytes_max: of_one, .. } = limits;
            let text = format!("{queued}, {of_all}, must be larger or equal to {single}, {of_one}");
            return Err((values.culprit([queued, single]), text));
        }
        Ok(limits)
    }
}

impl SocketConfig {
    fn read(values: &Values<'_>) -> Self {
        let buffer = |key| usize::try_from(values.i64(key)).ok();
        Self {
            send_buffer_bytes: buffer("socket.send.buffer.bytes"),
            receive_buffer_bytes: buffer("socket.receive.buffer.bytes"),
            backlog: values.i32("socket.listen.backlog.size"),
        }
    }
}

impl LogConfig {
    fn read(values: &Values<'_>, log_dirs: &[PathBuf]) -> Result<Self, Broken> {
        let metadata_dir = match values.text("metadata.log.dir") {
            Some(dir) => absolute("metadata.log.dir", &dir)?,
            None => log_dirs.first().cloned().unwrap_or_default(),
        };
        Ok(Self {
            retention_check_interval: values.duration("log.retention.check.interval.ms"),
            recovery_checkpoint_interval: values.duration("log.flush.offset.checkpoint.interval.ms"),
            start_checkpoint_interval: values.duration("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval: values
                .duration("replica.high.watermark.checkpoint.interval.ms"),
            producer_id_expiration_ms: values.i64("producer.id.expiration.ms"),
            producer_id_check_interval: values.duration("producer.id.expiration.check.interval.ms"),
            recovery_threads_per_dir: values.usize("num.recovery.threads.per.data.dir"),
            open_files_max: Some(values.usize("log.max.open.files")).filter(|files| *files > 0),
            cleaner: CleanerConfig {
                enabled: values.bool("log.cleaner.enable"),
                back_off: values.duration("log.cleaner.backoff.ms"),
                dedupe_bytes_max: values.usize("log.cleaner.dedupe.buffer.size"),
            },
            metadata: MetadataLogConfig {
                dir: metadata_dir,
                segment_bytes: values.i32("metadata.log.segment.bytes"),
                segment_ms: values.i64("metadata.log.segment.ms"),
                snapshot_bytes: values.usize("metadata.log.max.record.bytes.between.snapshots") as u64,
            },
        })
    }
}

impl GroupsConfig {
    fn read(values: &Values<'_>) -> Result<Self, Broken> {
        let factor = "offsets.topic.replication.factor";
        let groups = Self {
            initial_rebalance_delay_ms: values.i32("group.initial.rebalance.delay.ms"),
            session_timeout_min_ms: values.i32("group.min.session.timeout.ms"),
            session_timeout_max_ms: values.i32("group.max.session.timeout.ms"),
            size_max: values.usize("group.max.size"),
            offset_metadata_bytes_max: values.usize("offset.metadata.max.bytes"),
            commit_timeout: values.duration("offsets.commit.timeout.ms"),
            load_buffer_bytes: values.usize("offsets.load.buffer.size"),
            offsets_retention_ms: values.i64("offsets.retention.minutes").saturating_mul(60_000),
            offsets_retention_check_interval: values.duration("offsets.retention.check.interval.ms"),
            offsets_topic: OffsetsTopicConfig {
                partitions: values.i32("offsets.topic.num.partitions"),
                replication_factor: values.is_set(factor).then(|| values.i16(factor)),
                segment_bytes: values.i32("offsets.topic.segment.bytes"),
                compression: i8::try_from(values.i64("offsets.topic.compression.codec")).unwrap_or_default(),
            },
        };
        if groups.session_timeout_min_ms > groups.session_timeout_max_ms {
            let (min, max) = ("group.min.session.timeout.ms", "group.max.session.timeout.ms");
            let GroupsConfig { session_timeout_min_ms, session_timeout_max_ms, .. } = groups;
            let text =
                format!("{min}, {session_timeout_min_ms}, must not be above {max}, {session_timeout_max_ms}");
            return Err((values.culprit([min, max]), text));
        }
        Ok(groups)
    }
}

/// A node that is no broker, or one of several, cannot be served yet; refusing is kinder than to run
/// as something else.
fn check_roles(values: &Values<'_>) -> Result<(), Broken> {
    let roles = values.list("process.roles");
    if !roles.iter().any(|role| role == "broker") {
        let text = "a node that is a controller only is not served; set it to broker,controller".to_owned();
        return Err(("process.roles", text));
    }
    let node_id = node_id(values)?;
    for voter in values.list("controller.quorum.voters") {
        let id = voter
            .split_once('@')
            .and_then(|(id, address)| address.contains(':').then(|| id.trim().parse::<i32>()));
        match id {
            Some(Ok(id)) if id == node_id => {}
            Some(Ok(id)) => {
                let text = format!(
                    "names node {id}, and this is node {node_id}: a cluster of several nodes is not served yet"
                );
                return Err(("controller.quorum.voters", text));
            }
            _ => {
                return Err((
                    "controller.quorum.voters",
                    format!("expected ID@HOST:PORT separated by commas, found {voter}"),
                ));
            }
        }
    }
    Ok(())
}

fn node_id(values: &Values<'_>) -> Result<i32, Broken> {
    let node_id = values.i32("node.id");
    match values.optional_i64("broker.id") {
        Some(broker_id) if values.is_set("node.id") && broker_id >= 0 && broker_id != i64::from(node_id) => {
            Err((
                "node.id",
                format!("is {node_id}, and broker.id is {broker_id}: set one of them, or both to the same"),
            ))
        }
        _ => Ok(node_id),
    }
}

fn log_dirs(values: &Values<'_>) -> Result<Vec<PathBuf>, Broken> {
    let (key, dirs) = match values.list("log.dirs") {
        dirs if dirs.is_empty() => ("log.dir", values.text("log.dir").into_iter().collect()),
        dirs => ("log.dirs", dirs),
    };
    let mut absolutes: Vec<PathBuf> = Vec::with_capacity(dirs.len());
    for dir in dirs {
        let path = absolute(key, &dir)?;
        if absolutes.contains(&path) {
            return Err((key, format!("{dir} stands twice")));
        }
        absolutes.push(path);
    }
    if absolutes.is_empty() {
        return Err((key, "at least one directory must be defined".to_owned()));
    }
    Ok(absolutes)
}

fn absolute(key: &'static str, dir: &str) -> Result<PathBuf, Broken> {
    std::path::absolute(dir).map_err(|error| (key, format!("{dir}: {error}")))
}

fn http_listen(values: &Values<'_>) -> Result<Option<SocketAddr>, Broken> {
    let key = "http.listen";
    let Some(text) = values.text(key) else { return Ok(None) };
    // An empty host means every interface, as in `listeners`.
    let address = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.clone() };
    let mut found = std::net::ToSocketAddrs::to_socket_addrs(&address)
        .map_err(|error| (key, format!("{text}: {error}")))?;
    found.next().map(Some).ok_or_else(|| (key, format!("{text} has no address")))
}

fn connections_of_ip(values: &Values<'_>) -> Result<HashMap<IpAddr, usize>, Broken> {
    let key = "max.connections.per.ip.overrides";
    let mut limits = HashMap::new();
    for pair in values.text(key).unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty())
    {
        let bad = || (key, format!("expected ADDRESS:COUNT separated by commas, found {pair}"));
        let (host, count) = pair.rsplit_once(':').ok_or_else(bad)?;
        let count = count.trim().parse::<usize>().map_err(|_| bad())?;
        let host = host.trim().trim_start_matches('[').trim_end_matches(']');
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, 0))
            .map_err(|error| (key, format!("{host}: {error}")))?;
        limits.extend(found.map(|address| (address.ip(), count)));
    }
    Ok(limits)
}
