//! The accept loop: as many connections as `--max-connections` says, each with
//! its deadlines, and an end that lets requests in flight finish.

use super::front::Front;
use super::io::{Activity, Deadlines, Guarded};
use super::{Rest, RestLimits, router};
use crate::core::Core;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A pause after an accept that failed, as when file descriptors have run out.
const BREATH: Duration = Duration::from_millis(50);
/// What hyper may hold of a connection's input: one piece of a body, or a head
/// somewhat longer than allowed, so that it can be refused in our own words.
const READ_BUFFER: usize = 256 * 1024;
/// Requests at once on one HTTP/2 connection.
const H2_STREAMS: u32 = 128;
/// Bytes that a client may send ahead on one HTTP/2 stream.
const H2_WINDOW: u32 = 1 << 20;
/// How often a silent HTTP/2 client is asked whether it is there.
const H2_PING: Duration = Duration::from_secs(20);

/// Serves the REST API until `shutdown` is cancelled and every request in
/// flight has ended. Idle connections are closed at once then.
///
/// # Errors
/// None for now; a failing accept is tried again.
pub(crate) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    limits: RestLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let builder = Arc::new(builder(&limits));
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let deadlines = Deadlines {
        head: limits.header_timeout,
        idle: limits.idle_timeout,
        write: limits.write_idle_timeout,
    };
    let rest = Rest::new(core, limits);
    let front = Front::new(rest.clone(), router::router(rest));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((socket, place)) => {
                let (builder, front) = (builder.clone(), front.clone());
                let shutdown = shutdown.clone();
                connections.spawn(async move {
                    connection(&builder, socket, deadlines, front, shutdown).await;
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
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, place))
}

fn builder(limits: &RestLimits) -> Builder<TokioExecutor> {
    let heads = usize::try_from(limits.max_header_bytes).unwrap_or(READ_BUFFER);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Deadlines are those of `Guarded`, which knows idle from begun.
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER.max(heads * 2))
        // A commit goes on though its client has gone, and a client may close
        // its side once it has sent its request.
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .initial_stream_window_size(H2_WINDOW)
        .initial_connection_window_size(H2_WINDOW * 4)
        .max_header_list_size(u32::try_from(heads).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    builder
}

async fn connection(
    builder: &Builder<TokioExecutor>,
    socket: TcpStream,
    deadlines: Deadlines,
    front: Front,
    shutdown: CancellationToken,
) {
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Guarded::new(socket, deadlines, activity.clone()));
    let quiet = activity.clone().quiet();
    let service = service_fn(move |request| front.clone().serve(request, activity.begin()));
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = quiet => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        // Clients come and go; only who looks for them wants to know.
        tracing::debug!(%error, "a connection ended early");
    }
}
