//! Connections to other nodes, kept for the next transfer.

use crate::fault::Failure;
use kit::inner::Inner;
use parking_lot::Mutex;
use proto::v1::Fault;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// The most connections kept; the one longest unused goes first.
const KEPT: usize = 64;
const CONNECT: Duration = Duration::from_secs(5);
/// Flow-control window, as large as that of the node's own server.
const WINDOW: u32 = 8 << 20;

/// The connections of one node to its peers.
pub(super) struct Peers {
    inner: Inner,
    /// By endpoint and pool, the latest used at the end.
    channels: Mutex<Vec<((String, String), Channel)>>,
}

impl Peers {
    /// Peers that are reached as a node reaches others.
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner,
            channels: Mutex::default(),
        }
    }

    /// A connection to a node of a pool at `HOST:PORT`; made on first use, and again when
    /// it broke.
    pub(super) fn channel(&self, endpoint: &str, pool: &str) -> Result<Channel, Failure> {
        let mut channels = self.channels.lock();
        let wanted = (endpoint.to_owned(), pool.to_owned());
        if let Some(at) = channels.iter().position(|(known, _)| *known == wanted) {
            let kept = channels.remove(at);
            let channel = kept.1.clone();
            channels.push(kept);
            return Ok(channel);
        }
        let target = Endpoint::from_shared(format!("http://{endpoint}"))
            .map_err(|error| Failure::new(Fault::Invalid, format!("{endpoint}: {error}")))?;
        let target = target
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .http2_keep_alive_interval(Duration::from_secs(10))
            // A transfer that is broken off must not end the others.
            .http2_max_local_error_reset_streams(None);
        let channel = self.inner.way_between_nodes(pool).connect_lazy(&target);
        if channels.len() >= KEPT {
            channels.remove(0);
        }
        channels.push((wanted, channel.clone()));
        Ok(channel)
    }
}
