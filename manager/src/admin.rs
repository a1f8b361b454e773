//! The Admin service, for the operator and the command line.

use crate::lines::lines;
use crate::status::{NodeStatus, skew, status};
use crate::status_of::failure;
use futures::{Stream, TryStreamExt};
use manager_protocol::cluster::leader;
use manager_protocol::core::Core;
use manager_protocol::fit::Load;
use manager_protocol::recovery::{adopt, fsck, quarantine};
use manager_protocol::state::counts::{self, WAIT};
use manager_protocol::upkeep::abandon;
use manager_protocol::upkeep::drain::{self, Counted};
use proto::v1::{self, admin_server::Admin};
use proto::v1::{
    AbandonReply, AbandonRequest, Adopted, DrainRequest, DrainsReply, Finding, FsckRequest,
    ListDrainsRequest, ListNodesReply, ListNodesRequest, ListQuarantineRequest, NodeLine,
    PoolStatusReply, PoolStatusRequest, QuarantineAnswer, Quarantined, QuarantinedRef, RefusedFor,
    Stranger,
};
use proto::{FileId, NodeId};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The most nodes unknown to the store that one reply names.
const STRANGERS: usize = 10;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service.
pub(crate) struct AdminService(pub Arc<Core>);

#[tonic::async_trait]
impl Admin for AdminService {
    type FsckStream = Answers<Finding>;
    type ListQuarantineStream = Answers<Quarantined>;
    type AdoptAllStream = Answers<Adopted>;

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
        let rows = self.0.store.nodes().await.map_err(failure)?;
        let mut available = self.0.nodes.all_available();
        available.retain(|n| pool.is_empty() || n.pool == pool);
        let known: Vec<_> = rows
            .iter()
            .filter(|row| pool.is_empty() || row.pool == pool)
            .collect();
        let mut away = Load::default();
        let mut unknown = false;
        let core = &self.0;
        let absent = known
            .iter()
            .filter(|row| core.nodes.available(&row.id).is_none());
        let loads = absent.map(|row| {
            counts::listed_on(&core.known.counts, &core.world, &core.store, &row.id, WAIT)
        });
        let loads = futures::future::try_join_all(loads).await;
        for load in loads.map_err(failure)? {
            unknown |= load.is_none();
            away.add(load.unwrap_or(Load {
                files: 1,
                ..Load::default()
            }));
        }
        let mut strangers = self.0.nodes.refused_of(&pool);
        strangers.retain(|(id, ..)| known.iter().all(|row| row.id != *id));
        strangers.truncate(STRANGERS);
        let stranger = |(id, why, about): (NodeId, String, RefusedFor)| Stranger {
            node_id: id.to_string(),
            why,
            refused_for: about.into(),
        };
        Ok(Response::new(PoolStatusReply {
            strangers: strangers.into_iter().map(stranger).collect(),
            files: available.iter().map(|n| n.report().files).sum(),
            bytes: available.iter().map(|n| n.report().bytes).sum(),
            skew: skew(&available),
            moves_left: self
                .0
                .known
                .moves
                .lines(self.0.world.now())
                .iter()
                .map(|m| m.files_left)
                .sum(),
            nodes: count(known.len()),
            available: count(available.len()),
            unavailable_files: away.files,
            unavailable_bytes: away.bytes,
            unavailable_counting: unknown,
        }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainsReply>, Status> {
        let request = request.into_inner();
        let ids = node_ids(&request)?;
        if request.strangers_too {
            drain::note_strangers(&self.0, &ids)
                .await
                .map_err(failure)?;
        }
        let drains = drain::order(&self.0, &ids).await.map_err(failure)?;
        Ok(drains_reply(&self.0, drains).await)
    }

    async fn cancel_drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<DrainsReply>, Status> {
        let ids = node_ids(&request.into_inner())?;
        let drains = drain::cancel(&self.0, &ids).await.map_err(failure)?;
        Ok(drains_reply(&self.0, drains).await)
    }

    async fn list_drains(
        &self,
        _: Request<ListDrainsRequest>,
    ) -> Result<Response<DrainsReply>, Status> {
        let drains = drain::list(&self.0).await.map_err(failure)?;
        Ok(drains_reply(&self.0, drains).await)
    }

    async fn abandon(
        &self,
        request: Request<AbandonRequest>,
    ) -> Result<Response<AbandonReply>, Status> {
        let request = request.into_inner();
        let id = node_id(&request.node_id)?;
        let volume = Uuid::from_slice(&request.volume_id)
            .map_err(|_| Status::invalid_argument("volume id: must be 16 bytes"))?;
        let (loss, abandoned) = abandon::abandon(&self.0, &id, volume, request.lose_files)
            .await
            .map_err(failure)?;
        Ok(Response::new(AbandonReply {
            files: loss.files,
            bytes: loss.bytes,
            names: loss.names,
            unfinished: loss.unfinished,
            abandoned,
        }))
    }

    async fn fsck(&self, _: Request<FsckRequest>) -> Result<Response<Self::FsckStream>, Status> {
        let core = self.0.clone();
        Ok(Response::new(told("fsck", |findings| async move {
            fsck::run(&core, &findings).await
        })))
    }

    async fn adopt_all(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<Self::AdoptAllStream>, Status> {
        let core = self.0.clone();
        let wanted = request.into_inner().node_id;
        Ok(Response::new(told("adoption", |lines| async move {
            adopt::adopt_all(&core, &wanted, &lines).await
        })))
    }

    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<Self::ListQuarantineStream>, Status> {
        let core = self.0.clone();
        let wanted = request.into_inner().node_id;
        Ok(Response::new(told(
            "the list of quarantine",
            |lines| async move { quarantine::list_all(&core, &wanted, usize::MAX, &lines).await },
        )))
    }

    async fn adopt_quarantined(
        &self,
        request: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        let (node, id, generation) = parse(&request.into_inner())?;
        let name = adopt::adopt(&self.0, &node, id, generation)
            .await
            .map_err(failure)?;
        Ok(Response::new(QuarantineAnswer {
            filename: name.to_string(),
        }))
    }

    async fn remove_quarantined(
        &self,
        request: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        let (node, id, generation) = parse(&request.into_inner())?;
        let name = quarantine::remove(&self.0, &node, id, generation)
            .await
            .map_err(failure)?;
        Ok(Response::new(QuarantineAnswer {
            filename: name.to_string(),
        }))
    }
}

/// The results of a long task, line by line. If the task breaks off, an error ends the
/// list, so that the caller knows that it is not complete.
fn told<T, E, F>(what: &'static str, work: impl FnOnce(mpsc::Sender<T>) -> F) -> Answers<T>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    let broke_off = move |error| Status::unavailable(format!("{what} did not end: {error}"));
    Box::pin(lines(work).map_err(broke_off))
}

fn node_id(text: &str) -> Result<NodeId, Status> {
    NodeId::new(text).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn node_ids(request: &DrainRequest) -> Result<Vec<NodeId>, Status> {
    request.node_ids.iter().map(|id| node_id(id)).collect()
}

async fn drains_reply(core: &Core, drains: Vec<Counted>) -> Response<DrainsReply> {
    let wire = |(line, records): Counted| v1::DrainLine {
        node_id: line.node,
        sealed: line.sealed,
        files_left: line.files_left.unwrap_or(records),
        quarantined: line.quarantined,
        records_left: records,
        rate: line.rate,
        seconds_left: line.seconds_left,
        ordered: line.ordered,
        holds: proto::clip(line.holds.unwrap_or_default()),
    };
    Response::new(DrainsReply {
        drains: drains.into_iter().map(wire).collect(),
        leader: proto::clip(leader::other(core).await.unwrap_or_default()),
    })
}

fn parse(wanted: &QuarantinedRef) -> Result<(NodeId, FileId, u32), Status> {
    let node = node_id(&wanted.node_id)?;
    let id = FileId::from_wire(&wanted.id).map_err(|e| Status::invalid_argument(e.to_string()))?;
    Ok((node, id, wanted.generation))
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
        volume_id: node.volume.as_bytes().to_vec().into(),
        quarantined: node.quarantined,
        corrupt_files: node.corrupt,
        merged: node.merged,
        read_only: node.read_only,
        read_only_why: proto::clip(node.read_only_why.unwrap_or_default()),
        troubles: node.troubles,
        disk_silent_ms: (node.disk_silent_seconds * 1000.0) as u64,
        refused: proto::clip(node.refused.unwrap_or_default()),
        refused_for: node.refused_for.into(),
    }
}
