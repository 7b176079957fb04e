//! What operators ask: whether the broker lives, whether it serves, what it counts, and how much it
//! logs. Answers from the first moment on, also while logs are still being recovered.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_http::Bounded;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tracing::error;

use crate::logging::LogLevels;
use crate::metrics::{Metrics, scrape};
use crate::services::Services;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) levels: LogLevels,
    /// Empty until the broker has started.
    pub(crate) services: Arc<OnceLock<Arc<Services>>>,
    /// Held by the scrape that is being written: with many partitions one takes megabytes.
    pub(crate) scraping: Arc<Mutex<()>>,
}

/// Opens the socket, before anything that takes long.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, pages: Pages) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/log-level", get(levels).put(set_levels))
        .with_state(pages);
    if let Err(error) = axum::serve(Bounded::new(listener), router).await {
        error!("the HTTP listener ended: {error}");
    }
}

async fn ready(State(pages): State<Pages>) -> Response {
    if pages.metrics.is_ready() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let _one_at_a_time = Arc::clone(&pages.scraping).lock_owned().await;
    let scraped = move || scrape(&pages.metrics, pages.services.get().map(|services| &**services));
    let text = tokio::task::spawn_blocking(scraped).await;
    match text {
        Ok(Ok(text)) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Ok(Err(reason)) => failed(&reason),
        Err(reason) => failed(&reason),
    }
}

fn failed(reason: &dyn std::fmt::Display) -> Response {
    error!("metrics cannot be shown: {reason}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

async fn levels(State(pages): State<Pages>) -> String {
    pages.levels.all().iter().map(|(target, level)| format!("{target}={level}\n")).collect()
}

async fn set_levels(State(pages): State<Pages>, body: String) -> Response {
    match pages.levels.replace(&body) {
        Ok(()) => levels(State(pages)).await.into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    }
}
