//! How long the API server may take for an answer.

use super::words::{Doing, failed, silent};
use crate::outcome::NotReached;
use kube::Error;
use std::time::Duration;

/// For each of its calls. A connection of the client needs two of them before its own handshake.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the API server answers, in time.
pub(crate) async fn asked<T>(
    call: impl Future<Output = Result<T, Error>>,
    doing: Doing<'_>,
    namespace: &str,
) -> Result<T, NotReached> {
    asked_within(PATIENCE, call, doing, namespace).await
}

async fn asked_within<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, Error>>,
    doing: Doing<'_>,
    namespace: &str,
) -> Result<T, NotReached> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(|error| failed(&error, doing, namespace)),
        Err(_) => Err(silent(doing, namespace, patience)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_come_is_not_waited_for() {
        let never = std::future::pending::<Result<(), Error>>();
        let late = asked_within(Duration::ZERO, never, Doing::ListPods, "dfs").await;
        let NotReached(why) = late.expect_err("late");
        assert!(why.starts_with("listing pods in namespace dfs"), "{why}");
        let there = asked(async { Ok(7) }, Doing::ListPods, "dfs").await;
        assert_eq!(there.ok(), Some(7));
    }
}
