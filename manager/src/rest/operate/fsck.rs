//! `/fsck`: compares what the disks hold with what the records say.

use super::{stream, streamed, turn};
use crate::rest::Rest;
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use manager_protocol::recovery::fsck;
use proto::{FileId, v1};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A difference.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Finding {
    /// A stable word for its kind, such as `missing-bytes`.
    kind: String,
    /// The node.
    node: String,
    /// The file's name, where it is about one.
    #[serde(skip_serializing_if = "String::is_empty")]
    filename: String,
    /// The file's id, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The copy's generation; 0 where it is about none.
    generation: u32,
    /// What is known of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<v1::Finding> for Finding {
    fn from(found: v1::Finding) -> Self {
        let id = FileId::from_wire(&found.id).ok();
        Self {
            kind: found.kind,
            node: found.node_id,
            filename: found.name,
            id: id.map(|id| id.to_string()),
            generation: found.generation,
            detail: found.detail,
        }
    }
}

/// Serves the route. It reads every record and every directory.
pub(in crate::rest) async fn check_files(
    State(rest): State<Arc<Rest>>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    streamed(&rest, &parts, &[], async |_, _| {
        let turn = turn(&rest)?;
        let core = rest.core.clone();
        let found = stream::answer::<_, Finding, _, _>(&rest, "fsck", |findings| async move {
            let _turn = turn;
            // Nobody waits for what is found any more, once its reader has gone.
            tokio::select! {
                done = fsck::run(&core, &findings) => done,
                () = findings.closed() => Ok(()),
            }
        });
        Ok(found.await?)
    })
    .await
}
