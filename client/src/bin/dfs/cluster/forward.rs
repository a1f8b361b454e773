//! Brings connections to pods: each one that a socket of this machine gets is forwarded, by
//! the API server, to a pod that is ready then.

use super::find::{Found, Target, is_ready, states};
use super::patience::asked;
use super::words::Doing;
use crate::out::Out;
use crate::outcome::NotReached;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Portforwarder};
use kube::{Api, Client};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Connections at once, twice as many as files may move at once.
const CONNECTIONS: usize = 512;
/// How long after the end of a connection its reason may come.
const REASON: Duration = Duration::from_millis(500);
/// How long to wait before it is asked again for a pod that is ready.
const PAUSE: Duration = Duration::from_secs(1);

/// The pods of a service.
#[derive(Clone)]
pub(crate) struct Pods {
    api: Api<Pod>,
    namespace: String,
    found: Arc<Found>,
    /// Which connection it is: they take turns.
    turn: Arc<AtomicUsize>,
}

impl Pods {
    pub(crate) fn new(client: Client, namespace: &str, found: Found) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            found: Arc::new(found),
            turn: Arc::default(),
        }
    }

    async fn list(&self) -> Result<Vec<Pod>, NotReached> {
        let selected = ListParams::default().labels(&self.found.selector);
        let listed = self.api.list(&selected);
        Ok(asked(listed, Doing::ListPods, &self.namespace).await?.items)
    }

    /// One that is ready, for which it waits this long.
    pub(crate) async fn wait(&self, patience: Duration) -> Result<Pod, NotReached> {
        let begun = Instant::now();
        loop {
            let pods = self.list().await?;
            if let Some(ready) = pods.iter().find(|pod| is_ready(pod)) {
                return Ok(ready.clone());
            }
            if begun.elapsed() + PAUSE > patience {
                return Err(self.none_ready(&pods));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn none_ready(&self, pods: &[Pod]) -> NotReached {
        let (release, namespace) = (&self.found.release, &self.namespace);
        NotReached(format!(
            "no manager of release {namespace}/{release} is ready: {}",
            states(pods)
        ))
    }

    /// A connection to one of the pods that are ready, each in its turn.
    pub(crate) async fn connect(&self) -> Result<(Portforwarder, Target), NotReached> {
        let pods = self.list().await?;
        let ready = self.found.ready(&pods);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let Some(target) = ready.get(turn % ready.len().max(1)).cloned() else {
            return Err(self.none_ready(&pods));
        };
        let ports = [target.port];
        let begun = self.api.portforward(&target.pod, &ports);
        let forwarder = asked(begun, Doing::Forward(&target.pod), &self.namespace).await?;
        Ok((forwarder, target))
    }

    /// Carries a connection until one of its sides ends.
    async fn carry(&self, here: &mut UnixStream) -> Result<(), NotReached> {
        let (mut forwarder, target) = self.connect().await?;
        let broken = forwarder.take_error(target.port);
        let (mut ended_by_pod, mut is_answered) = (false, false);
        if let Some(there) = forwarder.take_stream(target.port) {
            let (mut from_pod, mut to_pod) = tokio::io::split(there);
            let (mut from_us, mut to_us) = here.split();
            (ended_by_pod, is_answered) = tokio::select! {
                // Where the pod is gone, what is sent to it may fail first.
                sent = tokio::io::copy(&mut from_us, &mut to_pod) => (sent.is_err(), false),
                got = tokio::io::copy(&mut from_pod, &mut to_us) => (true, got.unwrap_or(0) > 0),
            };
        }
        // The reason comes over a channel of its own, at about the same time.
        let patience = if ended_by_pod { REASON } else { Duration::ZERO };
        let why = match broken {
            Some(broken) => tokio::time::timeout(patience, broken).await,
            None => Ok(None),
        };
        forwarder.abort();
        match why.ok().flatten() {
            Some(why) => Err(NotReached(format!("pod {}: {why}", target.pod))),
            None if ended_by_pod && !is_answered => Err(NotReached(format!(
                "pod {}: the connection ended without an answer",
                target.pod
            ))),
            None => Ok(()),
        }
    }
}

/// Where connections are taken, while it is held.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) path: PathBuf,
    /// What keeps it there.
    _kept: Kept,
}

#[derive(Debug)]
enum Kept {
    #[cfg(target_os = "linux")]
    Open { _socket: std::os::fd::OwnedFd },
    #[cfg(not(target_os = "linux"))]
    Folder { _folder: tempfile::TempDir },
}

/// A socket that only this user reaches. On Linux it has no name as soon as it is open, so that
/// nobody else reaches it, and nothing of it is left whenever this program ends.
fn door() -> Result<(UnixListener, Door)> {
    let folder = tempfile::Builder::new().prefix("dfs-").tempdir()?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags};
        use std::os::fd::AsRawFd;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let socket = rustix::fs::open(&path, flags, Mode::empty())?;
        folder.close()?;
        let door = Door {
            path: format!("/proc/self/fd/{}", socket.as_raw_fd()).into(),
            _kept: Kept::Open { _socket: socket },
        };
        Ok((listener, door))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _kept = Kept::Folder { _folder: folder };
        Ok((listener, Door { path, _kept }))
    }
}

/// Forwards what comes to the door, until the program ends. What fails is what `out` says
/// where no answer comes.
pub(crate) fn open(pods: Pods, out: &Arc<Out>) -> Result<Door> {
    let (listener, door) = door().context("a socket for what is forwarded")?;
    let (out, places) = (out.clone(), Arc::new(Semaphore::new(CONNECTIONS)));
    tokio::spawn(async move {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Ok((mut here, _)) = listener.accept().await else {
                // Without a file to spare; some are closed meanwhile.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (pods, out) = (pods.clone(), out.clone());
            tokio::spawn(async move {
                let failed = pods.carry(&mut here).await.err();
                // Before the connection is closed, so that it is known by then.
                out.because(failed.map(|why| why.to_string()));
                drop((here, place));
            });
        }
    });
    Ok(door)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_door_is_open_while_it_is_held_and_leaves_nothing() {
        let (listener, door) = door().unwrap();
        for _ in 0..2 {
            let mut there = UnixStream::connect(&door.path).await.unwrap();
            let (mut here, _) = listener.accept().await.unwrap();
            there.write_all(b"hello").await.unwrap();
            drop(there);
            let mut text = String::new();
            here.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "hello");
        }
        let path = door.path.clone();
        let named = listener.local_addr().unwrap();
        let named = named.as_pathname().unwrap().to_owned();
        if cfg!(target_os = "linux") {
            assert!(!named.exists() && !named.parent().unwrap().exists());
        }
        drop(door);
        assert!(UnixStream::connect(&path).await.is_err());
    }
}
