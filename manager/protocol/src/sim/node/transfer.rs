//! A simulated node sends its copy straight to another node (rule 8).

use super::MemoryNode;
use super::creates::fault;
use super::peers::{Peers, ticket};
use crate::nodes::CallError;
use crate::sim::wire::Wire;
use crate::world::World;
use messages::CHUNK;
use messages::v1::upload_part::Part;
use messages::v1::{Fault, Finish, Open, TransferRequest, UploadPart};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Parts that may wait for the other node.
const AHEAD: usize = 4;
/// How long it may take for a part.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take for its answer.
const FLUSH: Duration = Duration::from_secs(120);

impl MemoryNode {
    /// Sends a copy; its leaf on the other node. It goes on where its caller has gone, as
    /// the real node does until it notices.
    pub(in crate::sim) async fn transfer(
        &self,
        request: TransferRequest,
        peers: Arc<Peers>,
        wire: Wire,
    ) -> Result<u32, CallError> {
        let life = self.life();
        self.obey(request.leader)?;
        let source = request.copy.clone();
        let held = self.served(source.as_ref())?;
        let target = peers.at(&request.target_endpoint);
        let target = target.ok_or_else(|| fault(Fault::Io, "nobody is at that address"))?;
        let mut meta = held.meta;
        meta.generation = request.target_generation;
        let open = Open {
            id: meta.id.clone(),
            generation: meta.generation,
            session: request.target_session,
            size: Some(meta.size),
            trace: request.trace,
            // Nothing needs to be kept of a file this small.
            offset: None,
        };
        let (parts, incoming) = mpsc::channel(AHEAD);
        let answer = wire.send("a transfer's stream", None, async move {
            target.reach()?;
            let admits = |open: &Open| {
                let wanted = ticket(&open.id, open.generation, open.session);
                request.ticket == wanted
            };
            let linked = target
                .receive(incoming, CancellationToken::new(), admits)
                .await;
            target.reach().and(linked)
        });
        let mut all = vec![Part::Open(open)];
        let mut bytes = held.bytes;
        while !bytes.is_empty() {
            all.push(Part::Chunk(bytes.split_to(bytes.len().min(CHUNK))));
        }
        all.push(Part::Finish(Finish { meta: Some(meta) }));
        let world = World::new(self.world.clone());
        for part in all {
            self.lives(life)?;
            let part = UploadPart { part: Some(part) };
            match world.timeout(PATIENCE, parts.send(part)).await {
                Ok(Ok(())) => {}
                // The call ends with its own answer.
                Ok(Err(_)) => break,
                Err(_) => return Err(fault(Fault::Io, "the other node takes nothing")),
            }
        }
        drop(parts);
        let answered = world.timeout(FLUSH, answer).await;
        self.lives(life)?;
        match answered {
            Ok(Ok(Ok(leaf))) => Ok(leaf),
            Ok(Ok(Err(CallError::Fault(kind, why)))) => {
                if kind == Fault::Checksum {
                    // What was sent does not match the record.
                    source.map(|copy| self.verify(&copy)).transpose()?;
                }
                Err(CallError::Fault(kind, why))
            }
            Ok(Ok(Err(_)) | Err(_)) => Err(fault(Fault::Io, "the connection broke")),
            Err(_) => Err(fault(Fault::Io, "the other node does not answer")),
        }
    }
}
