//! `/drains`: files leave nodes that are to go.

use super::super::patterns::NODE;
use super::query::written;
use super::{answered, carried_out};
use crate::rest::answer::Refusal;
use crate::rest::{Rest, json_body};
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use manager_protocol::cluster::leader;
use manager_protocol::core::Core;
use manager_protocol::failure::Failure;
use manager_protocol::upkeep::drain::{self, Counted, DrainLine};
use proto::NodeId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Nodes that one order drains.
const NODES: usize = 1000;
/// The longest body of an order: so many of the longest ids.
const LONGEST_BODY: u64 = 512 << 10;

/// Which nodes are to be drained: all of them, or none where there is no room for their files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct DrainOrder {
    /// Their ids.
    #[schemars(length(min = 1, max = NODES), inner(length(min = 1, max = 253), regex(pattern = NODE)))]
    #[schemars(extend("uniqueItems" = true))]
    nodes: Vec<String>,
}

impl DrainOrder {
    fn ids(&self) -> Result<Vec<NodeId>, Refusal> {
        if !(1..=NODES).contains(&self.nodes.len()) {
            return Err(Refusal::bad(format_args!(
                "nodes: must be 1 to {NODES} nodes"
            )));
        }
        let id = |(at, text): (usize, &String)| written(&format!("nodes[{at}]"), text);
        let ids: Vec<NodeId> = self
            .nodes
            .iter()
            .enumerate()
            .map(id)
            .collect::<Result<_, Failure>>()?;
        let mut known = HashSet::new();
        // Its files would be counted twice.
        match ids.iter().find(|id| !known.insert(*id)) {
            Some(twice) => Err(Refusal::bad(format_args!("nodes: {twice} is given twice"))),
            None => Ok(ids),
        }
    }
}

/// A drain, by what the records say too.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct CountedDrain {
    #[serde(flatten)]
    line: DrainLine,
    /// Records that still list the node. It is empty where this, `files_left` and
    /// `quarantined` are 0, and it is sealed.
    records_left: u64,
}

/// How drains stand.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Drains {
    /// The drains.
    drains: Vec<CountedDrain>,
    /// The manager that moves files, where it is not this one: it knows why files stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
}

impl Drains {
    async fn of(core: &Core, drains: Vec<Counted>) -> Self {
        let counted = |(line, records_left)| CountedDrain { line, records_left };
        Self {
            drains: drains.into_iter().map(counted).collect(),
            leader: leader::other(core).await,
        }
    }
}

/// Lists them.
pub(in crate::rest) async fn list_drains(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    answered(&rest, &parts, &[], async |_, _, _place| {
        let drains = drain::list(&rest.core).await.map_err(Failure::from)?;
        Ok(Drains::of(&rest.core, drains).await)
    })
    .await
}

/// Orders some.
pub(in crate::rest) async fn order_drains(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    answered(&rest, &parts, &[], async |caller, _, place| {
        let order: DrainOrder = json_body::read(&rest, &parts, body, LONGEST_BODY).await?;
        let ids = order.ids()?;
        caller.is_about_nodes(&ids);
        let core = rest.core.clone();
        let ordered = async move { drain::order(&core, &ids).await };
        let drains = carried_out(place, ordered).await?;
        Ok(Drains::of(&rest.core, drains).await)
    })
    .await
}

/// Cancels one: the node takes files again.
pub(in crate::rest) async fn cancel_drain(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    answered(&rest, &parts, &["node"], async |caller, query, place| {
        let ids = [query.get("node")?];
        caller.is_about_nodes(&ids);
        let core = rest.core.clone();
        let cancelled = async move { drain::cancel(&core, &ids).await };
        let drains = carried_out(place, cancelled).await?;
        Ok(Drains::of(&rest.core, drains).await)
    })
    .await
}
