//! The ops port: `/livez`, `/readyz` and Prometheus `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What stands in the way of readiness; `Ok` when nothing does, with what a
/// person should know all the same.
pub type Readiness = Arc<dyn Fn() -> Result<Option<String>, String> + Send + Sync>;

/// A hook that brings gauges up to date before they are read.
pub type Refresh = Arc<dyn Fn() + Send + Sync>;

/// What the ops port shows.
#[derive(Clone)]
pub struct Ops {
    /// The metrics, encoded at each scrape.
    pub registry: Arc<Mutex<Registry>>,
    /// Asked at each `/readyz`.
    pub readiness: Readiness,
    /// Called before each scrape.
    pub refresh: Refresh,
}

/// Serves the ops port until the token is cancelled.
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(
    listener: TcpListener,
    ops: Ops,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    match (ops.readiness)() {
        Ok(None) => (StatusCode::OK, "ok\n".to_owned()),
        Ok(Some(note)) => (StatusCode::OK, format!("ok, but {note}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    (ops.refresh)();
    let mut text = String::new();
    let encoded = {
        let registry = ops.registry.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode(&mut text, &registry)
    };
    let status = if encoded.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (status, [(header::CONTENT_TYPE, kind)], text)
}
