//! The threads and tasks that a node can't do without: where one of them ends,
//! the process ends too, since a restart heals more than a node that answers and
//! does nothing.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Watches these threads and tasks.
pub struct Vital {
    send: mpsc::UnboundedSender<&'static str>,
    receive: mpsc::UnboundedReceiver<&'static str>,
    leaving: CancellationToken,
}

/// Held by one of them; reports its end, whatever ends it.
#[must_use]
pub struct Held {
    name: &'static str,
    /// One message at the most for each.
    ended: Option<mpsc::UnboundedSender<&'static str>>,
}

impl Held {
    /// It ends in order.
    pub fn release(mut self) {
        self.ended = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ended) = &self.ended {
            // Nobody watches any more once the node has left.
            let _ = ended.send(self.name);
        }
    }
}

impl Vital {
    /// Until `leaving` is cancelled, tasks may not end.
    pub fn new(leaving: CancellationToken) -> Self {
        let (send, receive) = mpsc::unbounded_channel();
        Self {
            send,
            receive,
            leaving,
        }
    }

    /// For a thread or a task that says by itself whether it ends in order.
    pub fn hold(&self, name: &'static str) -> Held {
        Held {
            name,
            ended: Some(self.send.clone()),
        }
    }

    /// Runs a task that may only return once the node leaves.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let held = self.hold(name);
        let leaving = self.leaving.clone();
        tokio::spawn(async move {
            task.await;
            if leaving.is_cancelled() {
                held.release();
            }
        })
    }

    /// Waits until one of them has ended out of order, and names it.
    pub async fn lost(&mut self) -> &'static str {
        // A sender is held here, so that there is always one.
        match self.receive.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }
}

/// Panics as a task that this one waited for did, if that ended by a panic.
pub(crate) fn reraise(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_or_returns_too_early_is_named_and_what_leaves_is_not() {
        let leaving = CancellationToken::new();
        let mut vital = Vital::new(leaving.clone());
        let _ = vital.spawn("panics", async { panic!("on purpose") }).await;
        assert_eq!(vital.lost().await, "panics");
        let _ = vital.spawn("returns", async {}).await;
        assert_eq!(vital.lost().await, "returns");
        let held = vital.hold("thread");
        let _ = std::thread::spawn(move || {
            let _held = held;
            panic!("on purpose");
        })
        .join();
        assert_eq!(vital.lost().await, "thread");
        vital.hold("in order").release();
        leaving.cancel();
        let _ = vital.spawn("leaves", async {}).await;
        assert!(vital.receive.try_recv().is_err());
    }
}
