//! A connection to one node: opened only if the expected node answers.

use super::exchange::{NotOpened, Opens, Streams};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use kit::inner::{Inner, Way, chain};
use manager_protocol::nodes::{Address, Another, Expected, Network, Node};
use proto::FileId;
use proto::v1::storage_client::StorageClient;
use proto::v1::{IdentifyReply, IdentifyRequest};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(2);
/// Messages that may wait in a stream to the node.
pub(super) const STREAM_QUEUE: usize = 4;
/// Flow control: what a node may send ahead on one stream, enough to keep a
/// data-centre link busy. Readers that stand still each hold that much, so the
/// connection has room for all streams that a node serves at once, or slow
/// readers would hold up the others.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = proto::STREAMS * STREAM_WINDOW;
/// How many streams that were dropped before their end are remembered, so that what
/// still comes for them is ignored. For a stream beyond these it counts as an error of
/// the node; no number of such errors ends the connection, since each is one client
/// that went away, and must cost nobody else anything.
const DROPPED: usize = 1024;
pub(super) type Client = StorageClient<InterceptedService<Channel, Way>>;

/// Why a node's endpoint is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConnected {
    /// Nobody answers there.
    #[error("can't be reached at {endpoint}: {why}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// The transport's error.
        why: tonic::Status,
    },
    /// Another node answers there.
    #[error(transparent)]
    Another(#[from] Another),
}

/// What opens the exchange, the first time and again.
pub(super) struct Opener {
    pub(super) endpoint: String,
    pub(super) client: Client,
    pub(super) expected: Expected,
}

impl Opener {
    pub(super) async fn open(&self) -> Result<Streams, NotConnected> {
        let unreachable = |why| NotConnected::Unreachable {
            endpoint: self.endpoint.clone(),
            why,
        };
        let mut client = self.client.clone();
        let opened = async {
            let who = client
                .identify(IdentifyRequest {})
                .await
                .map_err(unreachable)?
                .into_inner();
            self.expected.check(&self.endpoint, &who)?;
            let (requests, outgoing) = mpsc::channel(STREAM_QUEUE);
            let replies = client
                .exchange(ReceiverStream::new(outgoing))
                .await
                .map_err(unreachable)?;
            Ok(Streams {
                requests,
                replies: replies.into_inner().boxed(),
            })
        };
        let late = || unreachable(tonic::Status::deadline_exceeded("no answer"));
        tokio::time::timeout(CONNECT, opened)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

impl Opens for Opener {
    async fn open(&self) -> Result<Streams, NotOpened> {
        Opener::open(self).await.map_err(|error| match &error {
            NotConnected::Another(_) => NotOpened::Gone(error.to_string()),
            NotConnected::Unreachable { why, .. } if is_refused(why) => {
                NotOpened::Gone(error.to_string())
            }
            NotConnected::Unreachable { .. } => NotOpened::Failed(error.to_string()),
        })
    }
}

/// Whether nobody listens at the other end any more.
fn is_refused(status: &tonic::Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The network of the nodes.
pub(crate) struct NodeNetwork {
    inner: Inner,
}

impl NodeNetwork {
    /// The network whose inner ports this opens.
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl Network for NodeNetwork {
    async fn identify(&self, at: Address<'_>, time: Duration) -> Option<IdentifyReply> {
        let way = self.inner.way_to_node(at.pool, at.secured);
        let asked = async {
            let mut client = client(at.endpoint, &way).await.ok()?;
            Some(client.identify(IdentifyRequest {}).await.ok()?.into_inner())
        };
        tokio::time::timeout(time, asked).await.ok()?
    }

    fn ticket(&self, to: &Node, id: FileId, generation: u32, session: u64) -> Bytes {
        let id = id.as_bytes();
        match to.is_secured() {
            true => proto::keys::ticket(&to.ticket_key, id, generation, session)
                .to_vec()
                .into(),
            false => self.inner.ticket(&to.pool, id, generation, session).into(),
        }
    }
}

/// Connects.
pub(super) async fn client(endpoint: &str, way: &Way) -> Result<Client, tonic::Status> {
    let channel = way.connect(&target(endpoint)?).await;
    let channel =
        channel.map_err(|e| tonic::Status::unavailable(format!("{endpoint}: {}", chain(&e))))?;
    Ok(over(channel, way))
}

/// A client that connects when it is used.
pub(super) fn client_when_used(endpoint: &str, way: &Way) -> Result<Client, tonic::Status> {
    Ok(over(way.connect_lazy(&target(endpoint)?), way))
}

fn over(channel: Channel, way: &Way) -> Client {
    let client = StorageClient::with_interceptor(channel, way.clone());
    client.max_decoding_message_size(proto::MESSAGE_BYTES)
}

fn target(endpoint: &str) -> Result<Endpoint, tonic::Status> {
    let target = Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|e| tonic::Status::invalid_argument(format!("endpoint {endpoint}: {e}")))?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        .http2_max_concurrent_reset_streams(DROPPED)
        .http2_max_local_error_reset_streams(None);
    Ok(target)
}

/// Whether the connection failed, and not the call: a node's own statuses have no
/// cause.
pub(super) fn is_broken(status: &tonic::Status) -> bool {
    std::error::Error::source(status).is_some()
}
