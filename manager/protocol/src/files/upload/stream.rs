//! A body that flows to one node. Every wait on the node has an end.

use super::{FINISH, PART, WHY, refusal};
use crate::failure::Failure;
use crate::nodes::{CallError, Outcome, Placement, Share};
use crate::trace::Trace;
use crate::world::World;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::Fuse;
use messages::v1::{Fault, FileMeta, Finish, Open, UploadPart, upload_part::Part};
use messages::{CHUNK, Code, FileId};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// How often a long wait checks whether the node's disk still answers.
const LOOK: Duration = Duration::from_secs(1);

/// The stream to a node. Dropped without its Finish it leaves nothing there.
pub(super) struct Stream {
    pub(super) placement: Placement,
    parts: mpsc::Sender<UploadPart>,
    outcome: Fuse<Outcome>,
    world: World,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// Begins a file on the node of a placement, within the client's share of it.
    pub(super) async fn open(
        world: &World,
        share: &Share,
        placement: Placement,
        id: FileId,
        generation: u32,
        size: Option<u64>,
        trace: Trace,
    ) -> Result<Self, Failure> {
        let place = share.enter(&placement.node.id).await;
        let place = place.map_err(|error| refusal(&error))?;
        let (parts, outcome) = placement.node.link.upload(share.streams.client());
        let open = Open {
            id: id.to_wire(),
            generation,
            session: placement.session,
            size,
            trace: trace.0,
            offset: None,
        };
        let part = UploadPart {
            part: Some(Part::Open(open)),
        };
        let stream = Self {
            placement,
            parts,
            outcome: outcome.fuse(),
            world: world.clone(),
            _place: place,
        };
        // There is room for the first one, unless the node has just left.
        match stream.parts.try_send(part) {
            Ok(()) => Ok(stream),
            Err(_) => Err(left()),
        }
    }

    /// Sends bytes. With `impatient` it fails at once if the node's disk does not
    /// answer, since another node can take the file.
    pub(super) async fn send(&mut self, mut bytes: Bytes, impatient: bool) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            self.put(Part::Chunk(chunk), impatient).await?;
        }
        Ok(())
    }

    async fn put(&mut self, part: Part, impatient: bool) -> Result<(), Failure> {
        let part = UploadPart { part: Some(part) };
        let sent = tokio::select! {
            // A node that has failed already is not sent more.
            biased;
            why = &mut self.outcome => return Err(self.failed(Some(why))),
            sent = self.world.timeout(PART, self.parts.send(part)) => sent,
            () = self.placement.node.falls_silent(), if impatient => {
                return Err(silent());
            }
        };
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                let why = self.world.timeout(WHY, &mut self.outcome).await;
                Err(self.failed(why.ok()))
            }
            Err(_) => Err(silent()),
        }
    }

    /// The client's error for a stream that broke before its Finish.
    fn failed(&self, why: Option<Result<u32, CallError>>) -> Failure {
        match why {
            Some(Err(error @ CallError::Fault(..))) => {
                self.note(&error);
                refusal(&error)
            }
            Some(Ok(_) | Err(CallError::Lost(_) | CallError::NotSent(_))) | None => left(),
        }
    }

    /// Notes a refusal that holds for other uploads too.
    pub(super) fn note(&self, error: &CallError) {
        if let CallError::Fault(Fault::ReadOnly, why) = error {
            self.placement.node.refuses_writes(why);
        }
    }

    /// Permits the link (rule 6), and waits for its outcome: for as long as the
    /// disk answers, and [`FINISH`] at the most.
    pub(super) async fn finish(&mut self, meta: FileMeta) -> Result<u32, CallError> {
        let finish = Part::Finish(Finish { meta: Some(meta) });
        let part = UploadPart { part: Some(finish) };
        match self.world.timeout(PART, self.parts.send(part)).await {
            Ok(Ok(())) => {}
            // The Finish was not sent, so that nothing can be linked.
            Ok(Err(_)) => return Err(self.why().await),
            Err(_) => return Err(CallError::NotSent("the node takes nothing in".to_owned())),
        }
        let until = self.world.now() + FINISH;
        loop {
            tokio::select! {
                biased;
                outcome = &mut self.outcome => return outcome,
                () = self.world.sleep(LOOK) => {}
            }
            let silent = self.placement.node.report().disk_silent;
            if silent >= PART || self.world.now() >= until {
                return Err(CallError::Lost("no answer to finish".to_owned()));
            }
        }
    }

    /// Why a stream was closed before it took the Finish.
    async fn why(&mut self) -> CallError {
        match self.world.timeout(WHY, &mut self.outcome).await {
            Ok(Err(CallError::Fault(fault, why))) => {
                // Whatever it was: without Finish nothing is linked.
                let fault = match fault {
                    Fault::Io => Fault::Disk,
                    other => other,
                };
                CallError::Fault(fault, why)
            }
            _ => CallError::NotSent("the node left".to_owned()),
        }
    }
}

fn left() -> Failure {
    Failure::new(Code::ServersUnavailable).because("the node that received the file left")
}

fn silent() -> Failure {
    Failure::new(Code::ServersUnavailable).because("the disk of the node does not answer")
}
