//! Tasks whose ends are waited for; the rest of them is broken off when this is dropped.

use crate::world::World;
use futures::StreamExt;
use futures::channel::oneshot;
use futures::stream::FuturesUnordered;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Tasks that run side by side.
pub(crate) struct Tasks<T> {
    world: World,
    running: FuturesUnordered<oneshot::Receiver<T>>,
    end: DropGuard,
}

impl<T: Send + 'static> Tasks<T> {
    /// None runs yet.
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            running: FuturesUnordered::new(),
            end: CancellationToken::new().drop_guard(),
        }
    }

    /// Begins one.
    pub(crate) fn spawn(&self, task: impl Future<Output = T> + Send + 'static) {
        let (ended, running) = oneshot::channel();
        let end = self.end.token().clone();
        self.running.push(running);
        self.world.spawn(async move {
            if let Some(result) = end.run_until_cancelled_owned(task).await {
                let _ = ended.send(result);
            }
        });
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// What the next one that ends returns: `Some(None)` where it panicked, `None` where
    /// none runs.
    pub(crate) async fn next(&mut self) -> Option<Option<T>> {
        self.running.next().await.map(Result::ok)
    }
}
