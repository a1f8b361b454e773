//! The Registry service: nodes join here, and stay for as long as their
//! stream is open and their reports arrive.

use crate::nodes::Link;
use crate::status_of::refusal;
use crate::traced;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use kit::accept::Peer;
use kit::inner::{Inner, Way};
use kit::spans::Tracer;
use kit::token::PoolCaller;
use manager_protocol::cluster::admission::{Claim, admit};
use manager_protocol::core::Core;
use manager_protocol::nodes::{Expected, Node, SILENCE};
use manager_protocol::recovery::merge;
use manager_protocol::store::NodeRow;
use manager_protocol::upkeep::drain;
use proto::v1::registry_server::Registry;
use proto::v1::{
    Heard, Hello, ManagerMessage, NodeMessage, Report, Welcome, manager_message, node_message,
};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// How long a node may take to say who it is, and to send its first report.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// Answers that may wait for a node.
const ANSWERS: usize = 8;

type Answers = mpsc::Sender<Result<ManagerMessage, Status>>;

/// The service.
pub(crate) struct RegistryService {
    core: Arc<Core>,
    inner: Inner,
    tracer: Tracer,
    shutdown: CancellationToken,
}

impl RegistryService {
    /// Serves joins until `shutdown` is cancelled.
    pub(crate) fn new(
        core: Arc<Core>,
        inner: Inner,
        tracer: Tracer,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            core,
            inner,
            tracer,
            shutdown,
        }
    }
}

#[tonic::async_trait]
impl Registry for RegistryService {
    type JoinStream = Pin<Box<dyn Stream<Item = Result<ManagerMessage, Status>> + Send>>;

    async fn join(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let caller = request.extensions().get::<PoolCaller>().cloned();
        let peer = request.extensions().get::<Peer>().cloned();
        let secured = peer.as_ref().is_some_and(|peer| peer.identity().is_some());
        let mut messages = request.into_inner();
        let mut hello = match next(&mut messages).await? {
            node_message::Kind::Hello(hello) => hello,
            node_message::Kind::Report(_) => {
                return Err(Status::invalid_argument(
                    "a node says Hello before it reports",
                ));
            }
        };
        let claim = Claim::read(&hello).map_err(refusal)?;
        let pool = caller.as_ref().map(|PoolCaller(pool)| pool.as_str());
        let row = admit(&self.core, &claim, pool).await.map_err(refusal)?;
        self.core.lead.seen(hello.leader_seen);
        let (answers, stream) = mpsc::channel(ANSWERS);
        let welcome = manager_message::Kind::Welcome(Welcome {
            cluster_id: self.core.cluster_id().into_bytes().to_vec().into(),
            protocol: claim.protocol,
            leader: self.core.lead.number(),
        });
        send(&answers, welcome).await?;
        let core = self.core.clone();
        if !secured {
            // It was sent where others can read it.
            hello.ticket_key = Bytes::new();
        }
        let way = self.inner.way_to_node(&hello.pool, secured);
        let shutdown = self.shutdown.clone();
        let call = Call {
            messages,
            answers,
            peer,
            tracer: self.tracer.clone(),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = stay(core, way, hello, claim, row, call) => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// The call of a node that joins.
struct Call {
    messages: Streaming<NodeMessage>,
    answers: Answers,
    peer: Option<Peer>,
    tracer: Tracer,
}

/// The life of one node's join.
async fn stay(core: Arc<Core>, way: Way, hello: Hello, claim: Claim, row: NodeRow, call: Call) {
    let Call {
        mut messages,
        answers,
        peer,
        tracer,
    } = call;
    let first = match next(&mut messages).await {
        Ok(node_message::Kind::Report(report)) => report,
        Ok(node_message::Kind::Hello(_)) | Err(_) => return,
    };
    let closed = CancellationToken::new();
    let expected = Expected {
        session: Some(first.session),
        ..claim.expected()
    };
    let link = match Link::connect(&hello.endpoint, &way, expected, closed.clone()).await {
        Ok(link) => link,
        Err(error) => {
            tracing::warn!(node = %claim.id, %error, "not joined");
            let why = format!("the manager does not connect: {error}");
            // The node logs it and tries again.
            let _ = answers.send(Err(Status::failed_precondition(why))).await;
            return;
        }
    };
    let node = Arc::new(Node::new(
        core.world.clone(),
        claim.id.clone(),
        claim.volume_id,
        hello,
        traced::calls(link, &tracer, &claim.id),
        closed.clone(),
        &first,
    ));
    if let Err(error) = drain::seal_joining(&core, &node, &row).await {
        let why = format!("the node is drained, but can't be sealed: {error}");
        // The node logs it and tries again.
        let _ = answers.send(Err(Status::unavailable(why))).await;
        return;
    }
    core.nodes.insert(node.clone());
    if let Some(peer) = peer {
        peer.admit();
    }
    tracing::info!(
        node = %node.id, endpoint = node.endpoint, files = first.files, session = first.session,
        "joined"
    );
    let merging = tokio::spawn(merge::run(core.clone(), node.clone()));
    let why = listen(&core, &node, &mut messages, &answers).await;
    core.nodes.remove(&node);
    merging.abort();
    tracing::warn!(node = %node.id, why, "left");
}

async fn listen(
    core: &Core,
    node: &Node,
    messages: &mut Streaming<NodeMessage>,
    answers: &Answers,
) -> String {
    loop {
        let message = tokio::select! {
            () = node.closed.cancelled() => return "its connection broke".to_owned(),
            message = tokio::time::timeout(SILENCE, messages.next()) => message,
        };
        let report = match message {
            Err(_) => return format!("no report for {SILENCE:?}"),
            Ok(None) => return "it closed its stream".to_owned(),
            Ok(Some(Err(status))) => return status.to_string(),
            Ok(Some(Ok(message))) => match message.kind {
                Some(node_message::Kind::Report(report)) => report,
                Some(node_message::Kind::Hello(_)) | None => continue,
            },
        };
        take(core, node, &report);
        let (beat, term) = core.lead.beat();
        let heard = manager_message::Kind::Heard(Heard {
            leader: core.lead.number(),
            beat,
            term,
        });
        if let Err(status) = send(answers, heard).await {
            return status.message().to_owned();
        }
    }
}

fn take(core: &Core, node: &Node, report: &Report) {
    let sealed_before = node.is_draining();
    node.hear(report);
    if node.is_draining() != sealed_before {
        core.nodes.touched();
    }
}

/// Sends an answer. A node that takes none counts as silent: while an answer waits, the
/// node's reports are not read either.
async fn send(answers: &Answers, kind: manager_message::Kind) -> Result<(), Status> {
    let message = Ok(ManagerMessage { kind: Some(kind) });
    match tokio::time::timeout(SILENCE, answers.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Status::cancelled("it closed its stream")),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "it took no answer for {SILENCE:?}"
        ))),
    }
}

async fn next(messages: &mut Streaming<NodeMessage>) -> Result<node_message::Kind, Status> {
    let message = tokio::time::timeout(FIRST_WORDS, messages.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the node said nothing"))??;
    message
        .and_then(|m| m.kind)
        .ok_or_else(|| Status::invalid_argument("the node closed its stream without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_takes_no_answer_is_left() {
        let heard = || manager_message::Kind::Heard(Heard::default());
        let (answers, mut stream) = mpsc::channel(ANSWERS);
        for _ in 0..ANSWERS {
            send(&answers, heard()).await.expect("there is room");
        }
        let begun = tokio::time::Instant::now();
        let left = send(&answers, heard()).await.expect_err("it takes none");
        assert!(left.message().contains("took no answer"), "{left}");
        assert!(begun.elapsed() < SILENCE * 2);
        let taken = stream.recv().await.expect("an answer");
        assert!(taken.is_ok());
        send(&answers, heard()).await.expect("there is room again");
        drop(stream);
        let left = send(&answers, heard()).await.expect_err("it has gone");
        assert!(left.message().contains("closed"), "{left}");
    }
}
