//! Joins every manager behind the addresses given, and stays joined.

use crate::node::Node;
use crate::vital::reraise;
use kit::inner::{Inner, chain};
use proto::v1::manager_message::Kind as FromManager;
use proto::v1::node_message::Kind as ToManager;
use proto::v1::registry_client::RegistryClient;
use proto::v1::{self};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Uri};
use uuid::Uuid;

/// How often a manager's name is resolved anew.
const RESOLVE: Duration = Duration::from_secs(5);
/// How often the node reports.
const REPORT: Duration = Duration::from_secs(1);
/// How long a manager may be silent.
const SILENCE: Duration = Duration::from_secs(6);
const CONNECT: Duration = Duration::from_secs(2);
/// The longest pause before the next attempt; the first is a tenth of it.
const BACKOFF: Duration = Duration::from_secs(1);

/// What a node says of itself to each manager.
pub struct Joiner {
    /// The node.
    pub node: Arc<Node>,
    /// Its pool.
    pub pool: String,
    /// Where managers and other nodes reach it.
    pub advertise: String,
    /// What opens the inner ports.
    pub inner: Inner,
    /// Cancelled once the node has left.
    pub stop: CancellationToken,
}

/// Why a join ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Refused(String),
    #[error("can't be reached: {0}")]
    Unreachable(String),
    #[error("the stream broke off: {0}")]
    Broken(String),
    #[error("no answer for {} s", SILENCE.as_secs())]
    Silent,
    #[error(
        "this volume belongs to cluster {own}, the manager is of cluster {other}: not joined, nothing was changed"
    )]
    OtherCluster { own: String, other: String },
    #[error("the volume's identity can't be written: {0}")]
    Volume(String),
}

impl Joiner {
    /// Joins the managers until the token is cancelled.
    pub async fn run(self: Arc<Self>, managers: Vec<Uri>) {
        let mut joins = tokio::task::JoinSet::new();
        for manager in managers {
            joins.spawn(Arc::clone(&self).follow(manager));
        }
        while let Some(ended) = joins.join_next().await {
            reraise(ended);
        }
    }

    /// Joins every address behind one manager's name, as they come and go.
    async fn follow(self: Arc<Self>, manager: Uri) {
        let host = manager.host().unwrap_or_default().to_owned();
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = manager.port_u16().unwrap_or(9000);
        let mut joined: HashMap<SocketAddr, CancellationToken> = HashMap::new();
        let mut joins = tokio::task::JoinSet::new();
        let mut unknown = false;
        loop {
            match tokio::net::lookup_host((host.as_str(), port)).await {
                Ok(found) => {
                    unknown = false;
                    let found: Vec<SocketAddr> = found.collect();
                    joined.retain(|address, gone| {
                        let there = found.contains(address);
                        if !there {
                            gone.cancel();
                        }
                        there
                    });
                    for address in found {
                        joined.entry(address).or_insert_with(|| {
                            let gone = self.stop.child_token();
                            let joiner = Arc::clone(&self);
                            joins.spawn(joiner.keep(manager.clone(), address, gone.clone()));
                            gone
                        });
                    }
                }
                // Those joined stay so: a name service that is down is no reason to leave.
                Err(error) if !unknown => {
                    unknown = true;
                    tracing::warn!(%manager, %error, "the manager's name can't be resolved");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = joins.join_next() => reraise(ended),
                () = tokio::time::sleep(RESOLVE) => {}
            }
        }
        while let Some(ended) = joins.join_next().await {
            reraise(ended);
        }
    }

    /// Keeps joined to one address. An address that the name no longer resolves to is
    /// only left once its stream breaks.
    async fn keep(self: Arc<Self>, manager: Uri, address: SocketAddr, gone: CancellationToken) {
        let mut failures = 0u32;
        let mut told = String::new();
        loop {
            let ended = tokio::select! {
                () = self.stop.cancelled() => return,
                ended = self.join(&manager, address, &mut failures) => ended,
            };
            if gone.is_cancelled() {
                return;
            }
            let text = ended.to_string();
            // Logged once, not at each attempt.
            if text != told {
                match ended {
                    Ended::OtherCluster { .. } | Ended::Refused(_) => {
                        tracing::error!(%address, reason = text, "not joined");
                    }
                    _ => tracing::warn!(%address, reason = text, "not joined; trying again"),
                }
                told = text;
            }
            let pause = (BACKOFF / 10 * 2u32.pow(failures.min(4))).min(BACKOFF);
            failures += 1;
            let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::select! {
                () = gone.cancelled() => return,
                () = tokio::time::sleep(jittered) => {}
            }
        }
    }

    /// Joins one address and reports until something ends it.
    async fn join(&self, manager: &Uri, address: SocketAddr, failures: &mut u32) -> Ended {
        let (send, mut answers) = match self.connect(manager, address).await {
            Ok(stream) => stream,
            Err(ended) => return ended,
        };
        let first = tokio::time::timeout(SILENCE, answers.message()).await;
        let welcome = match first {
            Err(_) => return Ended::Silent,
            Ok(Err(status)) => return refused(&status),
            Ok(Ok(Some(v1::ManagerMessage {
                kind: Some(FromManager::Welcome(welcome)),
            }))) => welcome,
            Ok(Ok(_)) => return Ended::Broken("no welcome came".to_owned()),
        };
        // The cluster is kept before the first report: from then on the manager
        // may count on this volume.
        if let Err(ended) = self.adopt(&welcome).await {
            return ended;
        }
        *failures = 0;
        tracing::info!(%address, "joined");
        self.node.metrics.managers.inc();
        let ended = self.report(&send, &mut answers).await;
        self.node.metrics.managers.dec();
        ended
    }

    async fn connect(
        &self,
        manager: &Uri,
        address: SocketAddr,
    ) -> Result<
        (
            mpsc::Sender<v1::NodeMessage>,
            tonic::Streaming<v1::ManagerMessage>,
        ),
        Ended,
    > {
        let unreachable = |error: &dyn std::error::Error| Ended::Unreachable(chain(error));
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| unreachable(&error))?
            .origin(manager.clone())
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(4));
        let way = self.inner.way_to_manager(&self.pool);
        let channel = way
            .connect(&endpoint)
            .await
            .map_err(|error| unreachable(&error))?;
        let mut client = RegistryClient::with_interceptor(channel, way);
        let (send, receive) = mpsc::channel(4);
        // There is room for the first message.
        let _ = send.try_send(message(ToManager::Hello(self.hello())));
        let answers = tokio::time::timeout(SILENCE, client.join(ReceiverStream::new(receive)))
            .await
            .map_err(|_| Ended::Silent)?
            .map_err(|status| refused(&status))?;
        Ok((send, answers.into_inner()))
    }

    fn hello(&self) -> v1::Hello {
        let identity = self.node.volume.identity();
        let (beat_seen, term_seen) = self.node.beat();
        let bytes = |id: Uuid| bytes::Bytes::copy_from_slice(id.as_bytes());
        v1::Hello {
            node_id: identity.node_id,
            volume_id: bytes(identity.volume_id),
            session: self.node.session(),
            pool: self.pool.clone(),
            cluster_id: identity.cluster_id.map(bytes).unwrap_or_default(),
            endpoint: self.advertise.clone(),
            protocol_min: proto::PROTOCOL_MIN,
            protocol_max: proto::PROTOCOL,
            leader_seen: identity.leader,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            beat_seen,
            term_seen,
            generation_seen: identity.generation,
            ticket_key: match self.inner.is_secured() {
                true => self.node.ticket_key.clone(),
                // It would be read on the way.
                false => bytes::Bytes::new(),
            },
        }
    }

    async fn adopt(&self, welcome: &v1::Welcome) -> Result<(), Ended> {
        let other = Uuid::from_slice(&welcome.cluster_id)
            .map_err(|_| Ended::Broken("the welcome has no cluster id".to_owned()))?;
        // Nothing to write, so that nothing waits for the disk.
        if self.node.volume.identity().cluster_id == Some(other) {
            return Ok(());
        }
        let node = Arc::clone(&self.node);
        let adopted = self
            .node
            .writers
            .call(move || node.volume.adopt_cluster(other))
            .await
            .ok_or_else(|| Ended::Volume("broken off".to_owned()))?
            .map_err(|error| Ended::Volume(error.to_string()))?;
        if adopted {
            return Ok(());
        }
        let own = self.node.volume.identity().cluster_id;
        Err(Ended::OtherCluster {
            own: own.map(|id| id.to_string()).unwrap_or_default(),
            other: other.to_string(),
        })
    }

    /// Reports every second and at each change, as long as the manager answers.
    async fn report(
        &self,
        send: &mpsc::Sender<v1::NodeMessage>,
        answers: &mut tonic::Streaming<v1::ManagerMessage>,
    ) -> Ended {
        let mut tick = tokio::time::interval(REPORT);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes = self.node.changes();
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        let mut told = false;
        loop {
            tokio::select! {
                () = self.node.leaving.cancelled(), if !told => {
                    // At once: whatever is placed here now would only be refused.
                    told = true;
                    self.say(send);
                }
                () = &mut silence => return Ended::Silent,
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                        if let Some(FromManager::Heard(heard)) = answer.kind {
                            self.node.hear_beat(heard.beat, heard.term);
                        }
                    }
                    Ok(None) => return Ended::Broken("the manager left".to_owned()),
                    Err(status) => return refused(&status),
                },
                _ = tick.tick() => self.say(send),
                _ = changes.changed() => self.say(send),
            }
        }
    }

    fn say(&self, send: &mpsc::Sender<v1::NodeMessage>) {
        // Where the channel is full the manager does not read: its silence ends the stream.
        let _ = send.try_send(message(ToManager::Report(self.node.report())));
    }
}

fn message(kind: ToManager) -> v1::NodeMessage {
    v1::NodeMessage { kind: Some(kind) }
}

/// Whether the manager itself refused, or the connection broke.
fn refused(status: &tonic::Status) -> Ended {
    use tonic::Code;
    match status.code() {
        Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::PermissionDenied
        | Code::Unauthenticated => Ended::Refused(status.message().to_owned()),
        // Its causes say where a certificate was refused.
        _ => Ended::Broken(match std::error::Error::source(status) {
            Some(cause) => format!("{}: {}", status.message(), chain(cause)),
            None => status.message().to_owned(),
        }),
    }
}
