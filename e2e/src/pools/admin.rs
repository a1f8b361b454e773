//! A stand-in for the managers: every pool has one node, which is well.

use async_trait::async_trait;
use proto::v1::admin_server::{Admin, AdminServer};
use proto::v1::{
    AbandonReply, AbandonRequest, Adopted, DrainRequest, DrainsReply, Finding, FsckRequest,
    ListDrainsRequest, ListNodesReply, ListNodesRequest, ListQuarantineRequest, NodeLine,
    PoolStatusReply, PoolStatusRequest, QuarantineAnswer, Quarantined, QuarantinedRef,
};
use std::net::SocketAddr;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

/// Answers until it is dropped.
pub(super) struct Managers(tokio::task::JoinHandle<()>);

impl Managers {
    /// Listens at a free address and answers for pools, by the names that managers know.
    pub(super) fn start(address: SocketAddr, pools: Vec<String>) -> Self {
        let serving = tonic::transport::Server::builder()
            .add_service(AdminServer::new(AllWell { pools }))
            .serve(address);
        Self(tokio::spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("the stand-in for the managers ended: {error}");
            }
        }))
    }
}

impl Drop for Managers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct AllWell {
    pools: Vec<String>,
}

impl AllWell {
    fn line(&self, number: usize) -> NodeLine {
        let pool = &self.pools[number];
        let volume = (number as u128 + 1).to_be_bytes();
        NodeLine {
            id: format!("{pool}-node-0"),
            pool: pool.clone(),
            state: "available".to_owned(),
            merged: true,
            volume_id: volume.to_vec().into(),
            ..NodeLine::default()
        }
    }
}

/// The answer to requests that the operator has no reason to make.
fn unasked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("a stand-in"))
}

#[async_trait]
impl Admin for AllWell {
    type FsckStream = BoxStream<Finding>;
    type ListQuarantineStream = BoxStream<Quarantined>;
    type AdoptAllStream = BoxStream<Adopted>;

    async fn list_nodes(
        &self,
        _: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesReply>, Status> {
        let nodes = (0..self.pools.len()).map(|number| self.line(number));
        Ok(Response::new(ListNodesReply {
            nodes: nodes.collect(),
        }))
    }

    async fn pool_status(
        &self,
        _: Request<PoolStatusRequest>,
    ) -> Result<Response<PoolStatusReply>, Status> {
        Ok(Response::new(PoolStatusReply {
            nodes: 1,
            available: 1,
            ..PoolStatusReply::default()
        }))
    }

    async fn list_drains(
        &self,
        _: Request<ListDrainsRequest>,
    ) -> Result<Response<DrainsReply>, Status> {
        Ok(Response::new(DrainsReply::default()))
    }

    async fn drain(&self, _: Request<DrainRequest>) -> Result<Response<DrainsReply>, Status> {
        unasked()
    }

    async fn cancel_drain(
        &self,
        _: Request<DrainRequest>,
    ) -> Result<Response<DrainsReply>, Status> {
        Ok(Response::new(DrainsReply::default()))
    }

    async fn abandon(&self, _: Request<AbandonRequest>) -> Result<Response<AbandonReply>, Status> {
        unasked()
    }

    async fn fsck(&self, _: Request<FsckRequest>) -> Result<Response<Self::FsckStream>, Status> {
        unasked()
    }

    async fn list_quarantine(
        &self,
        _: Request<ListQuarantineRequest>,
    ) -> Result<Response<Self::ListQuarantineStream>, Status> {
        unasked()
    }

    async fn adopt_quarantined(
        &self,
        _: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        unasked()
    }

    async fn adopt_all(
        &self,
        _: Request<ListQuarantineRequest>,
    ) -> Result<Response<Self::AdoptAllStream>, Status> {
        unasked()
    }

    async fn remove_quarantined(
        &self,
        _: Request<QuarantinedRef>,
    ) -> Result<Response<QuarantineAnswer>, Status> {
        unasked()
    }
}
