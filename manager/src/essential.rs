//! Tasks that the manager can't do without: where one ends by itself, by an error or by
//! a panic, the process exits, since a restart heals more than half a manager.

use std::future::Future;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The tasks, each with the name that its end is logged by.
pub(crate) struct Essential {
    tasks: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
    stop: CancellationToken,
}

impl Essential {
    /// No task yet; tasks that are added later end with the token.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            tasks: JoinSet::new(),
            names: Vec::new(),
            stop,
        }
    }

    /// Runs a task that ends by itself soon after the token is cancelled.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.names.push((handle.id(), name));
    }

    /// Runs a task that never ends; the token drops it.
    pub(crate) fn keep(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.run(name, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Waits until one ends that should not have, and returns which and why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let stopped = self.stop.is_cancelled();
            match ended {
                Ok(_) if stopped => {}
                Ok((id, ())) => {
                    return anyhow::anyhow!("{} ended by itself: leaving", self.name(id));
                }
                Err(error) => return self.broken(&error),
            }
        }
    }

    /// Waits for all of them, once the token is cancelled.
    pub(crate) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn broken(&self, error: &JoinError) -> anyhow::Error {
        anyhow::anyhow!("{} broke off ({error}): leaving", self.name(error.id()))
    }

    fn name(&self, id: Id) -> &'static str {
        let found = self.names.iter().find(|(known, _)| *known == id);
        found.map_or("a task", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_end_and_the_panic_of_a_task_are_noticed_by_its_name() {
        let stop = CancellationToken::new();
        let mut tasks = Essential::new(stop.clone());
        tasks.keep("the watch", std::future::pending());
        tasks.run("the janitor", async {});
        let ended = tasks.failed().await.to_string();
        assert!(ended.contains("the janitor ended"), "{ended}");
        tasks.keep("the mover", async { panic!("on purpose") });
        let ended = tasks.failed().await.to_string();
        assert!(ended.contains("the mover broke off"), "{ended}");
        stop.cancel();
        let silent = tokio::time::timeout(Duration::from_millis(50), tasks.failed()).await;
        assert!(silent.is_err(), "an end that was asked for is none");
        tasks.finish().await;
    }
}
