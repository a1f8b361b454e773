//! A node's answer that comes in batches: none of them may keep its caller waiting for ever.

use super::verdict::call_error;
use futures::StreamExt;
use futures::stream::{self, BoxStream, Stream};
use manager_protocol::nodes::CallError;
use std::time::Duration;
use tonic::Status;

/// How long a node may take for the next batch of what it holds: it reads some
/// hundreds of files for each.
pub(super) const BATCH: Duration = Duration::from_secs(60);

/// Passes the batches on, until one fails or does not come within `each` after it was asked
/// for: both are the same to the caller. The time that the caller takes does not count.
pub(super) fn in_time<T: Send + 'static>(
    batches: impl Stream<Item = Result<T, Status>> + Send + Unpin + 'static,
    each: Duration,
) -> BoxStream<'static, Result<T, CallError>> {
    stream::try_unfold(batches, move |mut batches| async move {
        match tokio::time::timeout(each, batches.next()).await {
            Ok(Some(Ok(batch))) => Ok(Some((batch, batches))),
            Ok(Some(Err(status))) => Err(call_error(status)),
            Ok(None) => Ok(None),
            Err(_) => Err(CallError::Lost(format!("no more of it within {each:?}"))),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stalls_between_two_batches_is_as_one_that_broke_off() {
        let begun = Instant::now();
        let stalls = stream::iter([Ok(1), Ok(2)]).chain(stream::pending());
        let got: Vec<_> = in_time(stalls, BATCH).collect().await;
        assert!(
            matches!(&got[..], [Ok(1), Ok(2), Err(CallError::Lost(_))]),
            "{got:?}"
        );
        assert_eq!(begun.elapsed(), BATCH);
        let broke = stream::iter([Ok(1), Err(Status::unavailable("gone")), Ok(2)]);
        let got: Vec<_> = in_time(broke, BATCH).collect().await;
        assert!(
            matches!(&got[..], [Ok(1), Err(CallError::Lost(_))]),
            "{got:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_caller_and_a_slow_node_get_to_the_end() {
        let slow = stream::iter(0..5)
            .then(|at| async move {
                tokio::time::sleep(BATCH / 2).await;
                Ok(at)
            })
            .boxed();
        let mut batches = in_time(slow, BATCH);
        for at in 0..5 {
            let batch = batches.next().await.expect("a batch");
            assert_eq!(batch.expect("in time"), at);
            tokio::time::sleep(2 * BATCH).await;
        }
        assert!(batches.next().await.is_none());
    }
}
