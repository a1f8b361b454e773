//! The Admin service, for the operator and the command line.

use crate::core::Core;
use crate::failure::Failure;
use crate::fit::{Load, Room, shortfall};
use crate::nodes::{CallError, Node};
use crate::status::{NodeStatus, skew, status};
use crate::{fsck, quarantine};
use futures::Stream;
use proto::v1::admin_server::Admin;
use proto::v1::{
    DrainReply, DrainRequest, Finding, FsckRequest, ListNodesReply, ListNodesRequest,
    ListQuarantineRequest, NodeLine, PoolStatusReply, PoolStatusRequest, QuarantineAnswer,
    Quarantined, QuarantinedRef,
};
use proto::{Code, FileId, NodeId};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Findings that may wait for the caller.
const FINDINGS: usize = 64;
/// Records counted for one look at a drain.
const PAGE: usize = 1000;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service.
pub(crate) struct AdminService(pub Arc<Core>);

#[tonic::async_trait]
impl Admin for AdminService {
    type FsckStream = Answers<Finding>;
    type ListQuarantineStream = Answers<Quarantined>;

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesReply>, Status> {
        let pool = request.into_inner().pool;
        let status = status(&self.0).await;
        let wanted = |node: &NodeStatus| pool.is_empty() || node.pool == pool;
        let nodes = status
            .nodes
            .into_iter()
            .filter(wanted)
            .map(node_line)
            .collect();
        Ok(Response::new(ListNodesReply { nodes }))
    }

    async fn pool_status(
        &self,
        request: Request<PoolStatusRequest>,
    ) -> Result<Response<PoolStatusReply>, Status> {
        let pool = request.into_inner().pool;
        let rows = self.0.store.nodes().await.map_err(Failure::from)?;
        let mut available = self.0.nodes.all_available();
        available.retain(|n| pool.is_empty() || n.pool == pool);
        let known = rows
            .iter()
            .filter(|row| pool.is_empty() || row.pool == pool)
            .count();
        Ok(Response::new(PoolStatusReply {
            files: available.iter().map(|n| n.report().files).sum(),
            bytes: available.iter().map(|n| n.report().bytes).sum(),
            skew: skew(&available),
            moves_left: self.0.moves.lines().iter().map(|m| m.files_left).sum(),
            nodes: count(known),
            available: count(available.len()),
        }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        self.seal(&request.into_inner().node_id, true).await
    }

    async fn cancel_drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<DrainReply>, Status> {
        self.seal(&request.into_inner().node_id, false).await
    }

    async fn fsck(&self, _: Request<FsckRequest>) -> Result<Response<Self::FsckStream>, Status> {
        let (findings, found) = mpsc::channel(FINDINGS);
        let (ended, end) = mpsc::channel(1);
        let core = self.0.clone();
        tokio::spawn(async move {
            if let Err(error) = fsck::run(&core, &findings).await {
                // The caller must know that the list is not complete.
                let status = Status::unavailable(format!("fsck did not end: {error}"));
                let _ = ended.send(status).await;
            }
        });
        let found = ReceiverStream::new(found).map(Ok);
        let end = ReceiverStream::new(end).map(Err);
        Ok(Response::new(Box::pin(found.chain(end))))
    }

    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<Self::ListQuarantineStream>, Status> {
        let wanted = request.into_inner().node_id;
        let mut all = Vec::new();
        for node in self.0.nodes.all_available() {
            if wanted.is_empty() || node.id.as_str() == wanted {
                all.extend(quarantine::list(&node).await.map_err(lost)?);
            }
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(
            all.into_iter().map(Ok),
        ))))
    }

    async fn adopt_quarantined(
        &self,
        request: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        let (node, id, generation) = parse(&request.into_inner())?;
        let name = quarantine::adopt(&self.0, &node, id, generation).await?;
        Ok(Response::new(QuarantineAnswer {
            filename: name.to_string(),
        }))
    }

    async fn remove_quarantined(
        &self,
        request: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        let (node, id, generation) = parse(&request.into_inner())?;
        let name = quarantine::remove(&self.0, &node, id, generation).await?;
        Ok(Response::new(QuarantineAnswer {
            filename: name.to_string(),
        }))
    }
}

impl AdminService {
    /// Seals the node or opens it again, durably on the node itself (rule 15);
    /// the mover takes a sealed node's files away. A drain whose files would
    /// not fit elsewhere is refused before the first of them moves.
    async fn seal(&self, id: &str, sealed: bool) -> Result<Response<DrainReply>, Status> {
        let id = NodeId::new(id).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let node = self.available(&id)?;
        let load = self.load_of(&id).await?;
        let short = shortfall(load, &self.rooms_beside(&id));
        if let (Some(short), true, false) = (&short, sealed, node.is_draining()) {
            let why = format!("{id} is not drained: {short}");
            return Err(Failure::new(Code::InsufficientStorage).because(why).into());
        }
        let order = self.0.order_number().await.map_err(Failure::from)?;
        let reply = node.link.seal(sealed, order).await.map_err(lost)?;
        Ok(Response::new(DrainReply {
            sealed,
            files_left: reply.files,
            quarantined: reply.quarantined,
            records_left: load.files,
            holds: short.filter(|_| sealed).unwrap_or_default(),
        }))
    }

    fn available(&self, id: &NodeId) -> Result<Arc<Node>, Status> {
        self.0.nodes.available(id).ok_or_else(|| {
            Failure::new(Code::ServersUnavailable)
                .because(format_args!("node {id} is unavailable"))
                .into()
        })
    }

    /// What the records list on a node, in any state.
    async fn load_of(&self, id: &NodeId) -> Result<Load, Status> {
        let mut after = None;
        let mut load = Load::default();
        loop {
            let page = self.0.store.listed_on(id, after.as_ref(), PAGE).await;
            let page = page.map_err(Failure::from)?;
            let Some(last) = page.last() else {
                return Ok(load);
            };
            after = Some(last.name.clone());
            for record in &page {
                load.files += 1;
                load.bytes += record.size;
                load.largest = load.largest.max(record.size);
            }
        }
    }

    /// What the other nodes that stay may still take.
    fn rooms_beside(&self, id: &NodeId) -> Vec<Room> {
        let others = self.0.nodes.all_available().into_iter();
        others
            .filter(|node| node.id != *id && !node.is_draining() && !node.report().read_only)
            .map(|node| Room {
                bytes: node.free(),
                files: node.report().free_inodes,
            })
            .collect()
    }
}

fn parse(wanted: &QuarantinedRef) -> Result<(NodeId, FileId, u32), Status> {
    let node = NodeId::new(&wanted.node_id).map_err(|e| Status::invalid_argument(e.to_string()))?;
    let id = FileId::from_wire(&wanted.id).map_err(|e| Status::invalid_argument(e.to_string()))?;
    Ok((node, id, wanted.generation))
}

fn lost(error: CallError) -> Status {
    Status::unavailable(error.to_string())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn node_line(node: NodeStatus) -> NodeLine {
    NodeLine {
        id: node.id,
        pool: node.pool,
        state: node.state.to_owned(),
        files: node.files,
        bytes: node.bytes,
        free: node.free,
        endpoint: node.endpoint,
        volume_id: bytes::Bytes::new(),
        quarantined: node.quarantined,
    }
}
