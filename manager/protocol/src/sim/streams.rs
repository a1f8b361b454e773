//! A manager's end of the streams to and from simulated nodes.

use super::node::MemoryNode;
use super::process::Process;
use super::wire::Wire;
use crate::nodes::{CallError, NodeCount, Outcome};
use futures::StreamExt;
use futures::stream::BoxStream;
use messages::v1::UploadPart;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Parts that may wait for the other side.
const AHEAD: usize = 4;
/// After how long at the most a stream breaks off that does.
const BREAKS_WITHIN: Duration = Duration::from_millis(300);

/// Opens a stream to a node. Its outcome, dropped before, ends it.
pub(super) fn outgoing(
    node: &Arc<MemoryNode>,
    wire: &Wire,
    closed: &CancellationToken,
    process: &Process,
    count: &Arc<NodeCount>,
) -> (mpsc::Sender<UploadPart>, Outcome) {
    let (parts, incoming) = mpsc::channel(AHEAD);
    let ended = CancellationToken::new();
    let (node, ends) = (node.clone(), ended.clone());
    let breaks = breaks(wire);
    let answer = wire.send("an upload's stream", None, async move {
        node.reach()?;
        let received = node.receive(incoming, ends.clone(), |_| true);
        tokio::pin!(received);
        let received = tokio::select! {
            biased;
            () = breaks => {
                // The node goes on with what it has been told to link.
                ends.cancel();
                drop(received.await);
                return Err(broke());
            }
            received = &mut received => received,
        };
        node.reach()?;
        Ok::<_, CallError>((received, node.counted()))
    });
    let (tell, outcome) = oneshot::channel();
    let (closed, count) = (closed.clone(), count.clone());
    process.run(async move {
        let answer = tokio::select! {
            biased;
            () = closed.cancelled() => Err(CallError::Lost("the node has left".to_owned())),
            answer = answer => answer.unwrap_or_else(|_| Err(broke())),
        };
        // Nobody waits for it any more where the upload was given up.
        let _ = tell.send(answer.and_then(|(linked, counted)| {
            count.take(counted);
            linked
        }));
    });
    let guard = ended.drop_guard();
    let outcome = async move {
        let _ends_with_this = guard;
        outcome.await.unwrap_or_else(|_| Err(broke()))
    };
    (parts, Box::pin(outcome))
}

/// Takes a stream from a node in, which may break off.
pub(super) fn incoming<T, F>(
    wire: &Wire,
    sends: impl FnOnce(mpsc::Sender<Result<T, CallError>>) -> F,
) -> BoxStream<'static, Result<T, CallError>>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (out, parts) = mpsc::channel(1);
    let (breaks, told) = (breaks(wire), out.clone());
    let sending = sends(out);
    wire.outside().run(async move {
        tokio::select! {
            biased;
            () = breaks => {}
            () = sending => return,
        }
        // Nobody listens any more where the stream was dropped.
        let _ = told.send(Err(broke())).await;
    });
    ReceiverStream::new(parts).boxed()
}

/// Ends when the stream breaks, if it does.
fn breaks(wire: &Wire) -> impl Future<Output = ()> + Send + use<> {
    let within = wire.breaks().then_some(BREAKS_WITHIN);
    let breaks = within.map(|most| wire.outside().pause(Duration::ZERO, most));
    async move {
        match breaks {
            Some(breaks) => breaks.await,
            None => std::future::pending().await,
        }
    }
}

fn broke() -> CallError {
    CallError::Lost("the connection broke".to_owned())
}
