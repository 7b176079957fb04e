//! The operator's HTTP server: metrics, and probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_http::Bounded;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::directory::Want;
use crate::kafka::link::Link;
use crate::metrics::{ClusterFigures, Figures, GroupFigures};
use crate::names::ObjectKey;
use crate::pulse::Pulse;

/// Whether the operator does its part: as the leader once it has seen all resources, otherwise by standing
/// by.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// What was said last.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
struct Shared {
    context: Arc<Context>,
    readiness: Readiness,
    pulse: Pulse,
}

/// Takes the address.
///
/// # Errors
/// When it cannot be listened on.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics and probes");
    Ok(listener)
}

/// Serves until it is stopped.
///
/// # Errors
/// What listening meets.
pub async fn serve(
    listener: TcpListener,
    context: Arc<Context>,
    readiness: Readiness,
    pulse: Pulse,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .with_state(Shared { context, readiness, pulse });
    axum::serve(Bounded::new(listener), router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn alive(State(shared): State<Shared>) -> Response {
    if shared.pulse.is_felt() {
        "ok\n".into_response()
    } else {
        tracing::error!("the controllers' task does not come back: a restart is due");
        (StatusCode::SERVICE_UNAVAILABLE, "stuck\n").into_response()
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    if shared.readiness.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response()
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let page = figures(&shared.context).and_then(|figures| shared.context.metrics.page(&figures));
    match page {
        Ok(page) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What the links last saw.
fn figures(context: &Context) -> Result<Figures, prometheus::Error> {
    let figures = Figures::new()?;
    for (cluster, link) in context.links.all() {
        figures.add(&seen_by(&link, cluster, context));
    }
    Ok(figures)
}

/// What one link last saw, under the names of the resources.
fn seen_by(link: &Link, cluster: ObjectKey, context: &Context) -> ClusterFigures {
    let directory = &context.directory;
    let want = |name: String| Want { cluster: cluster.clone(), name };
    let topics = link.all_figures().into_iter().filter_map(|(topic, figures)| {
        let want = want(topic);
        Some((directory.topic_owner(&want)?, want.name, figures))
    });
    let groups = link.all_groups().into_iter().filter_map(|(group, seen, records_per_second)| {
        let want = want(group);
        let key = directory.group_owner(&want)?;
        let lagging = context.metrics.is_lagging(&key);
        Some(GroupFigures { key, group: want.name, seen, records_per_second, lagging })
    });
    let (topics, groups) = (topics.collect(), groups.collect());
    ClusterFigures { cluster, health: link.health(), topics, groups }
}
