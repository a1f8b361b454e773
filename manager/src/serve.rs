//! The running manager: its listeners, its background work, its end.

use crate::admin::AdminService;
use crate::callers::{Admits, AuthArgs};
use crate::config::{ServeArgs, TlsArgs};
use crate::essential::Essential;
use crate::gauges::Gauges;
use crate::limits::{Limits, RestLimits};
use crate::metrics::{Metrics, Observed};
use crate::nodes::NodeNetwork;
use crate::registry::RegistryService;
use crate::rest;
use crate::{leadership, traced, world};
use anyhow::Context;
use kit::descriptors::Port;
use kit::inner::Inner;
use kit::ops::Ops;
use kit::spans::Tracer;
use manager_protocol::cluster::{leader, store_health};
use manager_protocol::core::Core;
use manager_protocol::store::Store;
use manager_protocol::upkeep::{drain, moves, settle, sums, trouble};
use proto::v1::admin_server::AdminServer;
use proto::v1::registry_server::RegistryServer;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A manager is ready when every node that the store knows has joined, or
/// after this long.
const JOIN_GRACE: Duration = Duration::from_secs(15);
/// How long requests in flight may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(300);

/// How long the manager's own work may take to end after the last request.
const LEAVE: Duration = Duration::from_secs(10);

/// What a manager needs to run.
pub struct Config {
    /// The REST API's address.
    pub http: SocketAddr,
    /// Its TLS, and a second address without.
    pub tls: TlsArgs,
    /// The inner address.
    pub grpc: SocketAddr,
    /// The ops port's address.
    pub ops: SocketAddr,
    /// What opens the inner ports.
    pub inner: Inner,
    /// Bounds and rates.
    pub limits: Limits,
    /// Bounds of the REST API.
    pub rest: RestLimits,
    /// Who may call the REST API.
    pub auth: AuthArgs,
    /// Whether the console is served at `/ui`.
    pub console: bool,
    /// What makes the spans of requests.
    pub tracer: Tracer,
}

/// Where a manager listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The REST API.
    pub http: SocketAddr,
    /// The inner address.
    pub grpc: SocketAddr,
    /// The ops port.
    pub ops: SocketAddr,
    /// The REST API without TLS, beside one with.
    pub plain: Option<SocketAddr>,
}

impl fmt::Display for Addresses {
    /// As the line says them that a program prints when it is ready.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            http,
            grpc,
            ops,
            plain,
        } = self;
        write!(f, "http={http} grpc={grpc} ops={ops}")?;
        match plain {
            Some(plain) => write!(f, " plain={plain}"),
            None => Ok(()),
        }
    }
}

/// A manager that listens.
pub struct Manager {
    core: Arc<Core>,
    config: Config,
    admits: Admits,
    http: rest::Listener,
    plain: Option<rest::Listener>,
    grpc: TcpListener,
    ops: TcpListener,
}

impl Manager {
    /// Opens the listeners.
    ///
    /// # Errors
    /// Names the flag whose address can't be had.
    pub async fn bind(store: Arc<dyn Store>, mut config: Config) -> anyhow::Result<Self> {
        config.rest.max_connections = connections(config.rest.max_connections);
        let store = traced::store(store, &config.tracer);
        config.inner.allows_listening("--grpc", config.grpc)?;
        let plain = config
            .tls
            .http_plain
            .map(|address| ("--http-plain", address));
        let reached: Vec<_> = [("--http", config.http)].into_iter().chain(plain).collect();
        let admits = Admits::load(&config.auth, &reached, store.clone()).await?;
        let http = rest::Listener {
            tls: config.tls.load()?,
            socket: listen("--http", config.http).await?,
        };
        let plain = match config.tls.http_plain {
            Some(address) => Some(rest::Listener {
                tls: None,
                socket: listen("--http-plain", address).await?,
            }),
            None => None,
        };
        let grpc = listen("--grpc", config.grpc).await?;
        let ops = listen("--ops", config.ops).await?;
        let cluster = store.cluster_id().await?;
        let core = Core::new(
            store,
            cluster,
            &config.limits.settings(),
            world::world(),
            NodeNetwork::new(config.inner.clone()),
            false,
        );
        core.count_known_nodes().await?;
        Ok(Self {
            core,
            config,
            admits,
            http,
            plain,
            grpc,
            ops,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not report them.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            http: self.http.socket.local_addr()?,
            grpc: self.grpc.local_addr()?,
            ops: self.ops.local_addr()?,
            plain: match &self.plain {
                Some(plain) => Some(plain.socket.local_addr()?),
                None => None,
            },
        })
    }

    /// What its modules share.
    #[cfg(feature = "standalone")]
    pub(crate) fn core(&self) -> Arc<Core> {
        self.core.clone()
    }

    /// Serves until `shutdown` is cancelled and what is in flight has ended.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self {
            core,
            config,
            admits,
            http,
            plain,
            grpc,
            ops,
        } = self;
        // Nodes, leader and ops port stay until the last request has ended.
        let inner = CancellationToken::new();
        let mut tasks = Essential::new(inner.clone());
        let port = grpc.local_addr().map_or(0, |at| at.port());
        let holder = leadership::holder(port);
        let metrics = Arc::new(Metrics::new());
        let stopping = Arc::new(AtomicBool::new(false));
        let ready = readiness(core.clone(), stopping.clone());
        tasks.run(
            "the lease",
            leader::run(core.clone(), holder, inner.clone()),
        );
        tasks.run("the mover", moves::run(core.clone(), inner.clone()));
        tasks.keep("the janitor", settle::run(core.clone()));
        tasks.keep(
            "the watch on files in trouble",
            trouble::watch(core.clone()),
        );
        tasks.keep("the keeper of drains", drain::keep(core.clone()));
        tasks.keep("the keeper of sums", sums::keep(core.clone()));
        tasks.keep("the watch on the store", store_health::watch(core.clone()));
        let port = kit::ops::serve(ops, ops_port(&core, &metrics, ready), inner.clone());
        tasks.run("the ops port", port);
        let (opens, tracer) = (config.inner, config.tracer.clone());
        let inner_port = serve_grpc(grpc, core.clone(), opens, tracer, inner.clone());
        tasks.run("the inner port", async move {
            if let Err(error) = inner_port.await {
                tracing::error!(%error, "the inner port");
            }
        });
        let announce = shutdown.clone();
        tokio::spawn(async move {
            announce.cancelled().await;
            stopping.store(true, Ordering::Relaxed);
        });
        let store = core.store.clone();
        let listeners = std::iter::once(http).chain(plain).collect();
        let rest = rest::serve(
            listeners,
            core,
            Observed {
                metrics,
                tracer: config.tracer,
            },
            config.rest,
            admits,
            config.console,
            shutdown.clone(),
        );
        let ended = tokio::select! {
            ended = rest => ended.context("the REST API failed"),
            () = overdue(shutdown) => Ok(()),
            // What is in flight can't be ended any more, so it is not waited for.
            lost = store.lost() => return Err(lost).context("leaving, so that a restart heals the store"),
            failed = tasks.failed() => return Err(failed),
        };
        inner.cancel();
        // An administrator's listing that nobody reads, or a store that is away, must
        // not hold up the end: what is broken off then is settled as after a crash.
        if tokio::time::timeout(LEAVE, tasks.finish()).await.is_err() {
            tracing::warn!("leaving with work under way, after {LEAVE:?}");
        }
        ended
    }
}

async fn overdue(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
    tracing::warn!("leaving with requests in flight, after {DRAIN:?}");
}

/// Serves Registry and Admin until `shutdown` is cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve_grpc(
    listener: TcpListener,
    core: Arc<Core>,
    inner: Inner,
    tracer: Tracer,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (commands, joins) = (inner.guard_of_commands(), inner.guard_of_joins());
    let incoming = inner.incoming(listener, shutdown.clone());
    let registry = RegistryService::new(core.clone(), inner, tracer, shutdown.clone());
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(2)))
        .http2_keepalive_timeout(Some(Duration::from_secs(3)))
        .add_service(RegistryServer::with_interceptor(registry, joins))
        .add_service(AdminServer::with_interceptor(AdminService(core), commands))
        .serve_with_incoming_shutdown(incoming, async move { shutdown.cancelled().await })
        .await
}

/// Connections of the REST API: as many as wanted, or as open files allow.
fn connections(wanted: usize) -> usize {
    let limit = kit::descriptors::raise();
    let allowed = kit::descriptors::connections(limit, Port::Rest, wanted);
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            limit,
            "--max-connections is more than the limit of open files allows"
        );
    }
    allowed
}

fn readiness(core: Arc<Core>, stopping: Arc<AtomicBool>) -> kit::ops::Readiness {
    let started = Instant::now();
    let joined = AtomicBool::new(false);
    // Once ready, it stays so until SIGTERM; a store that is away is only noted.
    let note = |core: &Core| {
        let away = core.known.store_health.away();
        let away = away.map(|why| format!("the metadata store is away: {why}"));
        away.or_else(|| core.store.short().map(|full| full.to_string()))
    };
    Arc::new(move || {
        if stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        if joined.load(Ordering::Relaxed) || started.elapsed() >= JOIN_GRACE {
            joined.store(true, Ordering::Relaxed);
            return Ok(note(&core));
        }
        let known = core.known_nodes();
        let here = core.nodes.all_available().len();
        if known.is_some_and(|known| here >= known) {
            joined.store(true, Ordering::Relaxed);
            return Ok(note(&core));
        }
        Err(format!(
            "{here} of {} nodes have joined",
            known.unwrap_or(0)
        ))
    })
}

fn ops_port(core: &Arc<Core>, metrics: &Metrics, readiness: kit::ops::Readiness) -> Ops {
    let (gauges, of) = (Gauges::of(metrics), core.clone());
    Ops {
        registry: metrics.registry.clone(),
        readiness,
        refresh: Arc::new(move || gauges.refresh(&of)),
    }
}

/// Listens; an error names the flag that asked for it.
///
/// # Errors
/// When the address can't be had.
pub async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    kit::listen::bind(address)
        .await
        .with_context(|| format!("{flag} {address}"))
}

/// `manager serve`.
///
/// # Errors
/// When store or listeners can't be had.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let shutdown = kit::signals::shutdown()?;
    let inner = args.inner.load()?;
    let traces = args.otlp.start("dfs-manager")?;
    let store = args.store.open().await?;
    let config = Config {
        http: args.http,
        tls: args.tls,
        grpc: args.grpc,
        ops: args.ops,
        inner,
        limits: args.limits,
        rest: args.rest,
        auth: args.auth,
        console: args.console.console,
        tracer: traces.tracer(),
    };
    let manager = Manager::bind(store, config).await?;
    let at = manager.addresses()?;
    println!("ready {at}");
    let served = manager.run(shutdown).await;
    traces.end().await;
    served
}
