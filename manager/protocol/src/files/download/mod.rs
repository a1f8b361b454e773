//! The way of a download: the record names the copy, the node proves that it
//! holds that very copy, and a whole file's checksum is checked before its
//! last bytes go out (invariant 3).

mod large;

use crate::core::Core;
use crate::failure::Failure;
use crate::nodes::{CallError, Node, NodeShares, home_ref};
use crate::store::{Record, State};
use crate::trace::Trace;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use futures::stream::{BoxStream, StreamExt};
use large::Wanted;
use messages::v1::{Fault, ReadRequest};
use messages::{Code, FileName, SMALL};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often the record is read again if it moves during the download.
const TRIES: usize = 5;
/// How long a GET waits for a delete to end.
const DELETE_WAIT: Duration = Duration::from_secs(1);

/// The bytes of an answer; an error breaks the answer off.
pub(crate) type Body = BoxStream<'static, io::Result<Bytes>>;

/// A file that exists, as one request sees it: it keeps this id (rule 12).
#[derive(Clone)]
pub struct Found {
    core: Arc<Core>,
    trace: Trace,
    /// The client's share of each node's streams for downloads.
    shares: Arc<NodeShares>,
    /// Its record.
    pub record: Arc<Record>,
}

/// Why a found file can't be read.
#[derive(Debug)]
pub enum ReadError {
    /// The name now stands for another file: look it up again.
    Superseded,
    /// The failure that the client gets.
    Failed(Failure),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Looks a file up, in the cache first.
///
/// # Errors
/// Code 2 when it does not exist, code 4 while a delete of it goes on.
pub async fn find(
    core: &Arc<Core>,
    trace: Trace,
    shares: &Arc<NodeShares>,
    name: &FileName,
) -> Result<Found, Failure> {
    let cached = core
        .known
        .cache
        .get(name, |record| core.nodes.available(&record.node));
    let record = match cached {
        Some(record) => record,
        None => find_stored(core, name).await?,
    };
    Ok(Found {
        core: core.clone(),
        trace,
        shares: shares.clone(),
        record,
    })
}

async fn find_stored(core: &Arc<Core>, name: &FileName) -> Result<Arc<Record>, Failure> {
    let until = core.world.now() + DELETE_WAIT;
    loop {
        let joins = core.nodes.joins();
        let Some(record) = core.store.get(name).await? else {
            return Err(Failure::new(Code::FileDoesNotExist));
        };
        match record.state {
            State::Pending => return Err(Failure::new(Code::FileDoesNotExist)),
            State::Stored | State::Moving => {
                let record = Arc::new(record);
                keep(core, &record, joins);
                return Ok(record);
            }
            State::Deleting if core.world.now() >= until => {
                return Err(Failure::new(Code::FileUnavailable).because("it is being deleted"));
            }
            State::Deleting => core.world.sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Keeps a record for the next GET, unless a node joined or left while it was read:
/// then its node's session may have begun after the read (rule 13).
fn keep(core: &Core, record: &Arc<Record>, joins: u64) {
    if let Some(node) = core.nodes.available(&record.node) {
        let session = node.session();
        if core.nodes.joins() == joins {
            core.known.cache.keep(record, session);
        }
    }
}

impl Found {
    /// Confirms that the node holds the file, without reading it: HEAD, 304 and 416
    /// state that as much as a GET does (rule 12).
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn confirm(&mut self) -> Result<(), ReadError> {
        for _ in 0..TRIES {
            let node = self.node()?;
            let state = node.link.stat(self.trace.0, home_ref(&self.record)).await;
            let denied = match state {
                Ok(state) if state.held && !state.corrupt => return Ok(()),
                Ok(state) if state.held => CallError::Fault(Fault::Checksum, "corrupt".to_owned()),
                Ok(_) => CallError::Fault(Fault::NotFound, "not held".to_owned()),
                Err(error) => error,
            };
            self.look_again(denied).await?;
        }
        Err(self.lost("it keeps moving"))
    }

    /// Reads a range; the whole file where none is given, checksum checked.
    ///
    /// # Errors
    /// Code 4 when the node is unavailable or denies the file, code 2 when it was
    /// deleted meanwhile.
    pub async fn read(&mut self, range: Option<(u64, u64)>) -> Result<Body, ReadError> {
        let (offset, length) = range.unwrap_or((0, self.record.size));
        if length == 0 {
            self.confirm().await?;
            return Ok(futures::stream::empty().boxed());
        }
        for _ in 0..TRIES {
            let node = self.node()?;
            let wanted = Wanted {
                offset,
                length,
                crc64: range.is_none().then_some(self.record.crc64),
            };
            let body = if length <= SMALL as u64 {
                self.read_small(node, wanted).await
            } else {
                large::read(self, node, wanted).await
            };
            match body {
                Ok(body) => return Ok(body),
                Err(error) => self.look_again(error).await?,
            }
        }
        Err(self.lost("it keeps moving"))
    }

    async fn read_small(&self, node: Arc<Node>, wanted: Wanted) -> Result<Body, CallError> {
        let read = ReadRequest {
            copy: Some(home_ref(&self.record)),
            offset: wanted.offset,
            length: wanted.length,
            trace: self.trace.0,
        };
        let data = node.link.read(read).await?;
        let crc = |data: &[u8]| crc_fast::checksum(CrcAlgorithm::Crc64Nvme, data);
        let intact = data.len() as u64 == wanted.length
            && wanted.crc64.is_none_or(|expected| crc(&data) == expected);
        if intact {
            return Ok(futures::stream::once(async { Ok(data) }).boxed());
        }
        suspect(&self.core, node, &self.record);
        let why = "the bytes fail their checksum".to_owned();
        Err(CallError::Fault(Fault::Checksum, why))
    }

    fn node(&self) -> Result<Arc<Node>, Failure> {
        self.core.nodes.available(&self.record.node).ok_or_else(|| {
            Failure::new(Code::FileUnavailable)
                .because(format_args!("node {} is unavailable", self.record.node))
        })
    }

    /// After a denial, or no answer: a record that moved on is followed (rule 8); one
    /// that did not is a file whose node is unavailable or lacks the bytes (rule 11).
    async fn look_again(&mut self, error: CallError) -> Result<(), ReadError> {
        if let CallError::Fault(Fault::Busy, why) = &error {
            return Err(Failure::new(Code::TooManyRequests).because(why).into());
        }
        // The record may have come from the cache.
        self.core.known.cache.forget(&self.record.name);
        let found = self.core.store.get(&self.record.name).await;
        let record = match (found, &error) {
            (Ok(Some(record)), _) => record,
            (Ok(None), _) => return Err(Failure::new(Code::FileDoesNotExist).into()),
            (Err(_), CallError::Lost(why) | CallError::NotSent(why)) => return Err(self.lost(why)),
            (Err(away), CallError::Fault(..)) => return Err(Failure::from(away).into()),
        };
        if record.id != self.record.id || record.state == State::Deleting {
            return Err(ReadError::Superseded);
        }
        if record.node != self.record.node || record.generation != self.record.generation {
            self.record = Arc::new(record);
            return Ok(());
        }
        match error {
            CallError::Lost(why) | CallError::NotSent(why) => Err(self.lost(&why)),
            CallError::Fault(Fault::Checksum, _) => Err(self.lost("its bytes fail their checksum")),
            CallError::Fault(Fault::NotFound, _) if record.rev == self.record.rev => {
                self.core.known.missing.note(&record);
                Err(self.lost("its node does not hold it"))
            }
            CallError::Fault(Fault::NotFound, _) => {
                self.record = Arc::new(record);
                Ok(())
            }
            CallError::Fault(_, why) => Err(self.lost(&why)),
        }
    }

    fn lost(&self, why: &str) -> ReadError {
        let Record { name, id, node, .. } = &*self.record;
        tracing::warn!(request = %self.trace, %name, %id, %node, why, "a file can't be read");
        Failure::new(Code::FileUnavailable).because(why).into()
    }
}

/// Has the node re-read a copy whose bytes were wrong: if it is corrupt, the node
/// reports it and no longer serves any part of it.
fn suspect(core: &Core, node: Arc<Node>, record: &Record) {
    let (copy, size) = (home_ref(record), record.size);
    tracing::error!(node = %node.id, ?copy, "a file's bytes fail their checksum");
    // The answer is not needed: the node's reports contain it too.
    core.world.spawn(async move {
        let _ = node.link.verify(copy, size).await;
    });
}
