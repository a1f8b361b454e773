//! `/quarantine`: copies on disks that no record lists, which only a person judges.

use super::super::patterns::{ID, NAME, NODE};
use super::query::written;
use super::{LONGEST_BODY, answered, carried_out, stream, streamed, turn};
use crate::format;
use crate::rest::{Rest, json_body};
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use manager_protocol::failure::Failure;
use manager_protocol::recovery::{adopt as adoption, quarantine};
use proto::{FileId, FileName, NodeId, v1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::sync::Arc;

/// A copy in quarantine.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Copy {
    /// The node that holds it.
    node: String,
    /// The file's id.
    id: String,
    /// The copy's generation.
    generation: u32,
    /// The file's name.
    filename: String,
    /// Bytes.
    size: u64,
    /// When it was stored, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    created: String,
    /// SHA-256 of its bytes, in hex.
    sha256: String,
    /// Why it is there.
    reason: String,
}

impl From<v1::Quarantined> for Copy {
    fn from(held: v1::Quarantined) -> Self {
        let meta = held.meta.unwrap_or_default();
        Self {
            node: held.node_id,
            id: format::id(&meta.id),
            generation: meta.generation,
            filename: meta.name,
            size: meta.size,
            created: format::rfc3339(meta.created_ms),
            sha256: format::hex(&meta.sha256),
            reason: held.reason,
        }
    }
}

/// Which copy is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct CopyName {
    /// The node that holds it.
    #[schemars(length(min = 1, max = 253), regex(pattern = NODE))]
    node: String,
    /// The file's id.
    #[schemars(regex(pattern = ID))]
    id: String,
    /// The copy's generation.
    #[serde(deserialize_with = "json_body::whole")]
    #[schemars(range(max = u32::MAX))]
    generation: u32,
}

/// The file that a copy became, or whose copy was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct NamedFile {
    /// Its name.
    #[schemars(length(min = 1, max = 255), regex(pattern = NAME))]
    filename: String,
}

impl NamedFile {
    fn of(name: &FileName) -> Self {
        Self {
            filename: name.to_string(),
        }
    }
}

/// Which copies are to be adopted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct Adoptions {
    /// Those on this node; all where it is missing.
    #[serde(default, deserialize_with = "json_body::given")]
    #[schemars(
        skip_serializing_if = "Option::is_none",
        length(min = 1, max = 253),
        regex(pattern = NODE)
    )]
    node: Option<String>,
}

/// What became of a copy.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Adoption {
    /// The node that holds it.
    node: String,
    /// The file's id.
    id: String,
    /// The copy's generation.
    generation: u32,
    /// The file's name.
    filename: String,
    /// Whether it is a file again.
    adopted: bool,
    /// Why it stays in quarantine.
    #[serde(skip_serializing_if = "String::is_empty")]
    kept: String,
}

impl From<v1::Adopted> for Adoption {
    fn from(copy: v1::Adopted) -> Self {
        Self {
            node: copy.node_id,
            id: format::id(&copy.id),
            generation: copy.generation,
            filename: copy.filename,
            adopted: copy.kept.is_empty(),
            kept: copy.kept,
        }
    }
}

/// Lists the copies.
pub(in crate::rest) async fn list_copies(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    streamed(&rest, &parts, &["node", "limit"], async |_, query| {
        let wanted = wanted(&rest, query.find("node")?).await?;
        let limit = query.find::<NonZeroU32>("limit")?;
        let limit = limit.map_or(usize::MAX, |limit| limit.get() as usize);
        let core = rest.core.clone();
        let held = stream::answer::<_, Copy, _, _>(&rest, "the list", |copies| async move {
            quarantine::list_all(&core, &wanted, limit, &copies).await
        });
        Ok(held.await?)
    })
    .await
}

/// Makes one a file again.
pub(in crate::rest) async fn adopt_copy(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    answered(&rest, &parts, &[], async |caller, _, place| {
        let copy: CopyName = json_body::read(&rest, &parts, body, LONGEST_BODY).await?;
        let node: NodeId = written("node", &copy.node)?;
        let id = written("id", &copy.id)?;
        caller.is_about_nodes(std::slice::from_ref(&node));
        let core = rest.core.clone();
        let adopted = async move { adoption::adopt(&core, &node, id, copy.generation).await };
        let name = carried_out(place, adopted).await?;
        caller.is_about(&name, Some(id));
        Ok(NamedFile::of(&name))
    })
    .await
}

/// Makes all of them files again that can be.
pub(in crate::rest) async fn adopt_all_copies(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    streamed(&rest, &parts, &[], async |caller, _| {
        let order: Adoptions = json_body::read(&rest, &parts, body, LONGEST_BODY).await?;
        let node = order.node.as_deref();
        let node: Option<NodeId> = node.map(|node| written("node", node)).transpose()?;
        caller.is_about_nodes(node.as_slice());
        let wanted = wanted(&rest, node).await?;
        let turn = turn(&rest)?;
        let core = rest.core.clone();
        let told = stream::answer::<_, Adoption, _, _>(&rest, "the adoption", |lines| async move {
            let _turn = turn;
            adoption::adopt_all(&core, &wanted, &lines).await
        });
        Ok(told.await?)
    })
    .await
}

/// Removes one for good.
pub(in crate::rest) async fn remove_copy(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let fields = ["node", "id", "generation"];
    answered(&rest, &parts, &fields, async |caller, query, place| {
        let (node, id): (NodeId, FileId) = (query.get("node")?, query.get("id")?);
        caller.is_about_nodes(std::slice::from_ref(&node));
        let generation = query.get("generation")?;
        let core = rest.core.clone();
        let removed = async move { quarantine::remove(&core, &node, id, generation).await };
        let name = carried_out(place, removed).await?;
        caller.is_about(&name, Some(id));
        Ok(NamedFile::of(&name))
    })
    .await
}

/// The node that is wanted, which is there; empty for all of them.
async fn wanted(rest: &Rest, node: Option<NodeId>) -> Result<String, Failure> {
    match node {
        Some(node) => {
            quarantine::holder(&rest.core, &node).await?;
            Ok(node.to_string())
        }
        None => Ok(String::new()),
    }
}
