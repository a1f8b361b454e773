//! The operator's client of the managers' Admin service.

use crate::names::PoolName;
use crate::own::Own;
use crate::plan::{About, DrainFacts, Known, Refusal};
use kit::inner::{Inner, Way, chain};
use proto::v1::admin_client::AdminClient;
use proto::v1::{
    AbandonReply, AbandonRequest, DrainLine, DrainRequest, ListDrainsRequest, ListNodesRequest,
    NodeLine, PoolStatusReply, PoolStatusRequest, RefusedFor,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a call may take: a drain weighs every record of its nodes.
const CALL: Duration = Duration::from_secs(60);

/// What the managers know of one pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Its nodes by ordinal.
    pub(crate) nodes: BTreeMap<i32, (Known, NodeLine)>,
    /// Its drains by ordinal.
    pub(crate) drains: BTreeMap<i32, DrainFacts>,
    /// Its sums.
    pub(crate) pool: PoolStatusReply,
    /// Nodes of other pools that are unavailable, each with its pool.
    pub(crate) away_elsewhere: Vec<(String, String)>,
}

/// Sends requests to whichever manager answers.
pub(crate) struct Managers {
    endpoint: Endpoint,
    /// What they are called with, where the inner ports have TLS.
    own: Option<Own>,
    channel: Mutex<Option<Channel>>,
}

/// A token as calls carry it.
pub(crate) type Bearer = MetadataValue<Ascii>;

/// What calls carry: the first of the tokens.
///
/// # Errors
/// Where the token is not printable ASCII.
pub(crate) fn bearer(token: &str) -> anyhow::Result<Bearer> {
    let first = token.lines().next().unwrap_or_default();
    let mut bearer: Bearer = format!("Bearer {first}")
        .parse()
        .map_err(|_| anyhow::anyhow!("the token is not printable ASCII"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

impl Managers {
    /// Managers at a URL, which are not asked yet.
    ///
    /// # Errors
    /// Where it is no URL.
    pub(crate) fn at(url: &str, own: Option<Own>) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5));
        Ok(Self {
            endpoint,
            own,
            channel: Mutex::default(),
        })
    }

    /// A connection, made anew where the last one failed: the name may stand for
    /// other addresses by now.
    async fn client(&self) -> Result<AdminClient<Channel>, Status> {
        let mut channel = self.channel.lock().await;
        if channel.is_none() {
            let connected = self.way()?.connect(&self.endpoint).await;
            *channel = Some(connected.map_err(|error| {
                Status::unavailable(format!("{}: {}", self.endpoint.uri(), chain(&error)))
            })?);
        }
        channel
            .clone()
            .map(|channel| {
                AdminClient::new(channel).max_decoding_message_size(proto::MESSAGE_BYTES)
            })
            .ok_or_else(|| Status::unavailable("no connection"))
    }

    fn way(&self) -> Result<Way, Status> {
        let own = match &self.own {
            None => None,
            Some(own) => Some(own.get().ok_or_else(|| {
                let why = own.why().map(|why| format!(": {why}"));
                let why = why.unwrap_or_default();
                Status::unavailable(format!(
                    "the operator has no certificate of the inner ports yet{why}"
                ))
            })?),
        };
        // Calls carry the token themselves.
        Ok(Inner::of_certificates(own).way_of_commands())
    }

    async fn call<T>(
        &self,
        work: impl AsyncFnOnce(AdminClient<Channel>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let done = work(self.client().await?).await;
        if let Err(status) = &done
            && matches!(
                status.code(),
                tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::DeadlineExceeded
            )
        {
            *self.channel.lock().await = None;
        }
        done
    }

    /// All that is known of a pool.
    ///
    /// # Errors
    /// Where no manager answers, or its store is away.
    pub(crate) async fn view(&self, bearer: &Bearer, name: &PoolName) -> Result<View, Status> {
        self.call(async |mut client| {
            let all = ListNodesRequest {
                pool: String::new(),
            };
            let nodes = client.list_nodes(with(bearer, all)).await?.into_inner();
            let drains = client.list_drains(with(bearer, ListDrainsRequest {}));
            let drains = drains.await?.into_inner();
            let pool = PoolStatusRequest {
                pool: name.at_manager(),
            };
            let pool = client.pool_status(with(bearer, pool)).await?.into_inner();
            Ok(view(name, nodes.nodes, &drains.drains, pool))
        })
        .await
    }

    /// Orders drains of ordinals, of nodes that never joined as well.
    ///
    /// # Errors
    /// Where the managers refuse, with what is lacking.
    pub(crate) async fn drain(
        &self,
        bearer: &Bearer,
        name: &PoolName,
        ordinals: &[i32],
    ) -> Result<(), Status> {
        let request = drain_request(name, ordinals);
        self.call(async |mut client| client.drain(with(bearer, request)).await.map(drop))
            .await
    }

    /// Opens ordinals again.
    ///
    /// # Errors
    /// Where one of them is unavailable.
    pub(crate) async fn open(
        &self,
        bearer: &Bearer,
        name: &PoolName,
        ordinals: &[i32],
    ) -> Result<(), Status> {
        let request = drain_request(name, ordinals);
        self.call(async |mut client| client.cancel_drain(with(bearer, request)).await.map(drop))
            .await
    }

    /// Abandons a node if that costs exactly `lose_files`; without that number, only asks
    /// what it would cost.
    ///
    /// # Errors
    /// Where the number is wrong, or the node is alive.
    pub(crate) async fn abandon(
        &self,
        bearer: &Bearer,
        node_id: &str,
        volume: Uuid,
        lose_files: Option<u64>,
    ) -> Result<AbandonReply, Status> {
        let request = AbandonRequest {
            node_id: node_id.to_owned(),
            volume_id: volume.as_bytes().to_vec().into(),
            lose_files,
        };
        self.call(async |mut client| {
            let reply = client.abandon(with(bearer, request)).await?;
            Ok(reply.into_inner())
        })
        .await
    }
}

fn with<T>(bearer: &Bearer, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", bearer.clone());
    request
}

fn drain_request(name: &PoolName, ordinals: &[i32]) -> DrainRequest {
    DrainRequest {
        node_ids: ordinals.iter().map(|o| name.node_id(*o)).collect(),
        strangers_too: true,
    }
}

/// Picks what is the pool's; pure.
fn view(
    name: &PoolName,
    nodes: Vec<NodeLine>,
    drains: &[DrainLine],
    pool: PoolStatusReply,
) -> View {
    let mut view = View {
        pool,
        ..View::default()
    };
    for line in nodes {
        if let Some(ordinal) = name.ordinal(&line.id) {
            view.nodes.insert(ordinal, (known(&line), line));
        } else if !known(&line).available {
            view.away_elsewhere.push((line.id, line.pool));
        }
    }
    for line in drains {
        if let Some(ordinal) = name.ordinal(&line.node_id) {
            let node = view.nodes.get(&ordinal).map(|(_, node)| node);
            view.drains.insert(ordinal, drain(line, node));
        }
    }
    view
}

fn known(line: &NodeLine) -> Known {
    Known {
        available: line.state != "unavailable",
        merged: line.merged,
        volume: Uuid::from_slice(&line.volume_id).unwrap_or_default(),
        corrupt: line.corrupt_files,
        refused: (!line.refused.is_empty()).then(|| refusal(&line.refused, line.refused_for)),
    }
}

/// A refusal as the managers report it; `refused_for` is what they say it is about.
/// Pure.
pub(crate) fn refusal(why: &str, refused_for: i32) -> Refusal {
    let about = match RefusedFor::try_from(refused_for) {
        Ok(RefusedFor::Store) => About::Store,
        Ok(RefusedFor::Volume) => About::Volume,
        Ok(RefusedFor::Other) => About::Other,
        // A manager that knows more reasons than these.
        Ok(RefusedFor::Unspecified) | Err(_) => About::Other,
    };
    Refusal {
        why: why.to_owned(),
        about,
    }
}

/// A drain is done when the node itself has reported so (rule 15). That a node which
/// never joined this store reports no files is no proof that it holds none. Nor are the
/// counts of a node whose disk takes no writes, since a file that it could not put
/// anywhere is in none of them.
fn drain(line: &DrainLine, node: Option<&NodeLine>) -> DrainFacts {
    let stuck = node.filter(|node| node.read_only);
    let empty = line.sealed && line.files_left == 0 && line.quarantined == 0;
    let stranger = node.is_some_and(|node| known(node).volume.is_nil());
    let holds = match stuck {
        Some(node) => read_only(&node.read_only_why),
        None => line.holds.clone(),
    };
    DrainFacts {
        ordered: line.ordered,
        done: empty && line.records_left == 0 && stuck.is_none(),
        unseen: stranger && line.records_left == 0,
        records: line.records_left,
        files: line.files_left,
        holds: (!holds.is_empty()).then_some(holds),
        seconds_left: line.seconds_left.map(|seconds| seconds.max(0.0) as u64),
    }
}

/// What a node whose disk takes no writes waits for. The text does not say how to
/// restart it: a claim that is being deleted would go with its pod.
fn read_only(why: &str) -> String {
    let why = match why {
        "" => String::new(),
        why => format!(" ({why})"),
    };
    format!("it takes no writes until it is restarted on a disk that does{why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that has a volume.
    fn joined() -> NodeLine {
        NodeLine {
            volume_id: Uuid::max().as_bytes().to_vec().into(),
            ..NodeLine::default()
        }
    }

    #[test]
    fn a_drain_is_done_when_nothing_at_all_is_left() {
        let done = |change: fn(&mut DrainLine)| {
            let mut line = DrainLine {
                sealed: true,
                ..DrainLine::default()
            };
            change(&mut line);
            drain(&line, Some(&joined())).done
        };
        assert!(done(|_| {}));
        assert!(!done(|line| line.sealed = false));
        assert!(!done(|line| line.files_left = 1));
        assert!(!done(|line| line.quarantined = 1));
        assert!(!done(|line| line.records_left = 1));
        let stranger = |records_left| {
            let line = DrainLine {
                records_left,
                ..DrainLine::default()
            };
            drain(&line, Some(&NodeLine::default()))
        };
        assert!(stranger(0).unseen && !stranger(1).unseen);
        assert!(!stranger(0).done, "another store may know its files");
    }

    #[test]
    fn a_node_whose_disk_takes_no_writes_is_not_known_to_be_empty() {
        let line = DrainLine {
            sealed: true,
            ordered: true,
            ..DrainLine::default()
        };
        let mut node = joined();
        assert!(drain(&line, Some(&node)).done);
        for why in ["", "a flush failed: EROFS"] {
            (node.read_only, node.read_only_why) = (true, why.to_owned());
            let drained = drain(&line, Some(&node));
            assert!(!drained.done && !drained.unseen);
            let holds = drained.holds.expect("it says so");
            assert!(
                holds.contains("restarted") && holds.contains(why),
                "{holds}"
            );
        }
    }

    #[test]
    fn a_refusal_is_about_what_the_managers_say_whatever_their_words() {
        let why = "the volume belongs to cluster 1, this manager's store is of cluster 2";
        for (refused_for, wanted) in [
            (RefusedFor::Store.into(), About::Store),
            (RefusedFor::Volume.into(), About::Volume),
            (RefusedFor::Other.into(), About::Other),
            (RefusedFor::Unspecified.into(), About::Other),
            (99, About::Other),
        ] {
            let line = NodeLine {
                refused: why.to_owned(),
                refused_for,
                ..NodeLine::default()
            };
            let refused = known(&line).refused.expect("a refusal");
            let got = (refused.why.as_str(), refused.about);
            assert_eq!(got, (why, wanted), "{refused_for}");
        }
        assert_eq!(known(&NodeLine::default()).refused, None);
    }

    #[test]
    fn only_the_pools_own_nodes_are_picked() {
        let name = PoolName {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
        };
        let line = |id: &str| NodeLine {
            id: id.to_owned(),
            state: "available".to_owned(),
            ..NodeLine::default()
        };
        let nodes = ["a/p-node-0", "b/p-node-1", "a/pp-node-2", "node-3"].map(line);
        let mut nodes = nodes.to_vec();
        nodes[1].state = "unavailable".to_owned();
        nodes[1].pool = "b/p".to_owned();
        let view = view(&name, nodes, &[], PoolStatusReply::default());
        let away = ("b/p-node-1".to_owned(), "b/p".to_owned());
        assert_eq!(view.away_elsewhere, [away]);
        assert_eq!(view.nodes.keys().copied().collect::<Vec<_>>(), [0]);
    }
}
