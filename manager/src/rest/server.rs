//! The accept loop: as many connections as `--max-connections` says, each with
//! its deadlines, and an end that lets requests in flight finish. It is our own, since
//! `axum::serve` and the servers of `hyper-util` know no share of one client, no deadline
//! of a head that distinguishes it from an idle connection, and no windows of their own
//! for each connection.

use super::activity::Activity;
use super::clients::{Clients, Connected};
use super::front::Front;
use super::handshake::secured;
use super::hosts::Hosts;
use super::io::{Deadlines, Guarded, LINGER};
use super::listeners::{Accepted, Listener, Listeners};
use super::protocols::{H2_NARROW, H2_WIDE, Protocols, Streams};
use super::turns::in_turn;
use super::writes::Writes;
use super::{Rest, router};
use crate::callers::Admits;
use crate::limits::RestLimits;
use crate::metrics::Observed;
use futures::FutureExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use manager_protocol::core::Core;
use manager_protocol::waiters::Waiters;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A pause after an accept that failed, as when file descriptors have run out.
const BREATH: Duration = Duration::from_millis(50);
/// Serves the REST API on all listeners, under the same bounds, until `shutdown` is
/// cancelled and every request in flight has ended. Idle connections are closed at once
/// then.
///
/// # Errors
/// When a listener has no address; a failing accept is tried again.
pub(crate) async fn serve(
    listeners: Vec<Listener>,
    core: Arc<Core>,
    observed: Observed,
    limits: RestLimits,
    admits: Admits,
    console: bool,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let clients = Clients::new(&core.world, &limits, &observed.metrics.callers);
    let protocols = Protocols::new(&limits);
    let deadlines = Deadlines {
        head: limits.header_timeout,
        idle: limits.idle_timeout,
        write: limits.write_idle_timeout,
        rate: limits.download_rate(),
    };
    let mut listeners = Listeners::new(listeners);
    let hosts = Hosts::new(limits.allowed_hosts.clone(), listeners.are_loopback()?);
    let rest = Rest::new(
        core,
        observed,
        limits,
        hosts,
        admits,
        console,
        shutdown.clone(),
    );
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
            accepted = accept(&mut listeners, &places) => accepted,
        };
        match accepted {
            Ok((accepted, place)) => {
                let Some(connected) = clients.connect(accepted.peer.ip()) else {
                    // Closed at once: to let it wait would keep others waiting.
                    tracing::debug!(peer = %accepted.peer, "the client has its share of --max-connections");
                    continue;
                };
                let serving = serving.clone();
                let connected = Arc::new(connected);
                connections.spawn(in_turn(connected.clone(), async move {
                    serving.connection(accepted, connected).await;
                    drop(place);
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listeners);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// The next connection, once there is a place for it: past the bound, clients
/// wait in the listeners' backlogs.
async fn accept(
    listeners: &mut Listeners,
    places: &Arc<Semaphore>,
) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let accepted = listeners.accept().await?;
    accepted.socket.set_nodelay(true)?;
    Ok((accepted, place))
}

/// What all connections share.
struct Serving {
    protocols: Protocols,
    deadlines: Deadlines,
    front: Front,
    shutdown: CancellationToken,
}

impl Serving {
    async fn connection(&self, accepted: Accepted, connected: Arc<Connected>) {
        let activity = Arc::new(Activity::over(accepted.tls.is_some()));
        let (deadlines, first) = (self.deadlines, Instant::now() + self.deadlines.head);
        let Some(tls) = &accepted.tls else {
            let socket = Writes::new(accepted.socket, deadlines, activity.clone());
            let socket = Guarded::new(socket, deadlines, activity.clone(), first);
            return self.serve(socket, activity, connected).await;
        };
        let secured = tokio::select! {
            secured = secured(tls, accepted.socket, deadlines, &activity, first) => secured,
            () = self.shutdown.cancelled() => return,
        };
        match secured {
            // In a piece of memory of its own: a plain connection does without it.
            Ok(stream) => {
                let socket = Guarded::new(stream, deadlines, activity.clone(), first);
                Box::pin(self.serve(socket, activity, connected)).await;
            }
            Err(why) => tracing::debug!(peer = %accepted.peer, %why, "no TLS came about"),
        }
    }

    /// Serves what a client sends, over TLS or without.
    async fn serve<T>(
        &self,
        mut socket: Guarded<T>,
        activity: Arc<Activity>,
        connected: Arc<Connected>,
    ) where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let http2 = tokio::select! {
            begun = socket.speaks_http2() => match begun {
                Ok(http2) => http2,
                // Nothing came in time.
                Err(_) => return,
            },
            () = self.shutdown.cancelled() => {
                // An end of TLS is said as such, if nothing has to be waited for.
                let _ = socket.shutdown().now_or_never();
                return;
            }
        };
        let io = TokioIo::new(socket);
        let served = activity.clone();
        let serve = |request, waiters: &Waiters| {
            let front = self.front.clone();
            front.serve(request, connected.clone(), waiters.clone(), served.begin())
        };
        let protocols = &self.protocols;
        if !http2 {
            let service = service_fn(|request| serve(request, &Waiters::UNBOUNDED));
            let connection = protocols.http1.serve_connection(io, service);
            return self.drive(connection, &activity).await;
        }
        let own = connected.client().wide.clone().try_acquire_owned();
        let wide = own.and_then(|own| {
            let place = protocols.wide_places.clone().try_acquire_owned()?;
            Ok((own, place))
        });
        let windows = match &wide {
            Ok(_) => &H2_WIDE,
            Err(_) => &H2_NARROW,
        };
        let builder = protocols.http2(windows, Streams(connected.clone()));
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
        let (mut leaving, mut over) = (false, false);
        let mut quiet = pin!(activity.quiet());
        // A client that does not end what it was told to end; what it still sends is read
        // for a while, so that the answer reaches it.
        let mut farewell = pin!(async {
            tokio::time::sleep(LINGER).await;
            activity.quiet().await;
        });
        let ended = loop {
            let leave = tokio::select! {
                ended = connection.as_mut() => break ended,
                () = self.shutdown.cancelled(), if !leaving => true,
                () = activity.told_to_end(), if !over => {
                    over = true;
                    true
                }
                () = farewell.as_mut(), if over => return,
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
