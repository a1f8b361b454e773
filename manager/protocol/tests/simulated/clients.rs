//! Clients that upload, read and delete files of a few names at random, each request
//! through some manager.

use crate::files::{Files, Number};
use crate::history::{Answer, Asked, Event, History};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::channel::oneshot;
use manager_protocol::core::Core;
use manager_protocol::failure::Failure;
use manager_protocol::files::delete::delete;
use manager_protocol::files::download::{ReadError, find};
use manager_protocol::files::upload::{Upload, UploadMeta};
use manager_protocol::nodes::{NodeShares, Share};
use manager_protocol::sim::{Process, SimManager};
use manager_protocol::trace::Trace;
use manager_protocol::waiters::Waiters;
use names::{Code, FileName};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// The pause between two requests of a client, at the most.
const PAUSE: Duration = Duration::from_millis(2500);
/// Streams of one client to each node.
const STREAMS: usize = 16;
/// Looks at a name whose file is another one each time.
const LOOKS: usize = 5;

/// The managers that run; an empty place is one that was killed.
#[derive(Clone, Default)]
pub(crate) struct Managers(pub(crate) Arc<Mutex<Vec<Option<SimManager>>>>);

impl Managers {
    /// Draws one that runs.
    pub(crate) fn draw(&self, world: &Process) -> Option<SimManager> {
        let managers = self.0.lock();
        let running: Vec<_> = managers.iter().flatten().collect();
        let count = u64::try_from(running.len()).unwrap_or_default();
        if count == 0 {
            return None;
        }
        let drawn = usize::try_from(world.below(count)).unwrap_or_default();
        running.get(drawn).map(|manager| (*manager).clone())
    }
}

/// Has a manager serve a request. None where it is killed before the request has ended.
pub(crate) async fn serve<T: Send + 'static, F>(
    manager: &SimManager,
    request: impl FnOnce(Arc<Core>) -> F,
) -> Option<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let serving = request(manager.core.clone());
    manager.process.run(async move {
        // Its client waits for it.
        let _ = tell.send(serving.await);
    });
    told.await.ok()
}

/// What all clients of a run share.
#[derive(Clone)]
pub(crate) struct Clients {
    /// The process that they are in.
    pub(crate) world: Process,
    /// Whom they ask.
    pub(crate) managers: Managers,
    /// Their files.
    pub(crate) files: Files,
    /// What came of it.
    pub(crate) history: History,
    /// The names that they use.
    pub(crate) names: Vec<FileName>,
}

impl Clients {
    /// One client: so many requests, one after the other.
    pub(crate) async fn run(self, requests: u64) {
        for _ in 0..requests {
            self.world.pause(Duration::ZERO, PAUSE).await;
            let names = u64::try_from(self.names.len()).unwrap_or(1);
            let drawn = usize::try_from(self.world.below(names)).unwrap_or_default();
            let name = self.names[drawn].clone();
            match self.world.below(10) {
                0..4 => self.upload(&name).await,
                4..7 => {
                    self.read(&name).await;
                }
                _ => self.delete(&name).await,
            }
        }
    }

    /// An upload; where no answer came, it may be repeated with its key.
    async fn upload(&self, name: &FileName) {
        let (file, bytes) = self.files.draw(&self.world, name);
        let key = self.world.one_in(2).then(|| format!("key-{file}"));
        for _ in 0..2 {
            let meta = UploadMeta {
                name: name.clone(),
                content_type: None,
                idempotency_key: key.clone(),
                budget: None,
            };
            let (bytes, world) = (bytes.clone(), self.world.clone());
            let request = move |core| async move {
                match upload(core, &world, meta, bytes).await {
                    Ok(()) => Answer::Done,
                    Err(failure) => Answer::Failed(failure.code),
                }
            };
            let answer = self.ask(name, move || Asked::Upload(file), request).await;
            let open = matches!(
                answer,
                Some(Answer::Nothing | Answer::Failed(Code::ServersUnavailable))
            );
            if !open || key.is_none() {
                return;
            }
            self.world.pause(Duration::ZERO, PAUSE).await;
        }
    }

    /// Reads the whole file of a name.
    pub(crate) async fn read(&self, name: &FileName) -> Option<Answer> {
        let (wanted, files) = (name.clone(), self.files.clone());
        let request = move |core| async move {
            match read(&core, &wanted).await {
                Ok(Some(bytes)) => Answer::Body(files.with_bytes(&bytes)),
                Ok(None) => Answer::Nothing,
                Err(failure) => Answer::Failed(failure.code),
            }
        };
        self.ask(name, || Asked::Read, request).await
    }

    async fn delete(&self, name: &FileName) {
        let (doomed, wanted) = (Arc::<Mutex<Vec<Number>>>::default(), name.clone());
        let (dooms, files) = (doomed.clone(), self.files.clone());
        let request = move |core: Arc<Core>| async move {
            let trace = Trace::random(&core.world);
            let accept = |record: &_| {
                dooms.lock().extend(files.of(record));
                true
            };
            match delete(&core, trace, &wanted, accept).await {
                Ok(_) => Answer::Done,
                Err(failure) => Answer::Failed(failure.code),
            }
        };
        let asked = move || Asked::Delete(doomed.lock().clone());
        self.ask(name, asked, request).await;
    }

    /// Has a manager serve a request, and notes what came of it. None where no manager runs.
    async fn ask<F>(
        &self,
        name: &FileName,
        asked: impl FnOnce() -> Asked,
        request: impl FnOnce(Arc<Core>) -> F,
    ) -> Option<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let manager = self.managers.draw(&self.world)?;
        let begun = self.world.elapsed();
        let answer = serve(&manager, request).await.unwrap_or(Answer::Nothing);
        let event = Event {
            name: name.clone(),
            begun,
            ended: self.world.elapsed(),
            asked: asked(),
            answer,
        };
        self.world.note(format_args!("{event:?}"));
        self.history.add(event);
        Some(answer)
    }
}

pub(crate) async fn upload(
    core: Arc<Core>,
    world: &Process,
    meta: UploadMeta,
    mut bytes: Bytes,
) -> Result<(), Failure> {
    let trace = Trace::random(&core.world);
    let share = Share {
        streams: NodeShares::new(0, &core.world, STREAMS, Duration::from_secs(10)),
        waiters: Waiters::UNBOUNDED,
    };
    let hint = world.one_in(2).then_some(bytes.len() as u64);
    let mut upload = Upload::begin(&core, trace, share, hint);
    upload
        .name(&meta.name, meta.idempotency_key.is_some())
        .await?;
    while !bytes.is_empty() {
        let piece = usize::try_from(1 + world.below(200_000)).unwrap_or(1);
        upload.push(bytes.split_to(piece.min(bytes.len()))).await?;
        world.pause(Duration::ZERO, Duration::from_millis(5)).await;
    }
    upload.end().commit(meta).await.map(drop)
}

/// The whole file; none where the answer breaks off.
async fn read(core: &Arc<Core>, name: &FileName) -> Result<Option<Bytes>, Failure> {
    let shares = NodeShares::new(0, &core.world, STREAMS, Duration::from_secs(10));
    let trace = Trace::random(&core.world);
    for _ in 0..LOOKS {
        let mut found = find(core, trace, &shares, name).await?;
        let mut body = match found.read(None).await {
            Ok(body) => body,
            Err(ReadError::Superseded) => continue,
            Err(ReadError::Failed(failure)) => return Err(failure),
        };
        let mut bytes = BytesMut::new();
        while let Some(part) = body.next().await {
            match part {
                Ok(part) => bytes.extend_from_slice(&part),
                Err(_) => return Ok(None),
            }
        }
        return Ok(Some(bytes.freeze()));
    }
    Ok(None)
}
