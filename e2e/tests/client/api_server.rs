//! Plays the part of a cluster's API server that `dfs --kube` needs: it lists what a test says,
//! makes tokens, and forwards ports of pods to addresses of this machine.

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The port that all pods have.
const PORT: u16 = 8000;
/// What goes over a forwarded port at once.
const PIECE: usize = 32 << 10;
/// The protocol of what is forwarded: each message begins with the number of its channel.
const PROTOCOL: &str = "v4.channel.k8s.io";
const DATA: u8 = 0;
const ERROR: u8 = 1;

/// A manager's pod.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(crate) name: &'static str,
    pub(crate) ready: bool,
    /// Where its port leads.
    pub(crate) at: SocketAddr,
}

/// What the cluster holds, and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Releases with a service each, all in one namespace.
    pub(crate) releases: Vec<&'static str>,
    pub(crate) scheme: &'static str,
    pub(crate) managers: Vec<Manager>,
    /// The variables of the managers.
    pub(crate) env: Vec<(&'static str, &'static str)>,
    /// The authority in the Secret `tls`.
    pub(crate) ca: String,
    /// What every account gets, and before that, for once, what the service does not know.
    pub(crate) token: String,
    pub(crate) unknown_token: Option<String>,
    /// How many tokens were made.
    pub(crate) tokens: usize,
    /// What is not allowed, and what is never answered: the end of its path.
    pub(crate) forbidden: Option<&'static str>,
    pub(crate) unanswered: Option<&'static str>,
    /// How long a port's forward takes to begin, but for the first one.
    pub(crate) slow: Duration,
    /// Paths that were asked for, each with the last body.
    pub(crate) asked: BTreeMap<String, Value>,
    /// The pods that ports were forwarded of.
    pub(crate) forwarded: Vec<String>,
}

pub(crate) struct ApiServer {
    address: SocketAddr,
    pub(crate) state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiServer {
    pub(crate) async fn start(state: State) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(served);
            }
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Writes a kubeconfig into a folder, whose user has this token.
    pub(crate) fn kubeconfig(&self, folder: &Path, token: &str) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [
                { "name": "here", "context": { "cluster": "c", "user": "u", "namespace": "dfs" } },
                { "name": "nowhere", "context": { "cluster": "none", "user": "u" } },
            ],
            "clusters": [
                { "name": "c", "cluster": { "server": format!("http://{}", self.address) } },
            ],
            "users": [{ "name": "u", "user": { "token": token } }],
        });
        let path = folder.join("kubeconfig");
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(state: Arc<Mutex<State>>, mut request: Request<Incoming>) -> Result<Answer> {
    let path = request.uri().path().to_owned();
    let is_unanswered = state
        .lock()
        .unanswered
        .is_some_and(|end| path.ends_with(end));
    if is_unanswered {
        return std::future::pending().await;
    }
    if path.ends_with("/portforward") && !is_forbidden(&state, &path) {
        let (is_first, slow) = {
            let state = state.lock();
            (state.forwarded.is_empty(), state.slow)
        };
        if !is_first {
            tokio::time::sleep(slow).await;
        }
        return forward(&state, &path, &mut request);
    }
    let body = request.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    state.lock().asked.insert(path.clone(), body);
    if is_forbidden(&state, &path) {
        return status(StatusCode::FORBIDDEN, "it is forbidden");
    }
    let mut state = state.lock();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "services"] => list(state.releases.iter().map(|one| service(&state, one))),
        [.., "pods"] => list(state.managers.iter().map(|one| pod(&state, one))),
        [.., "secrets", "tls"] => {
            use base64::Engine;
            let pem = base64::engine::general_purpose::STANDARD.encode(&state.ca);
            ok(&json!({ "metadata": { "name": "tls" }, "data": { "ca.crt": pem } }))
        }
        [.., "serviceaccounts", "app", "token"] => {
            state.tokens += 1;
            let token = state.unknown_token.take();
            let token = token.unwrap_or_else(|| state.token.clone());
            ok(&json!({
                "metadata": {},
                "spec": { "audiences": [] },
                "status": { "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z" },
            }))
        }
        _ => status(StatusCode::NOT_FOUND, "not found"),
    }
}

fn is_forbidden(state: &Mutex<State>, path: &str) -> bool {
    let state = state.lock();
    state.forbidden.is_some_and(|part| path.ends_with(part))
}

fn ok(value: &Value) -> Result<Answer> {
    Ok(Response::new(Full::from(value.to_string())))
}

fn list(items: impl Iterator<Item = Value>) -> Result<Answer> {
    ok(&json!({ "metadata": {}, "items": items.collect::<Vec<_>>() }))
}

fn status(code: StatusCode, message: &str) -> Result<Answer> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "code": code.as_u16(),
    });
    let answer = Response::builder().status(code);
    Ok(answer.body(Full::from(status.to_string()))?)
}

fn service(state: &State, release: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("{release}-manager"),
            "labels": {
                "app.kubernetes.io/instance": release,
                "app.kubernetes.io/component": "manager",
                "helm.sh/chart": "distributed-file-server-0.1.0",
            },
            "annotations": { "fileserver.dev/tls-ca": "tls/ca.crt" },
        },
        "spec": {
            "selector": { "app.kubernetes.io/instance": release },
            "ports": [{
                "name": "http",
                "port": 8443,
                "targetPort": "http",
                "appProtocol": state.scheme,
            }],
        },
    })
}

fn pod(state: &State, manager: &Manager) -> Value {
    let env = state.env.iter();
    let env = env.map(|(name, value)| json!({ "name": name, "value": value }));
    let ready = if manager.ready { "True" } else { "False" };
    json!({
        "metadata": { "name": manager.name },
        "spec": { "containers": [{
            "name": "manager",
            "env": env.collect::<Vec<_>>(),
            "ports": [{ "name": "http", "containerPort": PORT }],
        }]},
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": ready }],
        },
    })
}

fn forward(state: &Mutex<State>, path: &str, request: &mut Request<Incoming>) -> Result<Answer> {
    let name = path.rsplit('/').nth(1).context("a pod")?;
    let mut state = state.lock();
    let found = state.managers.iter().find(|manager| manager.name == name);
    let Some(at) = found.map(|manager| manager.at) else {
        return status(StatusCode::NOT_FOUND, "no such pod");
    };
    state.forwarded.push(name.to_owned());
    let key = request.headers().get("sec-websocket-key");
    let key = derive_accept_key(key.context("a key")?.as_bytes());
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await?);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        pass(stream, at).await
    });
    let switched = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", key)
        .header("sec-websocket-protocol", PROTOCOL);
    Ok(switched.body(Full::default())?)
}

type Stream = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Passes bytes between a forwarded port and an address, as a kubelet does.
async fn pass(stream: Stream, at: SocketAddr) -> Result<()> {
    let (mut out, mut incoming) = stream.split();
    let of = |channel: u8, bytes: &[u8]| Message::binary([&[channel], bytes].concat());
    for channel in [DATA, ERROR] {
        out.send(of(channel, &PORT.to_le_bytes())).await?;
    }
    let there = match TcpStream::connect(at).await {
        Ok(there) => there,
        Err(error) => {
            out.send(of(ERROR, error.to_string().as_bytes())).await?;
            out.close().await?;
            // What comes meanwhile is read: a socket that is closed with something unread
            // takes back what it has sent.
            while let Some(Ok(_)) = incoming.next().await {}
            return Ok(());
        }
    };
    let (mut read, mut write) = there.into_split();
    let upwards = async {
        while let Some(Ok(message)) = incoming.next().await {
            match message {
                Message::Binary(bytes) if bytes.first() == Some(&DATA) => {
                    write.write_all(&bytes[1..]).await?;
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    let downwards = async {
        let mut piece = vec![0; PIECE];
        loop {
            match read.read(&mut piece).await? {
                0 => return anyhow::Ok(()),
                length => out.send(of(DATA, &piece[..length])).await?,
            }
        }
    };
    tokio::select! {
        done = upwards => done?,
        done = downwards => done?,
    }
    Ok(out.close().await?)
}
