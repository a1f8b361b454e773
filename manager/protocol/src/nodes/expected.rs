//! Which node is expected at an address, and who answers there.

use super::{Address, Node};
use async_trait::async_trait;
use bytes::Bytes;
use messages::v1::IdentifyReply;
use messages::{FileId, NodeId};
use std::time::Duration;
use uuid::Uuid;

/// The network of the nodes: who serves at an address, joined or not, and what lets
/// nodes of a pool speak to each other.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Asks who serves at an address; nothing where nobody answers within the time.
    async fn identify(&self, at: Address<'_>, time: Duration) -> Option<IdentifyReply>;
    /// The ticket with which a node takes a copy from another node; empty where none is
    /// needed.
    fn ticket(&self, to: &Node, id: FileId, generation: u32, session: u64) -> Bytes;
}

/// Who is expected at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The node's id.
    pub id: NodeId,
    /// Its volume.
    pub volume_id: Uuid,
    /// Its session, if it has just stated one; it changes while a node runs (rule 4).
    pub session: Option<u64>,
}

/// Another node answers than the one expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "at {endpoint} {} answers, not node {wanted}: correct the address that {wanted} is given \
     by --advertise", who(.id, .wanted)
)]
pub struct Another {
    /// Where.
    endpoint: String,
    /// Who answers.
    id: String,
    /// Its volume.
    volume: String,
    /// Its session.
    session: u64,
    /// Who was expected.
    wanted: NodeId,
    /// Its volume.
    wanted_volume: Uuid,
}

/// Its volume and session are not said: with them another one could take its place.
fn who(id: &str, wanted: &NodeId) -> String {
    match id == wanted.as_str() {
        true => format!("another node {id}, of another volume or session,"),
        false => format!("node {id}"),
    }
}

impl Expected {
    /// Compares it with the node that answers at `endpoint`.
    ///
    /// # Errors
    /// Names both, where they differ.
    pub fn check(&self, endpoint: &str, who: &IdentifyReply) -> Result<(), Another> {
        let same = who.node_id == self.id.as_str()
            && who.volume_id == self.volume_id.as_bytes()[..]
            && self.session.is_none_or(|session| who.session == session);
        if same {
            return Ok(());
        }
        let volume = Uuid::from_slice(&who.volume_id);
        Err(Another {
            endpoint: endpoint.to_owned(),
            id: messages::clip(who.node_id.clone()),
            volume: volume.map_or("unknown".to_owned(), |volume| volume.to_string()),
            session: who.session,
            wanted: self.id.clone(),
            wanted_volume: self.volume_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_node_is_taken_and_the_other_is_named() {
        let expected = Expected {
            id: NodeId::new("n2").expect("an id"),
            volume_id: Uuid::from_u128(2),
            session: Some(7),
        };
        let who = |id: &str, volume: u128, session| IdentifyReply {
            node_id: id.to_owned(),
            volume_id: Uuid::from_u128(volume).as_bytes().to_vec().into(),
            session,
        };
        expected.check("here:1", &who("n2", 2, 7)).expect("itself");
        for other in [who("n1", 2, 7), who("n2", 1, 7), who("n2", 2, 8)] {
            let error = expected.check("here:1", &other).expect_err("another");
            let text = error.to_string();
            for part in ["here:1", other.node_id.as_str(), "n2", "--advertise"] {
                assert!(text.contains(part), "{text}");
            }
        }
        let later = Expected {
            session: None,
            ..expected
        };
        later
            .check("here:1", &who("n2", 2, 8))
            .expect("a new session");
    }
}
