//! The connections to one node, and its verbs as plain calls.

use super::counted::NodeCount;
use super::exchange::{CallError, Exchange};
use bytes::Bytes;
use kit::token::{Bearer, Token};
use proto::v1::storage_client::StorageClient;
use proto::v1::{
    Abort, CopyRef, CopyState, DeleteRequest, FileMeta, Finish, InspectRequest, InventoryBatch,
    InventoryRequest, Linked, ListCorruptRequest, Open, QuarantineRequest, ReadRequest, SealReply,
    SealRequest, StatRequest, TransferRequest, UploadPart, UploadReply, Write, reply, request,
    upload_reply,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(2);
/// The deadline of a call that only touches one small file.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// The deadline of a call whose work grows with the file.
pub(super) const LONG_CALL: Duration = Duration::from_secs(600);
/// Messages that may wait in a stream to the node.
const STREAM_QUEUE: usize = 4;
/// Flow control: what a node may send ahead on one stream, enough to keep a
/// data-centre link busy. Readers that stand still each hold that much, so the
/// connection has room for all streams that a node serves at once, or slow
/// readers would hold up the others.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = proto::STREAMS * STREAM_WINDOW;

type Client = StorageClient<InterceptedService<Channel, Bearer>>;

/// One node's connections: one for small operations, one for streams, so that
/// no small operation waits behind a large body.
pub struct Link {
    exchange: Exchange,
    large: Client,
    small: Client,
    count: Arc<NodeCount>,
    closed: CancellationToken,
}

impl Link {
    /// Connects to a node.
    ///
    /// # Errors
    /// When the node can't be reached at its advertised endpoint.
    pub async fn connect(
        endpoint: &str,
        token: &Token,
        closed: CancellationToken,
    ) -> Result<Self, tonic::Status> {
        let mut small = client(endpoint, token).await?;
        let large = client(endpoint, token).await?;
        let (requests, outgoing) = mpsc::channel(STREAM_QUEUE);
        let opened = small.exchange(ReceiverStream::new(outgoing));
        let replies = tokio::time::timeout(CONNECT, opened)
            .await
            .map_err(|_| tonic::Status::deadline_exceeded("the exchange did not open"))??
            .into_inner();
        let count = Arc::<NodeCount>::default();
        let exchange = Exchange::start(requests, replies, count.clone(), closed.clone());
        Ok(Self {
            exchange,
            large,
            small,
            count,
            closed,
        })
    }

    /// Files on the node, as it last said.
    pub(super) fn count(&self) -> &NodeCount {
        &self.count
    }

    /// How many small operations wait to be sent.
    pub fn queued(&self) -> usize {
        self.exchange.queued()
    }

    /// Stages a small file; [`Self::finish`] tells how it went.
    ///
    /// # Errors
    /// When the node is gone.
    pub async fn stage(&self, open: Open, data: Bytes, meta: FileMeta) -> Result<(), CallError> {
        let trace = open.trace;
        // With the record at hand the node flushes file and record at once.
        let write = Write {
            open: Some(open),
            data,
            meta: Some(meta),
        };
        self.exchange.tell(trace, request::Op::Write(write)).await
    }

    /// Permits the link of a staged file (rule 6); answers its leaf.
    ///
    /// # Errors
    /// See [`CallError::certainly_not_done`].
    pub async fn finish(&self, trace: u64, meta: FileMeta) -> Result<u32, CallError> {
        let op = request::Op::Finish(Finish { meta: Some(meta) });
        match self.exchange.ask(trace, op, CALL).await? {
            reply::Result::Linked(Linked { leaf }) => Ok(leaf),
            other => Err(unexpected(&other)),
        }
    }

    /// Drops a staged file whose finish was never sent.
    pub async fn abort(&self, trace: u64, id: Bytes, generation: u32) {
        // A node that is gone has dropped it already.
        let _ = self
            .exchange
            .tell(trace, request::Op::Abort(Abort { id, generation }))
            .await;
    }

    /// Reads a small range in one message.
    ///
    /// # Errors
    /// NOT_FOUND when the node does not hold that copy.
    pub async fn read(&self, read: ReadRequest) -> Result<Bytes, CallError> {
        match self
            .exchange
            .ask(read.trace, request::Op::Read(read), CALL)
            .await?
        {
            reply::Result::Data(data) => Ok(data),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks whether the node holds a copy.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn stat(&self, trace: u64, copy: CopyRef) -> Result<CopyState, CallError> {
        let op = request::Op::Stat(StatRequest { copy: Some(copy) });
        match self.exchange.ask(trace, op, CALL).await? {
            reply::Result::State(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes exactly one copy (rule 3); answers whether it was there.
    ///
    /// # Errors
    /// When the node does not confirm.
    pub async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError> {
        match self
            .exchange
            .ask(delete.trace, request::Op::Delete(delete), CALL)
            .await?
        {
            reply::Result::Deleted(deleted) => Ok(deleted.found),
            other => Err(unexpected(&other)),
        }
    }

    /// Opens an upload stream; its parts go into the sender, its outcome comes
    /// from the handle.
    pub fn upload(
        &self,
    ) -> (
        mpsc::Sender<UploadPart>,
        tokio::task::JoinHandle<Result<u32, CallError>>,
    ) {
        let (parts, outgoing) = mpsc::channel(STREAM_QUEUE);
        let mut client = self.large.clone();
        let (count, closed) = (self.count.clone(), self.closed.clone());
        let outcome = tokio::spawn(async move {
            let call = client.upload_file(ReceiverStream::new(outgoing));
            let reply = tokio::select! {
                () = closed.cancelled() => {
                    return Err(CallError::Lost("the node has left".to_owned()));
                }
                reply = call => reply?,
            };
            linked(&count, reply.into_inner())
        });
        (parts, outcome)
    }

    /// Opens a download stream.
    ///
    /// # Errors
    /// NOT_FOUND when the node does not hold that copy.
    pub async fn download(
        &self,
        read: ReadRequest,
    ) -> Result<tonic::Streaming<proto::v1::DownloadPart>, CallError> {
        let mut client = self.large.clone();
        self.bounded(CALL, client.download_file(read)).await
    }

    /// Has the node send its copy to another node; answers the leaf there.
    ///
    /// # Errors
    /// See [`CallError::certainly_not_done`].
    pub async fn transfer(&self, transfer: TransferRequest) -> Result<u32, CallError> {
        let mut client = self.large.clone();
        let call = client.transfer_file(transfer);
        linked(&self.count, self.bounded(LONG_CALL, call).await?)
    }

    /// Streams what the node holds, from disk, from a leaf on.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn inventory(
        &self,
        quarantine: bool,
        from_leaf: u32,
    ) -> Result<tonic::Streaming<InventoryBatch>, CallError> {
        let mut client = self.large.clone();
        let request = InventoryRequest {
            quarantine,
            from_leaf,
        };
        self.bounded(CALL, client.inventory(request)).await
    }

    /// Asks about many copies at once.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn inspect(&self, copies: Vec<CopyRef>) -> Result<Vec<CopyState>, CallError> {
        let mut client = self.small.clone();
        let asked = copies.len();
        let states = self
            .bounded(LONG_CALL, client.inspect(InspectRequest { copies }))
            .await?
            .states;
        if states.len() == asked {
            Ok(states)
        } else {
            Err(CallError::Lost(format!(
                "{} answers to {asked} questions",
                states.len()
            )))
        }
    }

    /// Moves a copy into quarantine.
    ///
    /// # Errors
    /// When the node does not confirm.
    pub async fn quarantine(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        Ok(self.bounded(CALL, client.quarantine(request)).await?.found)
    }

    /// Moves a copy back from quarantine; answers its leaf if it was there.
    ///
    /// # Errors
    /// When the node does not confirm.
    pub async fn adopt(&self, request: QuarantineRequest) -> Result<Option<u32>, CallError> {
        let mut client = self.small.clone();
        let reply = self.bounded(CALL, client.adopt(request)).await?;
        Ok(reply.found.then_some(reply.leaf))
    }

    /// Removes a copy from quarantine.
    ///
    /// # Errors
    /// When the node does not confirm.
    pub async fn discard(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        Ok(self.bounded(CALL, client.discard(request)).await?.found)
    }

    /// Has the node re-read a copy; answers whether it is intact. One that is not
    /// it does not serve any more.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn verify(&self, copy: CopyRef) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        let copies = vec![copy];
        let reply = self
            .bounded(LONG_CALL, client.verify(InspectRequest { copies }))
            .await?;
        Ok(reply.intact == [true])
    }

    /// Every copy that the node knows to be corrupt.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn list_corrupt(&self) -> Result<Vec<CopyRef>, CallError> {
        let mut client = self.small.clone();
        let asked = client.list_corrupt(ListCorruptRequest {});
        Ok(self.bounded(CALL, asked).await?.copies)
    }

    /// Seals the node, or opens it again (rule 15).
    ///
    /// # Errors
    /// When the node does not confirm.
    pub async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError> {
        let mut client = self.small.clone();
        let call = client.seal(SealRequest { sealed, leader });
        let reply = self.bounded(CALL, call).await?;
        if let Some(counted) = reply.counted {
            self.count.take(counted);
        }
        Ok(reply)
    }

    async fn bounded<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            () = self.closed.cancelled() => Err(CallError::Lost("the node has left".to_owned())),
            done = tokio::time::timeout(deadline, call) => match done {
                Ok(reply) => Ok(reply?.into_inner()),
                Err(_) => Err(CallError::Lost(format!("no answer within {deadline:?}"))),
            },
        }
    }
}

/// Asks who serves at an endpoint.
///
/// # Errors
/// When nobody answers there in time.
pub(crate) async fn identify(
    endpoint: &str,
    key: &Token,
    deadline: Duration,
) -> Result<proto::v1::IdentifyReply, tonic::Status> {
    let asked = async {
        let mut client = client(endpoint, key).await?;
        Ok(client
            .identify(proto::v1::IdentifyRequest {})
            .await?
            .into_inner())
    };
    tokio::time::timeout(deadline, asked)
        .await
        .map_err(|_| tonic::Status::deadline_exceeded("nobody answered"))?
}

async fn client(endpoint: &str, token: &Token) -> Result<Client, tonic::Status> {
    let channel = Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|e| tonic::Status::invalid_argument(format!("endpoint {endpoint}: {e}")))?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|e| tonic::Status::unavailable(format!("{endpoint}: {e}")))?;
    Ok(StorageClient::with_interceptor(channel, token.bearer()))
}

fn linked(count: &NodeCount, reply: UploadReply) -> Result<u32, CallError> {
    if let Some(counted) = reply.counted {
        count.take(counted);
    }
    match reply.result {
        Some(upload_reply::Result::Linked(Linked { leaf })) => Ok(leaf),
        Some(upload_reply::Result::Failure(failure)) => Err(failure.into()),
        None => Err(CallError::Lost("an answer without a result".to_owned())),
    }
}

fn unexpected(other: &reply::Result) -> CallError {
    CallError::Lost(format!("an answer to something else: {other:?}"))
}
