//! The Admin service, for the operator and the command line.

use crate::core::Core;
use crate::failure::Failure;
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
    /// the mover takes a sealed node's files away.
    async fn seal(&self, id: &str, sealed: bool) -> Result<Response<DrainReply>, Status> {
        let id = NodeId::new(id).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let node = self.available(&id)?;
        let order = self.0.order_number().await.map_err(Failure::from)?;
        let reply = node.link.seal(sealed, order).await.map_err(lost)?;
        let records_left = self.records_on(&id).await?;
        let holds = self.holds(&node, sealed);
        Ok(Response::new(DrainReply {
            sealed,
            files_left: reply.files,
            quarantined: reply.quarantined,
            records_left,
            holds,
        }))
    }

    fn available(&self, id: &NodeId) -> Result<Arc<Node>, Status> {
        self.0.nodes.available(id).ok_or_else(|| {
            Failure::new(Code::ServersUnavailable)
                .because(format_args!("node {id} is unavailable"))
                .into()
        })
    }

    async fn records_on(&self, id: &NodeId) -> Result<u64, Status> {
        let mut after = None;
        let mut records = 0;
        loop {
            let page = self.0.store.listed_on(id, after.as_ref(), PAGE).await;
            let page = page.map_err(Failure::from)?;
            let Some(last) = page.last() else {
                return Ok(records);
            };
            after = Some(last.name.clone());
            records += page.len() as u64;
        }
    }

    fn holds(&self, node: &Node, sealed: bool) -> String {
        let others = self.0.nodes.all_available();
        let takes = |n: &Arc<Node>| n.id != node.id && !n.is_draining() && n.free() > 0;
        if sealed && node.report().files > 0 && !others.iter().any(takes) {
            "no other node can take its files".to_owned()
        } else {
            String::new()
        }
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
