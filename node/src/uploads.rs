//! A create's way to its link, whichever way its bytes came in.
//!
//! Crash steps: 1. bytes are staged without a name: gone at a crash; 2. record
//! and bytes are flushed, still without a name: gone; 3. from the link on: see
//! the committer.

use crate::creates::{Finish, Finished, Stream, Written};
use crate::disk::meta::{CopyKey, Meta};
use crate::disk::stage::Staged;
use crate::disk::{Done, Op};
use crate::fault::Failure;
use crate::metrics::Metrics;
use crate::node::Node;
use bytes::Bytes;
use proto::FileId;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::time::Instant;

/// A checked Open.
pub struct Opening {
    /// Which copy.
    pub key: CopyKey,
    /// The session of its record.
    pub session: u64,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// Where the stream begins, if its sender can resume after a break.
    pub offset: Option<u64>,
    /// The id of the client's request.
    pub trace: u64,
}

impl Opening {
    /// Checks a message.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn from_wire(open: Option<v1::Open>) -> Result<Self, Failure> {
        let open = open.ok_or_else(|| Failure::invalid("open is missing"))?;
        Ok(Self {
            key: CopyKey {
                id: FileId::from_wire(&open.id).map_err(Failure::invalid)?,
                generation: open.generation,
            },
            session: open.session,
            size: open.size,
            offset: open.offset,
            trace: open.trace,
        })
    }
}

impl Node {
    /// Opens a create.
    ///
    /// # Errors
    /// By rules 3, 4 and 15; `Busy` while the node leaves.
    pub fn open(&self, opening: &Opening) -> Result<u64, Failure> {
        self.stays()?;
        self.creates().open(opening.key, opening.session)
    }

    /// Opens a create whose bytes come in a stream.
    ///
    /// # Errors
    /// As [`Self::open`], or where nothing is kept up to its offset.
    pub fn open_stream(&self, opening: &Opening) -> Result<Stream, Failure> {
        self.stays()?;
        let Opening {
            key,
            session,
            offset,
            ..
        } = *opening;
        self.creates().open_stream(key, session, offset)
    }

    /// Refuses what begins while the node leaves.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn stays(&self) -> Result<(), Failure> {
        if self.leaving.is_cancelled() {
            return Err(Failure::new(Fault::Busy, "the node is leaving"));
        }
        Ok(())
    }

    /// A create that came as one message: stages it on a thread of the pool.
    /// Where its record came along it is flushed at once, while the manager
    /// reserves the name; Finish then only links. `hold` is given back when the
    /// bytes are on the disk.
    pub fn write(
        self: &Arc<Self>,
        opening: Opening,
        data: Bytes,
        meta: Option<Meta>,
        hold: impl Send + 'static,
    ) {
        let number = match self.open(&opening) {
            Ok(number) => number,
            Err(failure) => {
                self.creates().keep_refusal(opening.key, failure);
                return;
            }
        };
        let node = Arc::clone(self);
        self.writers.run(move || {
            let staged = node.stage(&data, meta);
            drop((data, hold));
            let key = opening.key;
            let written = node.creates().written(key, number, staged);
            match written {
                Written::Go(staged, finish) => {
                    node.seal_and_commit(number, staged, finish);
                }
                Written::Settled => {}
                Written::Refused(finish, failure) => (finish.done)(Err(failure)),
            }
        });
    }

    /// Stages one message's bytes. Blocks.
    fn stage(&self, data: &Bytes, meta: Option<Meta>) -> Result<Box<Staged>, Failure> {
        let mut staged = self.disk.stage(Some(data.len() as u64))?;
        staged.append(std::slice::from_ref(data))?;
        failpoint::crash_here!("node::u1_staged");
        if let Some(meta) = meta {
            self.flush(&mut staged, meta)?;
        }
        Ok(Box::new(staged))
    }

    fn flush(&self, staged: &mut Staged, meta: Meta) -> Result<(), Failure> {
        let begun = Instant::now();
        let sealed = staged.seal(meta);
        self.metrics
            .file_flush
            .observe(begun.elapsed().as_secs_f64());
        sealed
    }

    /// Finish of a create that came as one message.
    pub fn finish(self: &Arc<Self>, finish: Finish) {
        let finished = self.creates().finish(finish);
        match finished {
            Finished::Go(number, staged, finish) => self.finish_staged(number, staged, finish),
            Finished::Later => {}
            Finished::Refused(finish, failure) => (finish.done)(Err(failure)),
        }
    }

    /// All bytes are staged and Finish has come: on to the link. What is
    /// flushed already needs no thread.
    pub fn finish_staged(self: &Arc<Self>, number: u64, staged: Box<Staged>, finish: Finish) {
        let generation = finish.meta.key.generation;
        if staged.is_sealed_with(&finish.meta) && !self.volume.is_new_generation(generation) {
            return self.commit(number, staged, finish);
        }
        let node = Arc::clone(self);
        self.writers
            .run(move || node.seal_and_commit(number, staged, finish));
    }

    /// Flushes bytes and record, if that is not done, and commits. Blocks.
    fn seal_and_commit(self: &Arc<Self>, number: u64, mut staged: Box<Staged>, finish: Finish) {
        let key = finish.meta.key;
        if let Err(error) = self.volume.observe_generation(key.generation) {
            self.creates().end(key, number);
            let why = format!("store the generation: {error}");
            // Nothing is linked yet.
            return (finish.done)(Err(Failure::new(Fault::Disk, why)));
        }
        if !staged.is_sealed_with(&finish.meta)
            && let Err(failure) = self.flush(&mut staged, (*finish.meta).clone())
        {
            self.creates().end(key, number);
            return (finish.done)(Err(failure));
        }
        self.commit(number, staged, finish);
    }

    /// Hands a flushed file to the committer, unless its create was ended.
    fn commit(self: &Arc<Self>, number: u64, staged: Box<Staged>, finish: Finish) {
        let Finish {
            name,
            meta,
            done,
            begun,
        } = finish;
        let key = meta.key;
        let node = Arc::clone(self);
        let ended: Done<u32> = Box::new(move |result| {
            node.creates().end(key, number);
            node.metrics
                .upload_seconds
                .observe(begun.elapsed().as_secs_f64());
            Metrics::count(&node.metrics.uploads, &result);
            done(result);
        });
        let mut creates = self.creates();
        if creates.commit(key, number) {
            // Under the lock: a later delete queues behind it.
            self.disk.submit(Op::Link {
                staged,
                name,
                meta,
                done: ended,
            });
        } else {
            let why = creates.why_gone(key);
            drop(creates);
            ended(Err(why));
        }
    }
}
