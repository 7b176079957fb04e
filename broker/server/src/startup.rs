//! Makes the handles in the order in which they need one another, and stops them in the opposite
//! one. The only place that knows all of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use millrace_log::LogManager;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::clock::now_ms;
use crate::config::{Listener, LiveConfig, ServerConfig};
use crate::groups::Groups;
use crate::http;
use crate::metrics::Metrics;
use crate::net::{Acceptor, BoundListener, ByteBudget, ConnectionLimits, bind};
use crate::partitions::{FetchSessions, Partitions};
use crate::quorum::Quorum;
use crate::services::Services;
use crate::upkeep;

/// How long connections may take to finish what they have in flight.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is cancelled, then leaves the disk clean.
///
/// # Errors
/// What keeps the broker from starting: a data directory in use, a port taken, a damaged metadata log.
pub(crate) async fn run(config: Arc<LiveConfig>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let settings = config.load();
    let listeners = bind_all(&settings)?;
    let metrics = Arc::new(Metrics::new());
    let logs = blocking(open_logs(&settings)).await?;
    let partitions = Partitions::new(Arc::clone(&logs), Arc::clone(&metrics), settings.limits.parked_requests_max);
    let quorum = Quorum::open(Arc::clone(&logs), Arc::clone(&partitions), Arc::clone(&config), &advertised(&settings, &listeners)).await?;
    let groups = Groups::open(Arc::clone(&partitions), Arc::clone(&quorum), Arc::clone(&config)).await?;
    let services = Arc::new(Services {
        metadata: quorum.view(),
        fetch_sessions: Arc::new(FetchSessions::new(settings.limits.fetch_sessions_max, settings.limits.fetch_session_eviction_min)),
        budget: ByteBudget::new(settings.limits.queued_request_bytes_max.max(settings.limits.request_bytes_max)),
        connections: Arc::new(ConnectionLimits::new(settings.limits.connections_max, settings.limits.connections_per_ip_max)),
        config,
        quorum,
        partitions,
        groups,
        metrics,
    });
    let tasks = TaskTracker::new();
    let upkeep = TaskTracker::new();
    upkeep::spawn(&upkeep, &services, &shutdown);
    let http = http::spawn(&upkeep, &services, &shutdown).await?;
    announce(&settings, &listeners, http);
    for listener in listeners {
        let acceptor = Acceptor { services: Arc::clone(&services), tasks: tasks.clone(), shutdown: shutdown.clone() };
        tasks.spawn(acceptor.run(listener));
    }
    services.metrics.set_ready(true);
    shutdown.cancelled().await;
    stop(&services, tasks, upkeep).await
}

/// Opens listening sockets before anything else: a port that is taken is the most frequent mistake.
fn bind_all(settings: &ServerConfig) -> anyhow::Result<Vec<BoundListener>> {
    let bound = settings.listeners.iter().map(|Listener { name, bind: address, .. }| {
        bind(name, *address).with_context(|| format!("cannot listen on {name}://{address}"))
    });
    bound.collect()
}

/// What clients are told, by listener. A port of 0 becomes the one that was found.
fn advertised(settings: &ServerConfig, listeners: &[BoundListener]) -> Vec<(String, String, u16)> {
    let pairs = settings.listeners.iter().zip(listeners);
    let told = pairs.map(|(listener, bound)| {
        let port = if listener.advertised_port == 0 { bound.address.port() } else { listener.advertised_port };
        (listener.name.clone(), listener.advertised_host.clone(), port)
    });
    told.collect()
}
