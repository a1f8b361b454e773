//! A connection to one node: opened only if the expected node answers.

use super::exchange::{NotOpened, Opens, Streams};
use futures::StreamExt;
use kit::token::{Bearer, Token};
use proto::NodeId;
use proto::v1::storage_client::StorageClient;
use proto::v1::{IdentifyReply, IdentifyRequest};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

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
pub(super) type Client = StorageClient<InterceptedService<Channel, Bearer>>;

/// Who is expected at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The node's id.
    pub id: NodeId,
    /// Its volume.
    pub volume_id: Uuid,
    /// Its session, if it has just stated one; it changes while a node runs (rule 4).
    pub session: Option<u64>,
}

/// Why a node's endpoint is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// Nobody answers there.
    #[error("can't be reached at {endpoint}: {why}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// The transport's error.
        why: tonic::Status,
    },
    /// Another node answers there.
    #[error(
        "at {endpoint} node {id} answers (volume {volume}, session {session:016x}), not node \
         {wanted} (volume {wanted_volume}): correct the address that {wanted} is given by \
         --advertise"
    )]
    Another {
        /// Where.
        endpoint: String,
        /// Who answers.
        id: String,
        /// Its volume.
        volume: String,
        /// Its session.
        session: u64,
        /// Who was expected.
        wanted: String,
        /// Its volume.
        wanted_volume: Uuid,
    },
}

impl Expected {
    /// Compares it with the node that answers at `endpoint`.
    ///
    /// # Errors
    /// Names both, where they differ.
    pub fn check(&self, endpoint: &str, who: &IdentifyReply) -> Result<(), NotConnected> {
        let same = who.node_id == self.id.as_str()
            && who.volume_id == self.volume_id.as_bytes()[..]
            && self.session.is_none_or(|session| who.session == session);
        if same {
            return Ok(());
        }
        let volume = Uuid::from_slice(&who.volume_id);
        Err(NotConnected::Another {
            endpoint: endpoint.to_owned(),
            id: proto::clip(who.node_id.clone()),
            volume: volume.map_or("unknown".to_owned(), |volume| volume.to_string()),
            session: who.session,
            wanted: self.id.to_string(),
            wanted_volume: self.volume_id,
        })
    }
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
            NotConnected::Another { .. } => NotOpened::Gone(error.to_string()),
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

/// Asks which node serves at an endpoint.
///
/// # Errors
/// When nobody answers there in time.
pub(crate) async fn identify(
    endpoint: &str,
    key: &Token,
    deadline: Duration,
) -> Result<IdentifyReply, tonic::Status> {
    let asked = async {
        let mut client = client(endpoint, key).await?;
        Ok(client.identify(IdentifyRequest {}).await?.into_inner())
    };
    tokio::time::timeout(deadline, asked)
        .await
        .map_err(|_| tonic::Status::deadline_exceeded("nobody answered"))?
}

/// Connects.
pub(super) async fn client(endpoint: &str, token: &Token) -> Result<Client, tonic::Status> {
    let channel = Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|e| tonic::Status::invalid_argument(format!("endpoint {endpoint}: {e}")))?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        .http2_max_concurrent_reset_streams(DROPPED)
        .http2_max_local_error_reset_streams(None)
        .connect()
        .await
        .map_err(|e| tonic::Status::unavailable(format!("{endpoint}: {e}")))?;
    let client = StorageClient::with_interceptor(channel, token.bearer());
    Ok(client.max_decoding_message_size(proto::MESSAGE_BYTES))
}

/// Whether the connection failed, and not the call: a node's own statuses have no
/// cause.
pub(super) fn is_broken(status: &tonic::Status) -> bool {
    std::error::Error::source(status).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_node_is_taken_and_the_other_is_named() {
        let expected = Expected {
            id: NodeId::new("n2").expect("an id"),
            volume_id: Uuid::from_u128(2),
            session: Some(7),
        };
        let who = |id: &str, volume: u128, session| IdentifyReply {
            node_id: id.to_owned(),
            volume_id: Uuid::from_u128(volume).as_bytes().to_vec().into(),
            session,
        };
        expected.check("here:1", &who("n2", 2, 7)).expect("itself");
        for other in [who("n1", 2, 7), who("n2", 1, 7), who("n2", 2, 8)] {
            let error = expected.check("here:1", &other).expect_err("another");
            let text = error.to_string();
            for part in ["here:1", other.node_id.as_str(), "n2", "--advertise"] {
                assert!(text.contains(part), "{text}");
            }
        }
        let later = Expected {
            session: None,
            ..expected
        };
        later
            .check("here:1", &who("n2", 2, 8))
            .expect("a new session");
    }
}
