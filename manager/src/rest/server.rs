//! The accept loop: as many connections as `--max-connections` says, each with
//! its deadlines, and an end that lets requests in flight finish. It is our own, since
//! `axum::serve` and the servers of `hyper-util` know no share of one client, no deadline
//! of a head that distinguishes it from an idle connection, and no windows of their own
//! for each connection.

use super::activity::Activity;
use super::clients::{Clients, Connected, H2_WIDE_PLACES};
use super::front::Front;
use super::hosts::Hosts;
use super::io::{Deadlines, Guarded};
use super::{Rest, router};
use crate::limits::RestLimits;
use crate::metrics::Metrics;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use manager_protocol::core::Core;
use manager_protocol::waiters::Waiters;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A pause after an accept that failed, as when file descriptors have run out.
const BREATH: Duration = Duration::from_millis(50);
/// What hyper reads ahead on an HTTP/1 connection, and about what it holds of an
/// answer: one piece of a body.
const H1_BUFFER: usize = 64 * 1024;
/// A head may be this much longer than allowed, so that it can be refused in our
/// own words.
const H1_SLACK: usize = 4 * 1024;
/// Requests at once on one HTTP/2 connection.
const H2_STREAMS: u32 = 100;
/// Windows of the first [`H2_WIDE_PLACES`] connections: there is room for every
/// stream, so that none of them can hold up another.
const H2_WIDE: Windows = Windows {
    connection: H2_STREAMS * (64 << 10),
    stream: 64 << 10,
    waiters: None,
};
/// Windows of all further connections: what lies in the windows of
/// `--max-connections` is bounded (invariant 9). Before a client has our settings, it
/// may fill the window that the protocol begins with by an upload that waits; beside that
/// there is room for one that does not.
const H2_NARROW: Windows = Windows {
    connection: H2_FIRST + (16 << 10),
    stream: 16 << 10,
    waiters: Some(1),
};
/// The window that each connection and each stream begins with (RFC 9113, section 6.9.2).
const H2_FIRST: u32 = 65_535;
/// Bytes of an answer that the HTTP/2 library buffers for one stream before it takes
/// the next piece.
const H2_SEND: usize = 128 << 10;
/// How often a silent HTTP/2 client is asked whether it is there.
const H2_PING: Duration = Duration::from_secs(20);

/// Serves the REST API until `shutdown` is cancelled and every request in
/// flight has ended. Idle connections are closed at once then.
///
/// # Errors
/// When the listener has no address; a failing accept is tried again.
pub(crate) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    metrics: Arc<Metrics>,
    limits: RestLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let clients = Clients::new(&core.world, &limits);
    let protocols = Protocols::new(&limits);
    let deadlines = Deadlines {
        head: limits.header_timeout,
        idle: limits.idle_timeout,
        write: limits.write_idle_timeout,
        rate: limits.download_rate(),
    };
    let loopback = listener.local_addr()?.ip().is_loopback();
    let hosts = Hosts::new(limits.allowed_hosts.clone(), loopback);
    let rest = Rest::new(core, metrics, limits, hosts);
    let front = Front::new(rest.clone(), router::router(rest));
    let serving = Arc::new(Serving {
        protocols,
        deadlines,
        front,
        shutdown: shutdown.clone(),
    });
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((socket, peer, place)) => {
                let Some(connected) = clients.connect(peer.ip()) else {
                    // Closed at once: to let it wait would keep others waiting.
                    tracing::debug!(%peer, "the client has its share of --max-connections");
                    continue;
                };
                let serving = serving.clone();
                connections.spawn(async move {
                    serving.connection(socket, connected).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// The next connection, once there is a place for it: past the bound, clients
/// wait in the listener's backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, peer, place))
}

/// How each protocol is served.
struct Protocols {
    http1: http1::Builder,
    narrow: http2::Builder<TokioExecutor>,
    wide: http2::Builder<TokioExecutor>,
    /// Places for connections with wide windows.
    wide_places: Arc<Semaphore>,
}

impl Protocols {
    fn new(limits: &RestLimits) -> Self {
        let heads = usize::try_from(limits.max_header_bytes).unwrap_or(H1_BUFFER);
        let mut http1 = http1::Builder::new();
        http1
            // The deadlines are those of `Guarded`, which distinguishes an idle
            // connection from a head that has begun.
            .header_read_timeout(None)
            .max_header_size(heads + H1_SLACK)
            .max_buf_size(H1_BUFFER.max(heads + H1_SLACK))
            // A commit goes on though its client has gone, and a client may close
            // its side once it has sent its request.
            .half_close(true);
        Self {
            http1,
            narrow: http2(heads, &H2_NARROW),
            wide: http2(heads, &H2_WIDE),
            wide_places: Arc::new(Semaphore::new(H2_WIDE_PLACES)),
        }
    }
}

/// Bytes that a client may send ahead on an HTTP/2 connection and on one of its
/// streams.
struct Windows {
    connection: u32,
    stream: u32,
    /// Uploads that may wait, so that the others still have a stream's window of the
    /// connection; any number where there is room for every stream.
    waiters: Option<usize>,
}

fn http2(heads: usize, windows: &Windows) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .initial_stream_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .max_send_buf_size(H2_SEND)
        .max_header_list_size(u32::try_from(heads).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    builder
}

/// What all connections share.
struct Serving {
    protocols: Protocols,
    deadlines: Deadlines,
    front: Front,
    shutdown: CancellationToken,
}

impl Serving {
    async fn connection(&self, socket: TcpStream, connected: Connected) {
        let activity = Arc::new(Activity::default());
        let mut socket = Guarded::new(socket, self.deadlines, activity.clone());
        let http2 = tokio::select! {
            begun = socket.speaks_http2() => match begun {
                Ok(http2) => http2,
                // Nothing came in time.
                Err(_) => return,
            },
            () = self.shutdown.cancelled() => return,
        };
        let io = TokioIo::new(socket);
        let served = activity.clone();
        let client = connected.client().clone();
        let serve = |request, waiters: &Waiters| {
            let front = self.front.clone();
            front.serve(request, client.clone(), waiters.clone(), served.begin())
        };
        let protocols = &self.protocols;
        if !http2 {
            let service = service_fn(|request| serve(request, &Waiters::UNBOUNDED));
            let connection = protocols.http1.serve_connection(io, service);
            return self.drive(connection, &activity).await;
        }
        let own = client.wide.clone().try_acquire_owned();
        let wide = own.and_then(|own| {
            let place = protocols.wide_places.clone().try_acquire_owned()?;
            Ok((own, place))
        });
        let (builder, windows) = match &wide {
            Ok(_) => (&protocols.wide, &H2_WIDE),
            Err(_) => (&protocols.narrow, &H2_NARROW),
        };
        let waiters = windows.waiters.map_or(Waiters::UNBOUNDED, Waiters::at_most);
        let service = service_fn(|request| serve(request, &waiters));
        let connection = builder.serve_connection(io, service);
        self.drive(connection, &activity).await;
        drop(wide);
    }

    /// Serves a connection to its end.
    async fn drive<C>(&self, connection: C, activity: &Activity)
    where
        C: GracefulConnection,
        C::Error: std::fmt::Display,
    {
        let mut connection = pin!(connection);
        let mut looks = tokio::time::interval(look_every(self.deadlines.rate.grace));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leaving = false;
        let mut quiet = pin!(activity.quiet());
        let ended = loop {
            let leave = tokio::select! {
                ended = connection.as_mut() => break ended,
                () = self.shutdown.cancelled(), if !leaving => true,
                () = quiet.as_mut(), if leaving && self.shutdown.is_cancelled() => return,
                _ = looks.tick() => match activity.slow() {
                    (0, _) => false,
                    // All requests on it are too slow: what it holds is given back.
                    (_, true) => return,
                    // The other requests on it may end, and new ones need another connection.
                    (_, false) => true,
                },
            };
            if leave && !leaving {
                connection.as_mut().graceful_shutdown();
                leaving = true;
            }
        };
        if let Err(error) = ended {
            // Clients come and go: of interest only when debugging.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// How often answers are checked that a client may be too slow to take.
fn look_every(grace: Duration) -> Duration {
    (grace / 8).clamp(Duration::from_millis(50), Duration::from_secs(5))
}
