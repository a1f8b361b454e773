//! A node's life: open the volume, serve, stay joined, leave in order.

use crate::config::Config;
use crate::disk::health::Health;
use crate::disk::{Disk, Options};
use crate::identity::Volume;
use crate::join::Joiner;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::scrub::Scrub;
use crate::service::StorageService;
use crate::vital::{Held, Vital};
use anyhow::Context;
use kit::ops::Ops;
use parking_lot::Mutex;
use proto::v1::handover_server::HandoverServer;
use proto::v1::storage_server::StorageServer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Flow-control windows: large bodies must not wait for a round trip.
const WINDOW: u32 = 8 << 20;
const FRAME: u32 = 256 << 10;
/// Streams of one connection.
const STREAMS: u32 = 1024;
/// Streams that their caller reset before they were accepted: as many may be pending
/// as there may be streams. Beyond that the connection would be closed, with all that
/// is on it.
const DROPPED: usize = STREAMS as usize;

/// How long background work may take to end once the last request has.
const LEAVE: Duration = Duration::from_secs(5);

/// Where a node that is ready listens.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The Storage service.
    pub listen: SocketAddr,
    /// The ops port.
    pub ops: Option<SocketAddr>,
}

/// Runs a node until `shutdown` is cancelled and what is in flight has ended.
/// `ready` is sent once the volume is open and the node listens; managers need
/// not be there.
///
/// # Errors
/// When the volume is refused or an address can't be listened on.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    ready: oneshot::Sender<Ready>,
) -> anyhow::Result<()> {
    config.inner.allows_listening("--listen", config.listen)?;
    kit::descriptors::raise();
    // Take the address first: a second node must not scan the volume in vain.
    let listener = kit::listen::bind(config.listen)
        .await
        .with_context(|| format!("--listen {}", config.listen))?;
    let listen = listener.local_addr().context("--listen")?;
    let metrics = Arc::new(Metrics::default());
    let mut vital = Vital::new(shutdown.clone());
    let committer = vital.hold("the committer");
    let node = open(&config, Arc::clone(&metrics), shutdown.clone(), committer).await?;
    let registry = config.registry.clone().unwrap_or_default();
    register(&registry, &metrics, config.id.as_str());
    node.refresh_metrics();

    let stop = CancellationToken::new();
    let ops = serve_ops(&config, &node, registry, stop.clone(), &vital).await?;
    let housekeeping = Arc::clone(&node).housekeeping(config.upload_idle);
    let housekeeping = vital.spawn("housekeeping", housekeeping);
    let watched = Arc::clone(&node);
    thread(
        "disk-watch",
        vital.hold("the watch of the disk"),
        move || {
            watched.watch_disk();
        },
    )?;
    let scrubbed = Arc::clone(&node);
    let scrub = thread("scrub", vital.hold("the scrub"), move || {
        scrubbed.scrub.run(&scrubbed.disk, &scrubbed.leaving);
        scrubbed.scrub.save(Duration::ZERO);
    })?;
    let joiner = Arc::new(Joiner {
        node: Arc::clone(&node),
        pool: config.pool.clone(),
        advertise: config
            .advertise
            .clone()
            .unwrap_or_else(|| listen.to_string()),
        inner: config.inner.clone(),
        stop: stop.clone(),
    });
    let joins = vital.spawn("the joiner", joiner.run(config.managers.clone()));
    tracing::info!(
        id = config.id.as_str(),
        volume = %node.volume.identity().volume_id,
        files = node.disk.files(),
        %listen,
        "ready"
    );
    // The caller may not wait for it.
    let _ = ready.send(Ready { listen, ops });

    let served = tokio::select! {
        served = serve(&config, listener, Arc::clone(&node), shutdown.clone()) => served,
        lost = vital.lost() => {
            stop.cancel();
            shutdown.cancel();
            anyhow::bail!("{lost} has ended, without which the node can't go on: restart it");
        }
    };
    stop.cancel();
    shutdown.cancel();
    // All end once the tokens are cancelled; a silent disk must not hold up the end.
    let ended = futures::future::join3(joins, housekeeping, scrub);
    if tokio::time::timeout(LEAVE, ended).await.is_err() {
        tracing::warn!("the disk does not answer: leaving without its background work");
    }
    tracing::info!(id = config.id.as_str(), "left");
    served
}

/// Runs work on a thread of its own; the receiver that is returned waits for its end.
fn thread(
    name: &'static str,
    held: Held,
    work: impl FnOnce() + Send + 'static,
) -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, wait) = oneshot::channel();
    let job = move || {
        work();
        held.release();
        // Nobody waits where the node ends in another way.
        let _ = ended.send(());
    };
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(job)
        .with_context(|| format!("the thread {name} can't be started"))?;
    Ok(wait)
}

async fn open(
    config: &Config,
    metrics: Arc<Metrics>,
    leaving: CancellationToken,
    committer: Held,
) -> anyhow::Result<Arc<Node>> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let volume = Volume::open(&config.data, &config.id, config.require_mount)?;
        let options = Options {
            reserve: config.reserve,
            capacity: config.capacity,
            no_tmpfile: config.no_tmpfile,
            plain_rename: false,
        };
        let disk = Disk::open(volume.path(), options, Arc::clone(&metrics), committer)
            .with_context(|| format!("--data {}", config.data.display()))?;
        let scrub = Scrub::open(volume.path(), config.scrub)
            .with_context(|| format!("--data {}", config.data.display()))?;
        Node::new(volume, disk, scrub, metrics, leaving, config.max_tombstones)
            .context("a thread can't be started")
    })
    .await
    .context("opening the volume")?
}

fn register(registry: &Mutex<prometheus_client::registry::Registry>, metrics: &Metrics, id: &str) {
    let mut registry = registry.lock();
    metrics.register(registry.sub_registry_with_label(("node".into(), id.to_owned().into())));
}

async fn serve_ops(
    config: &Config,
    node: &Arc<Node>,
    registry: Arc<Mutex<prometheus_client::registry::Registry>>,
    stop: CancellationToken,
    vital: &Vital,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = config.ops else {
        return Ok(None);
    };
    let listener = kit::listen::bind(address)
        .await
        .with_context(|| format!("--ops {address}"))?;
    let bound = listener.local_addr().context("--ops")?;
    let (asked, scraped) = (Arc::clone(node), Arc::clone(node));
    let ops = Ops {
        registry,
        readiness: Arc::new(move || {
            if asked.leaving.is_cancelled() {
                Err("the node is leaving".to_owned())
            } else {
                disk_readiness(asked.disk.health())
            }
        }),
        refresh: Arc::new(move || scraped.refresh_metrics()),
    };
    vital.spawn("the ops port", kit::ops::serve(listener, ops, stop));
    Ok(Some(bound))
}

/// What the disk's health means to readiness.
fn disk_readiness(health: &Health) -> Result<Option<String>, String> {
    if let Some(why) = health.refusal() {
        return Err(format!("{why}: no writes until a restart"));
    }
    let silent = health.silent().as_secs();
    if silent >= proto::DISK_SILENT.as_secs() {
        return Err(format!("the disk has not answered for {silent} s"));
    }
    Ok(None)
}

async fn serve(
    config: &Config,
    listener: TcpListener,
    node: Arc<Node>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let tracer = config.tracer.clone();
    let traced = kit::spans::continued(tracer.clone());
    let idle = config.upload_idle;
    let service = StorageService::new(node, &config.inner, &config.pool, idle, tracer);
    let handover = HandoverServer::new(service.clone());
    let guard = config.inner.guard_of_storage(&config.pool);
    let service = StorageServer::with_interceptor(service, guard);
    let incoming = config.inner.incoming(listener, shutdown.clone());
    let served = tonic::transport::Server::builder()
        .initial_stream_window_size(WINDOW / 2)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(DROPPED))
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .layer(traced)
        .add_service(service)
        .add_service(handover)
        .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(config.drain_timeout).await;
    };
    tokio::select! {
        served = served => served.context("serving"),
        () = overdue => {
            tracing::warn!("requests in flight were broken off");
            Ok(())
        }
    }
}
