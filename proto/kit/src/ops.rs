//! The ops port: `/livez`, `/readyz` and Prometheus `/metrics`.

use crate::descriptors::{self, Port};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection lives, whoever its client is; scrapers open another one.
const LIFE: Duration = Duration::from_secs(60);
/// A pause after an accept that failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Returns what stands in the way of readiness; `Ok` when nothing does, with what a
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

/// Serves the ops port until the token is cancelled. Past the bound on connections
/// the oldest one is closed, so that no crowd of them can keep a probe out.
pub async fn serve(listener: TcpListener, ops: Ops, shutdown: CancellationToken) {
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops);
    let most = descriptors::connections(descriptors::limit_now(), Port::Ops, descriptors::OPS);
    let mut held: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                held.retain(|connection| !connection.is_finished());
                while held.len() >= most {
                    if let Some(oldest) = held.pop_front() {
                        oldest.abort();
                    }
                }
                held.push_back(tokio::spawn(connection(socket, app.clone())).abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the ops port could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    held.iter().for_each(AbortHandle::abort);
}

async fn connection(socket: TcpStream, app: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(app));
    // A client that broke off or took too long gets no answer.
    let _ = tokio::time::timeout(LIFE, served).await;
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
        let registry = ops.registry.lock();
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_crowd_of_idle_connections_keeps_no_probe_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("its address");
        let ops = Ops {
            registry: Arc::default(),
            readiness: Arc::new(|| Ok(None)),
            refresh: Arc::new(|| ()),
        };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, ops, shutdown.clone()));
        let mut crowd = Vec::new();
        for _ in 0..3 * descriptors::OPS {
            crowd.push(TcpStream::connect(at).await.expect("connected"));
        }
        let mut probe = TcpStream::connect(at).await.expect("connected");
        let asked = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        probe.write_all(asked).await.expect("sent");
        let mut answer = String::new();
        probe.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let closed = crowd[0].read_u8().await.expect_err("it was the oldest");
        assert_ne!(closed.kind(), std::io::ErrorKind::WouldBlock);
        shutdown.cancel();
        serving.await.expect("it waits for no connection");
    }
}
