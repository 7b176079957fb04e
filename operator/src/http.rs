//! The operator's HTTP server: metrics, and probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::directory::Want;

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
}

/// Serves until it is stopped.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    context: Arc<Context>,
    readiness: Readiness,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Shared { context, readiness });
    let listener = TcpListener::bind(address).await?;
    tracing::info!(%address, "metrics and probes");
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(shared): State<Shared>) -> Response {
    if shared.readiness.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response()
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    fill_figures(&shared.context);
    match shared.context.metrics.page() {
        Ok(page) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What the links last saw, under the names of the resources.
fn fill_figures(context: &Context) {
    context.metrics.clear_figures();
    for (cluster, link) in context.links.all() {
        for (topic, figures) in link.all_figures() {
            let want = Want { cluster: cluster.clone(), name: topic };
            if let Some(key) = context.directory.topic_owner(&want) {
                context.metrics.topic(&key, &cluster.name, &want.name, &figures);
            }
        }
        for (group, seen) in link.all_groups() {
            let want = Want { cluster: cluster.clone(), name: group };
            if let Some(key) = context.directory.group_owner(&want) {
                context.metrics.group(&key, &cluster.name, &want.name, &seen);
            }
        }
    }
}
