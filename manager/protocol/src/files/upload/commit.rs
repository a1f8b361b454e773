//! The end of an upload: reserve, link, commit.

use super::received::Received;
use super::reserve::{NameWait, Reserved, relist};
use super::{FIRST_GENERATION, Stream, TRIES, UploadMeta, refusal};
use crate::core::Busy;
use crate::failpoints::{STALL_BEFORE_FINISH, stall};
use crate::failure::Failure;
use crate::nodes::{CallError, Placement};
use crate::store::{Copy, Record, State, StoreError};
use crate::swap::{Changed, swap};
use bytes::Bytes;
use failpoint::crash_here;
use messages::v1::{Fault, FileMeta, Open};
use messages::{Code, FaultMeaning, NodeId, Retry};

/// How an upload ended well.
#[derive(Debug)]
pub enum Stored {
    /// It is new.
    Created(Record),
    /// The same upload was answered before (same key, same bytes).
    Repeated(Record),
}

impl Stored {
    /// The file's record.
    pub fn record(&self) -> &Record {
        match self {
            Self::Created(record) | Self::Repeated(record) => record,
        }
    }
}

/// Nodes that failed a small upload.
#[derive(Debug, Default)]
struct Tried {
    /// They are not tried again.
    out: Vec<NodeId>,
    /// They are tried once more.
    again: Vec<NodeId>,
}

impl Tried {
    /// Notes a node that certainly linked nothing.
    fn note(&mut self, node: &NodeId, error: &CallError) {
        // In another session, or after a connection that broke with the bytes on it, the
        // same node may well take them. Once: while its new session is not known here,
        // others are tried.
        let anew = match error {
            CallError::Fault(fault, _) => FaultMeaning::of(*fault).retry == Retry::Anew,
            CallError::NotSent(_) | CallError::Lost(_) => false,
        };
        match anew && !self.again.contains(node) {
            true => self.again.push(node.clone()),
            false => self.out.push(node.clone()),
        }
    }
}

impl Received {
    /// Makes the file durable under its name: reserves, links, commits.
    ///
    /// # Errors
    /// Codes 1, 3, 6 (another body under a used key), 8. After code 1 the
    /// outcome may be open; the janitor settles it (rule 9).
    pub async fn commit(mut self, meta: UploadMeta) -> Result<Stored, Failure> {
        let _busy: Busy = self.core.busy(self.id);
        match self.stream.take() {
            Some(stream) => self.commit_stream(stream, meta).await,
            None => self.commit_small(meta).await,
        }
    }

    /// Permits the link of a large file on the node that its bytes went to. While the bytes
    /// are kept, another node is tried after one that certainly did not link it (rule 6).
    async fn commit_stream(&self, stream: Stream, meta: UploadMeta) -> Result<Stored, Failure> {
        let mut tried = self.tried.clone();
        let mut stream = stream;
        let mut record = {
            let placement = &stream.placement;
            self.record(
                &meta,
                &placement.node.id,
                placement.session,
                FIRST_GENERATION,
            )
        };
        let mut wait = NameWait::new(&self.core.world);
        match self
            .list(&record, meta.budget.as_ref(), false, &mut wait)
            .await?
        {
            Reserved::Yes => {}
            Reserved::Repeated(earlier) => return Ok(Stored::Repeated(earlier)),
        }
        crash_here!("manager::u2_reserved");
        loop {
            let error = match stream.finish(self.meta(&record)).await {
                Ok(leaf) => {
                    drop(stream);
                    return self.publish(&record, leaf).await;
                }
                Err(error) if error.certainly_not_done() => error,
                Err(error) => return Err(unknown(&error)),
            };
            stream.note(&error);
            let failure = refusal(&error);
            tried.push(stream.placement.node.id.clone());
            drop(stream);
            match self.next_stream(&mut record, &tried).await {
                Some(next) => stream = next,
                None => {
                    self.withdraw(&record).await;
                    return Err(failure);
                }
            }
        }
    }

    /// Lists the copy on another node and sends it the bytes, where they are kept.
    async fn next_stream(&self, record: &mut Record, tried: &[NodeId]) -> Option<Stream> {
        let all = self.kept.all().filter(|_| tried.len() < TRIES)?;
        let placement = self.core.nodes.place(Some(self.size), tried).ok()?;
        let relisted = relist(&self.core, record, &placement);
        let generation = relisted.generation;
        let (share, size) = (&self.share, Some(self.size));
        let opened = Stream::open(
            &self.core.world,
            share,
            placement,
            self.id,
            generation,
            size,
            self.trace,
        );
        let mut stream = opened.await.ok()?;
        match self
            .list(&relisted, None, true, &mut NameWait::new(&self.core.world))
            .await
        {
            Ok(Reserved::Yes) => *record = relisted,
            Ok(Reserved::Repeated(_)) | Err(_) => return None,
        }
        stream.send(all, true).await.ok()?;
        Some(stream)
    }

    /// A small file is still in memory, so that a node that fails before
    /// `finish` costs the client nothing: the next one is tried (rule 6).
    async fn commit_small(&self, meta: UploadMeta) -> Result<Stored, Failure> {
        let mut tried = Tried::default();
        let mut reserved: Option<Record> = None;
        let mut last = Failure::new(Code::ServersUnavailable);
        let mut wait = NameWait::new(&self.core.world);
        for _ in 0..TRIES {
            let placement = match self.core.nodes.place(Some(self.size), &tried.out) {
                Ok(placement) => placement,
                Err(none) => {
                    if tried.out.is_empty() {
                        last = none.into();
                    }
                    break;
                }
            };
            let record = match &reserved {
                None => self.record(
                    &meta,
                    &placement.node.id,
                    placement.session,
                    FIRST_GENERATION,
                ),
                Some(earlier) => relist(&self.core, earlier, &placement),
            };
            // The node writes while the reservation becomes durable.
            let (staged, listed) = tokio::join!(
                self.stage(&record, &placement),
                self.list(&record, meta.budget.as_ref(), reserved.is_some(), &mut wait)
            );
            match listed {
                Ok(Reserved::Yes) => {}
                Ok(Reserved::Repeated(earlier)) => {
                    self.abort(&record, &placement).await;
                    return Ok(Stored::Repeated(earlier));
                }
                Err(failure) => {
                    self.abort(&record, &placement).await;
                    return Err(failure);
                }
            }
            crash_here!("manager::u2_reserved");
            stall(&self.core.world, STALL_BEFORE_FINISH).await;
            let linked = match staged {
                Ok(()) => self.finish(&record, &placement).await,
                // Its bytes never left, so nothing of it can be linked.
                Err(error) => Err(CallError::NotSent(error.to_string())),
            };
            match linked {
                Ok(leaf) => {
                    drop(placement);
                    return self.publish(&record, leaf).await;
                }
                Err(error) if error.certainly_not_done() => {
                    last = refusal(&error);
                    if let CallError::Fault(Fault::ReadOnly, why) = &error {
                        placement.node.refuses_writes(why);
                    }
                    tried.note(&placement.node.id, &error);
                    reserved = Some(record);
                }
                Err(error) => return Err(unknown(&error)),
            }
        }
        if let Some(record) = &reserved {
            self.withdraw(record).await;
        }
        Err(last)
    }

    async fn stage(&self, record: &Record, placement: &Placement) -> Result<(), CallError> {
        let open = Open {
            id: self.id.to_wire(),
            generation: record.generation,
            session: placement.session,
            size: Some(self.size),
            trace: self.trace.0,
            offset: None,
        };
        placement
            .node
            .link
            .stage(open, self.bytes.clone(), self.meta(record))
            .await
    }

    /// Permits the link. If the node's disk falls silent before the bytes are on it,
    /// the create is aborted, and the node answers that it linked nothing.
    async fn finish(&self, record: &Record, placement: &Placement) -> Result<u32, CallError> {
        let finished = placement.node.finish(self.trace.0, self.meta(record));
        tokio::pin!(finished);
        tokio::select! {
            biased;
            linked = &mut finished => return linked,
            () = placement.node.falls_silent() => {}
        }
        self.abort(record, placement).await;
        finished.await
    }

    /// Has the node drop the staged copy.
    async fn abort(&self, record: &Record, placement: &Placement) {
        let (id, generation) = (self.id.to_wire(), record.generation);
        let link = &placement.node.link;
        link.abort(self.trace.0, id, generation).await;
    }

    /// Commits the record as `stored` (rule 6), after which the file exists.
    async fn publish(&self, record: &Record, leaf: u32) -> Result<Stored, Failure> {
        crash_here!("manager::u4_linked");
        let mut stored = self.core.next_rev(record);
        stored.state = State::Stored;
        stored.leaf = Some(leaf);
        let swapped = swap(&self.core, &stored).await;
        // The file is linked: if its record can't be changed, the outcome is open.
        let outcome = match swapped {
            Err(error @ StoreError::Full { .. }) => {
                return Err(unknown(&error));
            }
            swapped => swapped?,
        };
        crash_here!("manager::u5_stored");
        match outcome {
            Changed::Done => Ok(Stored::Created(stored)),
            // Rule 1: the own id in state `stored` means that it happened. A record in state
            // `deleting` may never have been stored: the janitor dooms uploads that it ends.
            Changed::Lost(Some(other))
                if other.id == self.id && matches!(other.state, State::Stored | State::Moving) =>
            {
                Ok(Stored::Created(other))
            }
            Changed::Lost(_) => Err(Failure::new(Code::ServersUnavailable)
                .because("the upload took too long and was settled by another; ask for the file")),
        }
    }

    /// Takes the reservation back after the node confirmed that it linked
    /// nothing and never will.
    async fn withdraw(&self, record: &Record) {
        let removed = self
            .core
            .store
            .remove(&record.name, record.id, record.rev)
            .await;
        if let Err(error) = removed {
            tracing::warn!(request = %self.trace, %error, "a reservation is left to the janitor");
        }
    }

    fn record(&self, meta: &UploadMeta, node: &NodeId, session: u64, generation: u32) -> Record {
        Record {
            name: meta.name.clone(),
            id: self.id,
            rev: 1,
            token: self.core.world.random(),
            state: State::Pending,
            node: node.clone(),
            generation,
            copies: vec![Copy {
                node: node.clone(),
                session,
                generation,
                doomed: false,
            }],
            next_generation: generation + 1,
            leaf: None,
            size: self.size,
            sha256: self.sha256,
            crc64: self.crc64,
            content_type: meta.content_type.clone(),
            created_ms: self.core.world.unix_ms(),
            idempotency_key: meta.idempotency_key.clone(),
            moved_event: 0,
            owner: meta.budget.as_ref().map(|budget| budget.owner),
        }
    }

    fn meta(&self, record: &Record) -> FileMeta {
        FileMeta {
            id: record.id.to_wire(),
            generation: record.generation,
            name: record.name.as_str().to_owned(),
            size: record.size,
            sha256: Bytes::copy_from_slice(&record.sha256),
            crc64: record.crc64,
            created_ms: record.created_ms,
            content_type: record.content_type.clone().unwrap_or_default(),
            idempotency_key: record.idempotency_key.clone().unwrap_or_default(),
        }
    }
}

fn unknown(error: &dyn std::error::Error) -> Failure {
    tracing::warn!(%error, "an upload's outcome is left to the janitor");
    Failure::new(Code::ServersUnavailable).because(
        "the node did not confirm the file; it will be settled, ask for it or repeat the upload \
         with the same Idempotency-Key",
    )
}
