//! The Storage service: from messages to the node's operations and back.

mod asked;
mod delivery;
mod download;
mod exchange;
mod inventory;
mod peers;
mod piece;
mod resume;
mod transfer;
mod tries;
mod upload;
mod verify;

use crate::disk::{Copy, Op};
use crate::fault::Failure;
use crate::node::Node;
use futures::stream::BoxStream;
use kit::accept::Peer;
use kit::inner::Inner;
use kit::spans::{self, Tracer};
use peers::Peers;
use proto::identity::Role;
use proto::ticket::Claim;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status, Streaming};

/// Uploads with streams of their own at the same time, each of which holds about
/// 1 MiB; and as many downloads, at about 768 KiB.
const STREAMS: usize = proto::STREAMS as usize;
/// Files that other nodes may send at the same time: more than a leader moves at once.
const HANDOVERS: usize = 32;
/// How long a stream past the bound waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// Walks of the tree, and checks of files, at once.
const WALKS: usize = crate::node::WALKERS;
/// Bytes of small operations in flight.
const EXCHANGE_BYTES: usize = 64 << 20;

/// The service; cheap to clone.
#[derive(Clone)]
pub struct StorageService {
    node: Arc<Node>,
    limits: Arc<Limits>,
    peers: Arc<Peers>,
    /// Who is let in, and how others are reached.
    inner: Inner,
    pool: String,
    /// How long a stream may bring no bytes.
    idle: Duration,
    tracer: Tracer,
}

struct Limits {
    uploads: Arc<Semaphore>,
    handovers: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    walks: Arc<Semaphore>,
    exchange: Arc<Semaphore>,
}

impl StorageService {
    /// The service of a node.
    pub fn new(node: Arc<Node>, inner: &Inner, pool: &str, idle: Duration, tracer: Tracer) -> Self {
        let limits = Limits {
            uploads: Arc::new(Semaphore::new(STREAMS)),
            handovers: Arc::new(Semaphore::new(HANDOVERS)),
            downloads: Arc::new(Semaphore::new(STREAMS)),
            walks: Arc::new(Semaphore::new(WALKS)),
            exchange: Arc::new(Semaphore::new(EXCHANGE_BYTES)),
        };
        Self {
            node,
            limits: Arc::new(limits),
            peers: Arc::new(Peers::new(inner.clone())),
            inner: inner.clone(),
            pool: pool.to_owned(),
            idle,
            tracer,
        }
    }

    /// Reads the ticket of a call that any node can make, and without certificates
    /// anybody: a caller without one gets no place, and nothing that it sends is read.
    fn claim<T>(&self, request: &Request<T>) -> Result<Claim, Status> {
        let peer = request.extensions().get::<Peer>();
        let identity = peer.and_then(Peer::identity);
        if identity.is_some_and(|peer| !matches!(peer.role(), Role::Node { .. })) {
            return Err(Status::permission_denied("only nodes bring copies"));
        }
        let claim = Claim::read(request.metadata())
            .filter(|claim| self.takes(claim))
            .ok_or_else(|| Status::unauthenticated("no ticket for this copy"))?;
        if let Some(peer) = peer {
            peer.admit();
        }
        Ok(claim)
    }

    /// Tickets are made with the key that this node gave the managers, or without
    /// certificates with the pool's.
    fn takes(&self, claim: &Claim) -> bool {
        match self.inner.is_secured() {
            true => proto::ticket::is_of(claim, &self.node.ticket_key),
            false => self.inner.takes(&self.pool, claim),
        }
    }
}

/// Waits for a place among the streams of a kind.
async fn turn(
    places: &Arc<Semaphore>,
    full: &'static str,
) -> Result<OwnedSemaphorePermit, Failure> {
    let waiting = Arc::clone(places).acquire_owned();
    match tokio::time::timeout(TURN, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Failure::new(Fault::Busy, full)),
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::handover_server::Handover for StorageService {
    async fn receive_file(
        &self,
        request: Request<Streaming<v1::UploadPart>>,
    ) -> Answer<v1::UploadReply> {
        let claim = self.claim(&request)?;
        let permit = turn(&self.limits.handovers, "too many transfers at once").await?;
        let (node, idle) = (Arc::clone(&self.node), self.idle);
        // A task of its own: where the connection breaks, this call is dropped, and what
        // has come must still be put aside.
        let serving = tokio::spawn(spans::here().around(async move {
            let _permit = permit;
            let admits = |open: &v1::Open| {
                resume::is_claimed(&claim, &open.id, open.generation, open.session)
            };
            upload::serve(&node, request.into_inner(), idle, admits).await
        }));
        let linked = serving.await.unwrap_or_else(|_| Err(crate::node::gone()));
        Ok(Response::new(upload_reply(&self.node, linked)))
    }

    async fn resume_file(&self, request: Request<v1::ResumeRequest>) -> Answer<v1::ResumeReply> {
        let claim = self.claim(&request)?;
        let reply = resume::serve(&self.node, request.into_inner(), &claim).await;
        Ok(Response::new(reply))
    }
}

#[tonic::async_trait]
impl v1::storage_server::Storage for StorageService {
    type ExchangeStream = BoxStream<'static, Result<v1::Replies, Status>>;
    type DownloadFileStream = BoxStream<'static, Result<v1::DownloadPart, Status>>;
    type TransferInStepsStream = BoxStream<'static, Result<v1::TransferStep, Status>>;
    type InventoryStream = BoxStream<'static, Result<v1::InventoryBatch, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<v1::Requests>>,
    ) -> Answer<Self::ExchangeStream> {
        let bytes = Arc::clone(&self.limits.exchange);
        let (node, tracer) = (Arc::clone(&self.node), self.tracer.clone());
        let replies = exchange::serve(node, bytes, request.into_inner(), tracer);
        Ok(Response::new(replies))
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadPart>>,
    ) -> Answer<v1::UploadReply> {
        let _permit = turn(&self.limits.uploads, "too many uploads at once").await?;
        let any = |open: &v1::Open| match open.offset {
            None => Ok(()),
            Some(_) => Err(Failure::invalid("an upload does not go on at an offset")),
        };
        let linked = upload::serve(&self.node, request.into_inner(), self.idle, any).await;
        Ok(Response::new(upload_reply(&self.node, linked)))
    }

    async fn download_file(
        &self,
        request: Request<v1::ReadRequest>,
    ) -> Answer<Self::DownloadFileStream> {
        let permit = turn(&self.limits.downloads, "too many downloads at once").await?;
        let parts = download::serve(&self.node, request.into_inner(), permit).await?;
        Ok(Response::new(parts))
    }

    async fn delete_file(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::DeleteReply> {
        let request = request.into_inner();
        let copy = Copy::from_wire(request.copy)?;
        tracing::debug!(request = %Trace(request.trace), name = %copy.name, "delete");
        let (send, receive) = tokio::sync::oneshot::channel();
        let done = Box::new(move |result| {
            // Nobody waits any more where the request was dropped.
            let _ = send.send(result);
        });
        if request.refuse_only {
            self.node.refuse(copy, request.session, done);
        } else {
            self.node.delete(copy, request.session, done);
        }
        let found = receive.await.unwrap_or_else(|_| Err(crate::node::gone()))?;
        Ok(Response::new(v1::DeleteReply { found }))
    }

    async fn transfer_file(
        &self,
        request: Request<v1::TransferRequest>,
    ) -> Answer<v1::UploadReply> {
        let request = request.into_inner();
        let untold = std::sync::atomic::AtomicU64::new(0);
        let linked = transfer::serve(&self.node, &self.peers, request, &untold).await;
        crate::metrics::Metrics::count(&self.node.metrics.transfers, &linked);
        Ok(Response::new(upload_reply(&self.node, linked)))
    }

    async fn transfer_in_steps(
        &self,
        request: Request<v1::TransferRequest>,
    ) -> Answer<Self::TransferInStepsStream> {
        let (node, peers) = (Arc::clone(&self.node), Arc::clone(&self.peers));
        let steps = transfer::in_steps(node, peers, request.into_inner());
        Ok(Response::new(steps))
    }

    async fn inventory(
        &self,
        request: Request<v1::InventoryRequest>,
    ) -> Answer<Self::InventoryStream> {
        let permit = Arc::clone(&self.limits.walks)
            .acquire_owned()
            .await
            .map_err(|_| Status::unavailable("the node is leaving"))?;
        let v1::InventoryRequest {
            quarantine,
            from_leaf,
        } = request.into_inner();
        let batches = inventory::serve(Arc::clone(&self.node), quarantine, from_leaf, permit);
        Ok(Response::new(batches))
    }

    async fn inspect(&self, request: Request<v1::InspectRequest>) -> Answer<v1::InspectReply> {
        let copies = copies(request.into_inner())?;
        let states = self.node.states(copies).await?;
        Ok(Response::new(v1::InspectReply { states }))
    }

    async fn quarantine(
        &self,
        request: Request<v1::QuarantineRequest>,
    ) -> Answer<v1::QuarantineReply> {
        let request = request.into_inner();
        let copy = Copy::from_wire(request.copy)?;
        self.node.obey(request.leader).await?;
        tracing::info!(name = %copy.name, reason = request.reason, "quarantine");
        let key = copy.key;
        let reason = request.reason;
        let leaf = self
            .node
            .ask(|done| Op::Quarantine { copy, reason, done })
            .await?;
        self.node.scrub.forget(key);
        Ok(Response::new(quarantine_reply(leaf)))
    }

    async fn adopt(&self, request: Request<v1::QuarantineRequest>) -> Answer<v1::QuarantineReply> {
        let request = request.into_inner();
        let copy = Copy::from_wire(request.copy)?;
        self.node.obey(request.leader).await?;
        tracing::info!(name = %copy.name, "adopt from quarantine");
        let leaf = self.node.adopt(copy, request.session).await?;
        Ok(Response::new(quarantine_reply(leaf)))
    }

    async fn discard(
        &self,
        request: Request<v1::QuarantineRequest>,
    ) -> Answer<v1::QuarantineReply> {
        let request = request.into_inner();
        let copy = Copy::from_wire(request.copy)?;
        self.node.obey(request.leader).await?;
        tracing::info!(name = %copy.name, "discard from quarantine");
        let found = self.node.ask(|done| Op::Discard { copy, done }).await?;
        Ok(Response::new(v1::QuarantineReply { found, leaf: 0 }))
    }

    async fn seal(&self, request: Request<v1::SealRequest>) -> Answer<v1::SealReply> {
        let request = request.into_inner();
        self.node.obey(request.leader).await?;
        self.node.seal(request.sealed).await?;
        tracing::info!(sealed = request.sealed, "seal");
        let (counted, quarantined) = self.node.counted_both();
        Ok(Response::new(v1::SealReply {
            files: counted.files,
            quarantined,
            counted: Some(counted),
        }))
    }

    async fn verify(&self, request: Request<v1::InspectRequest>) -> Answer<v1::VerifyReply> {
        let permit = Arc::clone(&self.limits.walks)
            .acquire_owned()
            .await
            .map_err(|_| Status::unavailable("the node is leaving"))?;
        let copies = copies(request.into_inner())?;
        let intact = verify::verify(&self.node, copies, permit).await?;
        Ok(Response::new(v1::VerifyReply { intact }))
    }

    async fn list_corrupt(
        &self,
        _: Request<v1::ListCorruptRequest>,
    ) -> Answer<v1::ListCorruptReply> {
        let copies = self.node.scrub.corrupt(crate::scrub::REMEMBERED);
        Ok(Response::new(v1::ListCorruptReply { copies }))
    }

    async fn identify(&self, _: Request<v1::IdentifyRequest>) -> Answer<v1::IdentifyReply> {
        let identity = self.node.volume.identity();
        Ok(Response::new(v1::IdentifyReply {
            node_id: identity.node_id,
            volume_id: bytes::Bytes::copy_from_slice(identity.volume_id.as_bytes()),
            session: self.node.session(),
        }))
    }
}

/// A request's id as the logs of manager and node show it.
pub(crate) struct Trace(pub(crate) u64);

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn copies(request: v1::InspectRequest) -> Result<Vec<Copy>, Failure> {
    let copies = request.copies.into_iter();
    copies.map(|copy| Copy::from_wire(Some(copy))).collect()
}

fn upload_reply(node: &Node, linked: Result<u32, Failure>) -> v1::UploadReply {
    use v1::upload_reply::Result as Outcome;
    let result = match linked {
        Ok(leaf) => Outcome::Linked(v1::Linked { leaf }),
        Err(failure) => {
            spans::fail(&failure);
            Outcome::Failure(failure.to_wire())
        }
    };
    v1::UploadReply {
        result: Some(result),
        counted: Some(node.counted()),
    }
}

fn quarantine_reply(leaf: Option<u32>) -> v1::QuarantineReply {
    v1::QuarantineReply {
        found: leaf.is_some(),
        leaf: leaf.unwrap_or_default(),
    }
}
