//! The connections to one node, and its operations as plain calls.

use super::connect::{
    Client, NotConnected, Opener, STREAM_QUEUE, client, client_when_used, is_broken,
};
use super::exchange::Exchange;
use super::in_time::{self, in_time};
use super::steps::{self, STANDS_STILL, by_size, linked};
use super::verdict::call_error;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use kit::inner::Way;
use manager_protocol::nodes::{CallError, Calls, Expected, Inventory, NodeCount, Outcome, Parts};
use proto::v1::{
    Abort, CopyRef, CopyState, DeleteRequest, Fault, FileMeta, Finish, InspectRequest,
    InventoryRequest, Linked, ListCorruptRequest, Open, QuarantineRequest, ReadRequest, SealReply,
    SealRequest, StatRequest, TransferRequest, UploadPart, Write, reply, request,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The deadline of a call that only touches one small file.
const CALL: Duration = Duration::from_secs(10);
/// The deadline of a call that asks about many files.
const LONG_CALL: Duration = Duration::from_secs(60);
/// Copies that one call asks about: their records, of which each has at most 3 KiB,
/// stay within a message.
const INSPECTED: usize = 256;
/// The pause before something harmless is asked again, over a new connection.
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is asked.
const ASKS: u32 = 3;

/// Connections for the streams of clients.
const LANES: usize = 4;

/// One node's connections: one for small operations, and some for streams, so that no
/// small operation waits behind a large body. The streams of a connection share it
/// evenly, so that of two clients the one with a hundred streams would get a hundred
/// parts of it: each client uses one of the connections, as every fourth does, and the
/// manager's own long calls have another. Each is replaced when it breaks.
pub(crate) struct Link {
    exchange: Exchange,
    lanes: [Client; LANES],
    long: Client,
    small: Client,
    count: Arc<NodeCount>,
    closed: CancellationToken,
}

impl Link {
    /// Connects to a node, if it is the one expected.
    ///
    /// # Errors
    /// When it can't be reached at its advertised endpoint, or another one answers.
    pub(crate) async fn connect(
        endpoint: &str,
        way: &Way,
        expected: Expected,
        closed: CancellationToken,
    ) -> Result<Self, NotConnected> {
        let unreachable = |why| NotConnected::Unreachable {
            endpoint: endpoint.to_owned(),
            why,
        };
        let small = client(endpoint, way).await.map_err(unreachable)?;
        // When they are used: whoever has made no request yet is a stranger to a node.
        let lane = || client_when_used(endpoint, way).map_err(unreachable);
        let lanes = [lane()?, lane()?, lane()?, lane()?];
        let mut opener = Opener {
            endpoint: endpoint.to_owned(),
            client: small.clone(),
            expected,
        };
        let first = opener.open().await?;
        // From here on the node may begin a new session by itself.
        opener.expected.session = None;
        let count = Arc::<NodeCount>::default();
        let exchange = Exchange::start(first, opener, count.clone(), closed.clone());
        Ok(Self {
            exchange,
            lanes,
            long: lane()?,
            small,
            count,
            closed,
        })
    }

    /// The connection for the streams of the client of this number.
    fn lane(&self, client: u64) -> &Client {
        &self.lanes[client as usize % LANES]
    }

    /// A call that changes nothing: it is made again where the connection broke,
    /// which costs its callers nothing but time.
    async fn again<T, F>(
        &self,
        deadline: Duration,
        client: &Client,
        call: impl Fn(Client) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let made = async {
            let mut asks = 1;
            loop {
                match call(client.clone()).await {
                    Err(status) if asks < ASKS && is_broken(&status) => asks += 1,
                    done => return done,
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        self.bounded(deadline, made).await
    }

    async fn bounded<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            () = self.closed.cancelled() => Err(CallError::Lost("the node has left".to_owned())),
            done = tokio::time::timeout(deadline, call) => match done {
                Ok(reply) => Ok(reply.map_err(call_error)?.into_inner()),
                Err(_) => Err(CallError::Lost(format!("no answer within {deadline:?}"))),
            },
        }
    }
}

#[async_trait]
impl Calls for Link {
    fn count(&self) -> &NodeCount {
        &self.count
    }

    fn queued(&self) -> usize {
        self.exchange.queued()
    }

    fn late(&self) -> Option<std::time::Instant> {
        self.exchange.late().map(Instant::into_std)
    }

    async fn stage(&self, open: Open, data: Bytes, meta: FileMeta) -> Result<(), CallError> {
        let trace = open.trace;
        // With the record at hand the node flushes file and record at once.
        let write = Write {
            open: Some(open),
            data,
            meta: Some(meta),
        };
        let op = request::Op::Write(write);
        self.exchange.tell(trace, op, CALL).await
    }

    async fn finish(&self, trace: u64, meta: FileMeta, time: Duration) -> Result<u32, CallError> {
        let op = request::Op::Finish(Finish { meta: Some(meta) });
        match self.exchange.ask(trace, op, time).await? {
            reply::Result::Linked(Linked { leaf }) => Ok(leaf),
            other => Err(unexpected(&other)),
        }
    }

    async fn abort(&self, trace: u64, id: Bytes, generation: u32) {
        // A node that is gone has dropped it already.
        let _ = self
            .exchange
            .tell(trace, request::Op::Abort(Abort { id, generation }), CALL)
            .await;
    }

    async fn read(&self, read: ReadRequest) -> Result<Bytes, CallError> {
        match self
            .exchange
            .ask(read.trace, request::Op::Read(read), CALL)
            .await?
        {
            reply::Result::Data(data) => Ok(data),
            other => Err(unexpected(&other)),
        }
    }

    async fn stat(&self, trace: u64, copy: CopyRef) -> Result<CopyState, CallError> {
        let op = request::Op::Stat(StatRequest { copy: Some(copy) });
        match self.exchange.ask(trace, op, CALL).await? {
            // The copy, or the place where it would be, can't be read: neither whole
            // nor denied.
            reply::Result::State(state) if state.held && state.meta.is_none() => {
                let why = "the node can't read the copy, or where it would be".to_owned();
                Err(CallError::Fault(Fault::Io, why))
            }
            reply::Result::State(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }

    async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError> {
        match self
            .exchange
            .ask(delete.trace, request::Op::Delete(delete), CALL)
            .await?
        {
            reply::Result::Deleted(deleted) => Ok(deleted.found),
            other => Err(unexpected(&other)),
        }
    }

    fn upload(&self, client: u64) -> (mpsc::Sender<UploadPart>, Outcome) {
        let (parts, outgoing) = mpsc::channel(STREAM_QUEUE);
        let mut lane = self.lane(client).clone();
        let (count, closed) = (self.count.clone(), self.closed.clone());
        let outcome = AbortOnDropHandle::new(tokio::spawn(kit::spans::here().around(async move {
            let call = lane.upload_file(ReceiverStream::new(outgoing));
            let reply = tokio::select! {
                () = closed.cancelled() => {
                    return Err(CallError::Lost("the node has left".to_owned()));
                }
                reply = call => reply.map_err(call_error)?,
            };
            linked(&count, reply.into_inner())
        })));
        let outcome = async {
            let ended = outcome.await;
            ended.unwrap_or_else(|_| Err(CallError::Lost("broken off".to_owned())))
        };
        (parts, Box::pin(outcome))
    }

    async fn download(&self, client: u64, read: ReadRequest) -> Result<Parts, CallError> {
        let parts = self.again(CALL, self.lane(client), |mut client| {
            let read = read.clone();
            async move { client.download_file(read).await }
        });
        let parts = parts.await?;
        Ok(parts.map(|part| Ok(part.map_err(call_error)?.data)).boxed())
    }

    async fn transfer(&self, transfer: TransferRequest, size: u64) -> Result<u32, CallError> {
        let mut client = self.long.clone();
        let begun = async {
            match client.transfer_in_steps(transfer.clone()).await {
                Ok(steps) => Ok(tonic::Response::new(Some(steps.into_inner()))),
                // A node of the release before does not say how far it is.
                Err(status) if status.code() == tonic::Code::Unimplemented => {
                    Ok(tonic::Response::new(None))
                }
                Err(status) => Err(status),
            }
        };
        let Some(steps) = self.bounded(STANDS_STILL, begun).await? else {
            let mut client = self.long.clone();
            let call = client.transfer_file(transfer);
            return linked(&self.count, self.bounded(by_size(size), call).await?);
        };
        tokio::select! {
            () = self.closed.cancelled() => Err(CallError::Lost("the node has left".to_owned())),
            linked = steps::follow(&self.count, steps, size) => linked,
        }
    }

    async fn inventory(&self, quarantine: bool, from_leaf: u32) -> Result<Inventory, CallError> {
        let request = InventoryRequest {
            quarantine,
            from_leaf,
        };
        let asked = self.again(CALL, &self.long, |mut client| async move {
            client.inventory(request).await
        });
        Ok(in_time(asked.await?, in_time::BATCH))
    }

    async fn inspect(&self, copies: Vec<CopyRef>) -> Result<Vec<CopyState>, CallError> {
        let mut states = Vec::with_capacity(copies.len());
        // Cut by what one answer can hold: each state carries its copy's record.
        for copies in proto::batches(copies, INSPECTED) {
            let asked = copies.len();
            let some = self.again(LONG_CALL, &self.small, |mut client| {
                let copies = copies.clone();
                async move { client.inspect(InspectRequest { copies }).await }
            });
            let some = some.await?.states;
            if some.len() != asked {
                let why = format!("{} answers to {asked} questions", some.len());
                return Err(CallError::Lost(why));
            }
            states.extend(some);
        }
        Ok(states)
    }

    async fn quarantine(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        Ok(self.bounded(CALL, client.quarantine(request)).await?.found)
    }

    async fn adopt(&self, request: QuarantineRequest) -> Result<Option<u32>, CallError> {
        let mut client = self.small.clone();
        let reply = self.bounded(CALL, client.adopt(request)).await?;
        Ok(reply.found.then_some(reply.leaf))
    }

    async fn discard(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        Ok(self.bounded(CALL, client.discard(request)).await?.found)
    }

    async fn verify(&self, copy: CopyRef, size: u64) -> Result<bool, CallError> {
        let mut client = self.small.clone();
        let copies = vec![copy];
        let reply = self
            .bounded(by_size(size), client.verify(InspectRequest { copies }))
            .await?;
        Ok(reply.intact == [true])
    }

    async fn list_corrupt(&self) -> Result<Vec<CopyRef>, CallError> {
        let asked = self.again(CALL, &self.small, |mut client| async move {
            client.list_corrupt(ListCorruptRequest {}).await
        });
        Ok(asked.await?.copies)
    }

    async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError> {
        let mut client = self.small.clone();
        let call = client.seal(SealRequest { sealed, leader });
        let reply = self.bounded(CALL, call).await?;
        if let Some(counted) = reply.counted {
            self.count.take(counted);
        }
        Ok(reply)
    }
}

fn unexpected(other: &reply::Result) -> CallError {
    CallError::Lost(format!("an answer to something else: {other:?}"))
}
