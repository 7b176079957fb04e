//! Makes the handles in the order in which they need one another, and stops them in the opposite
//! one. The only place that knows all of them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use millrace_log::disk::{Disk, OsDisk};
use millrace_log::{Intervals, LogManager, ManagerConfig};
use millrace_metadata::controller::{ControllerSettings, Registration};
use millrace_metadata::image::EndpointImage;
use millrace_protocol::Uuid;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::clock::now_ms;
use crate::config::{Listener, LiveConfig, ServerConfig};
use crate::descriptors;
use crate::groups::Groups;
use crate::http::{self, Pages};
use crate::logging::LogLevels;
use crate::metrics::Metrics;
use crate::net::{Acceptor, BoundListener, ByteBudget, ConnectionLimits, bind};
use crate::partitions::{FetchSessions, Partitions};
use crate::producer_ids::ProducerIds;
use crate::quorum::{Follower, Quorum};
use crate::services::Services;
use crate::upkeep;

#[cfg(test)]
mod tests;

/// How long connections may take to finish what they have in flight.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Kafka's id of PLAINTEXT.
const PLAINTEXT: i16 = 0;

/// Sockets that are open before anything is read: a port that is taken is the most frequent mistake,
/// and clients that come early wait instead of being refused.
struct Sockets {
    listeners: Vec<BoundListener>,
    http: Option<TcpListener>,
}

/// Serves until `shutdown` is cancelled, then leaves the disk clean.
///
/// # Errors
/// What keeps the broker from starting: a data directory in use, a port taken, a damaged metadata log;
/// or from stopping cleanly: a disk that fails.
pub(crate) async fn run(
    config: Arc<LiveConfig>,
    levels: LogLevels,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    run_on(Arc::new(OsDisk), config, levels, shutdown).await
}

async fn run_on(
    disk: Arc<dyn Disk>,
    config: Arc<LiveConfig>,
    levels: LogLevels,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Arc::clone(&config.load());
    let descriptors = descriptors::raise();
    let Sockets { listeners, http } = bind_all(&settings).await?;
    let metrics = Arc::new(Metrics::new()?);
    let ready = Arc::new(OnceLock::new());
    let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
    let pages = Pages {
        metrics: Arc::clone(&metrics),
        levels: levels.clone(),
        services: Arc::clone(&ready),
        scraping: Arc::default(),
    };
    let pages = http.map(|listener| tokio::spawn(http::serve(listener, pages)));

    let shares = descriptors::share(descriptors, settings.log.open_files_max);
    let logs = tokio::task::block_in_place(|| open_logs(disk, &settings, shares.log_files))?;
    // Recovery may take minutes, and whoever ends the broker need not wait for it.
    let recovery = tokio::spawn(stop_opening(Arc::clone(&logs), shutdown.clone()));
    let services =
        tokio::task::block_in_place(|| open(logs, config, levels, metrics, &listeners, shares.connections))?;
    recovery.abort();
    if services.partitions.logs().has_stopped_opening() {
        info!("told to end before all logs were open; the next start recovers them");
        return stop(&services, TaskTracker::new(), TaskTracker::new()).await;
    }
    let tasks = TaskTracker::new();
    let upkeep = TaskTracker::new();
    upkeep::spawn(&upkeep, &services, &shutdown);
    announce(&settings, &listeners, http_address);
    for listener in listeners {
        let acceptor =
            Acceptor { services: Arc::clone(&services), tasks: tasks.clone(), shutdown: shutdown.clone() };
        tasks.spawn(acceptor.run(listener));
    }
    services.metrics.set_ready(true);
    let _was_empty = ready.set(Arc::clone(&services)).is_ok();
    shutdown.cancelled().await;
    let stopped = stop(&services, tasks, upkeep).await;
    if let Some(pages) = pages {
        pages.abort();
    }
    stopped
}

async fn stop_opening(logs: Arc<LogManager>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    logs.stop_opening();
}

async fn bind_all(settings: &ServerConfig) -> anyhow::Result<Sockets> {
    let bound = settings.listeners.iter().map(|Listener { name, bind: address, .. }| {
        bind(name, *address, &settings.socket)
            .with_context(|| format!("cannot listen on {name}://{address} (listeners)"))
    });
    let listeners = bound.collect::<anyhow::Result<_>>()?;
    let http = match settings.http_listen {
        Some(address) => {
            let bound = http::bind(address).await;
            Some(bound.with_context(|| format!("cannot listen on http://{address} (http.listen)"))?)
        }
        None => None,
    };
    Ok(Sockets { listeners, http })
}

/// Opens metadata, the logs that it names, and everything above. Blocks on the disk.
fn open(
    logs: Arc<LogManager>,
    config: Arc<LiveConfig>,
    levels: LogLevels,
    metrics: Arc<Metrics>,
    listeners: &[BoundListener],
    connections_max: usize,
) -> anyhow::Result<Arc<Services>> {
    let (partitions, quorum) = open_partitions(logs, &config, &metrics, listeners)?;
    Ok(make_services(partitions, quorum, config, levels, metrics, connections_max))
}

/// Opens the metadata and the logs that it names.
fn open_partitions(
    logs: Arc<LogManager>,
    config: &Arc<LiveConfig>,
    metrics: &Arc<Metrics>,
    listeners: &[BoundListener],
) -> anyhow::Result<(Arc<Partitions>, Arc<Quorum>)> {
    let settings = Arc::clone(&config.load());
    let partitions =
        Partitions::new(Arc::clone(&logs), Arc::clone(metrics), settings.limits.parked_requests_max);
    let quorum = open_quorum(
        &settings,
        &logs,
        Follower::new(settings.node_id, Arc::clone(&partitions), Arc::clone(config)),
        listeners,
    )?;
    logs.settle();
    Ok((partitions, quorum))
}

fn make_services(
    partitions: Arc<Partitions>,
    quorum: Arc<Quorum>,
    config: Arc<LiveConfig>,
    levels: LogLevels,
    metrics: Arc<Metrics>,
    connections_max: usize,
) -> Arc<Services> {
    let settings = Arc::clone(&config.load());
    let groups = Groups::open(Arc::clone(&partitions), Arc::clone(&quorum), Arc::clone(&config));
    let limits = &settings.limits;
    // One core stays for everybody else.
    let unpacking_max = Handle::current().metrics().num_workers().saturating_sub(1).max(1);
    Arc::new(Services {
        metadata: quorum.view(),
        fetch_sessions: Arc::new(FetchSessions::new(
            limits.fetch_sessions_max,
            limits.fetch_session_eviction_min,
        )),
        budget: ByteBudget::new(limits.queued_request_bytes_max),
        connections: Arc::new(ConnectionLimits::new(connections_max)),
        unpacking: Arc::new(Semaphore::new(unpacking_max)),
        producer_ids: ProducerIds::new(settings.node_id),
        config,
        quorum,
        partitions,
        groups,
        levels,
        metrics,
    })
}

fn open_logs(
    disk: Arc<dyn Disk>,
    settings: &ServerConfig,
    open_files_max: usize,
) -> anyhow::Result<Arc<LogManager>> {
    let log = &settings.log;
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let manager = ManagerConfig {
        dirs: settings.log_dirs.clone(),
        node_id: settings.node_id,
        cluster_id: settings.cluster_id.clone(),
        open_files_max,
        threads_per_dir: log.recovery_threads_per_dir,
        dedupe_bytes_max: log.cleaner.dedupe_bytes_max,
        intervals: Intervals {
            retention_ms: ms(log.retention_check_interval),
            recovery_checkpoint_ms: ms(log.recovery_checkpoint_interval),
            start_checkpoint_ms: ms(log.start_checkpoint_interval),
            high_watermark_checkpoint_ms: ms(log.high_watermark_checkpoint_interval),
            producer_expiry_ms: ms(log.producer_id_check_interval),
        },
    };
    let logs =
        LogManager::open(disk, manager, now_ms()).context("cannot open the data directories (log.dirs)")?;
    Ok(Arc::new(logs))
}

fn open_quorum(
    settings: &ServerConfig,
    logs: &LogManager,
    follower: Follower,
    listeners: &[BoundListener],
) -> anyhow::Result<Arc<Quorum>> {
    let registration = Registration {
        node_id: settings.node_id,
        incarnation_id: Uuid(fastrand::u128(..).to_be_bytes()),
        endpoints: endpoints(settings, listeners),
        rack: settings.rack.clone(),
        log_dirs: logs.dir_ids(),
    };
    let controller = ControllerSettings { node_id: settings.node_id, static_broker: &settings.properties };
    let dir = &settings.log.metadata.dir;
    Quorum::open(dir, logs.cluster_id(), &registration, &controller, follower)
        .with_context(|| format!("cannot read the cluster's metadata in {}", dir.display()))
}

/// What clients are told, by listener. A port of 0 becomes the one that was found.
fn endpoints(settings: &ServerConfig, listeners: &[BoundListener]) -> Vec<EndpointImage> {
    let pairs = settings.listeners.iter().zip(listeners);
    let told = pairs.map(|(listener, bound)| EndpointImage {
        name: listener.name.clone(),
        host: listener.advertised_host.clone(),
        port: if listener.advertised_port == 0 { bound.address.port() } else { listener.advertised_port },
        security_protocol: PLAINTEXT,
    });
    told.collect()
}

/// The one line that everybody looks for.
fn announce(settings: &ServerConfig, listeners: &[BoundListener], http: Option<std::net::SocketAddr>) {
    let mut places: Vec<_> =
        listeners.iter().map(|listener| format!("{}://{}", listener.name, listener.address)).collect();
    places.extend(http.map(|address| format!("http://{address}")));
    let dirs: Vec<_> = settings.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    info!(
        "millrace {} listens on {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        places.join(", "),
        dirs.join(", ")
    );
}

/// Everybody who waits gets an answer, then everything becomes durable.
async fn stop(services: &Services, tasks: TaskTracker, upkeep: TaskTracker) -> anyhow::Result<()> {
    info!("stopping");
    services.metrics.set_ready(false);
    services.partitions.wake_all();
    services.groups.close();
    tasks.close();
    if tokio::time::timeout(DRAIN_MAX, tasks.wait()).await.is_err() {
        warn!(connections = tasks.len(), "connections did not finish in time and are cut");
    }
    upkeep.close();
    upkeep.wait().await;
    let quorum = services.quorum.close().await.inspect_err(|error| error!("{error}"));
    let logs = tokio::task::block_in_place(|| services.partitions.logs().close());
    quorum.context("the metadata log is not closed cleanly")?;
    logs.context("not all logs are closed cleanly; the next start recovers them")?;
    info!("stopped");
    Ok(())
}
