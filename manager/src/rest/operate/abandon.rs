//! `/abandon`: a lost node is given up, and the files with it whose only copy was there.

use super::super::patterns::{NAME, NODE, UUID};
use super::query::written;
use super::{LONGEST_BODY, answered, carried_out};
use crate::rest::answer::Refusal;
use crate::rest::{Rest, json_body};
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use manager_protocol::upkeep::abandon::{self, volume_of};
use proto::NodeId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Which node is given up. Without `lose_files` nothing is changed: the answer says what it
/// would cost, and which volume is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"lose_files": ["volume"]}))]
pub(in crate::rest) struct Abandon {
    /// The node's id.
    #[schemars(length(min = 1, max = 253), regex(pattern = NODE))]
    node: String,
    /// Its volume, so that no other one of the same id is meant; wanted with `lose_files`.
    #[serde(default, deserialize_with = "json_body::given")]
    #[schemars(
        skip_serializing_if = "Option::is_none",
        regex(pattern = UUID)
    )]
    volume: Option<String>,
    /// How many files are lost by it; another number is refused.
    #[serde(default, deserialize_with = "json_body::given_whole")]
    #[schemars(skip_serializing_if = "Option::is_none")]
    lose_files: Option<u64>,
}

/// What giving a node up costs, or has cost.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Abandoned {
    /// The node's id.
    #[schemars(length(min = 1, max = 253), regex(pattern = NODE))]
    node: String,
    /// Its volume.
    #[schemars(with = "String", regex(pattern = UUID))]
    volume: Uuid,
    /// Whether it is given up.
    abandoned: bool,
    /// Files whose only copy is there.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// The first of their names.
    #[schemars(inner(length(min = 1, max = 255), regex(pattern = NAME)))]
    names: Vec<String>,
    /// Uploads and deletes under way there, for which no success was returned.
    unfinished: u64,
}

/// Serves the route.
pub(in crate::rest) async fn abandon_node(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    answered(&rest, &parts, &[], async |caller, _, place| {
        let order: Abandon = json_body::read(&rest, &parts, body, LONGEST_BODY).await?;
        let node: NodeId = written("node", &order.node)?;
        caller.is_about_nodes(std::slice::from_ref(&node));
        let volume = match (&order.volume, order.lose_files) {
            (Some(volume), _) => written("volume", volume)?,
            (None, None) => volume_of(&rest.core, &node).await?,
            (None, Some(_)) => return Err(Refusal::bad("volume: is missing, beside lose_files")),
        };
        let (core, id, lose) = (rest.core.clone(), node.clone(), order.lose_files);
        let work = async move { abandon::abandon(&core, &id, volume, lose).await };
        let (loss, abandoned) = match lose {
            // Who only asks for the cost may go away.
            None => work.await?,
            Some(_) => carried_out(place, work).await?,
        };
        Ok(Abandoned {
            node: node.to_string(),
            volume,
            abandoned,
            files: loss.files,
            bytes: loss.bytes,
            names: loss.names,
            unfinished: loss.unfinished,
        })
    })
    .await
}
