//! What whoever operates the service orders: drains, lost nodes, the comparison of bytes and
//! records, quarantine. All of it needs the right `admin`.

mod abandon;
mod drains;
mod fsck;
mod quarantine;
mod query;
mod stream;

pub(super) use abandon::{Abandon, Abandoned, abandon_node};
pub(super) use drains::{DrainOrder, Drains, cancel_drain, list_drains, order_drains};
pub(super) use fsck::{Finding, check_files};
pub(super) use quarantine::{
    Adoption, Adoptions, Copy, CopyName, NamedFile, adopt_all_copies, adopt_copy, list_copies,
    remove_copy,
};

use super::answer::{self, Refusal};
use super::caller::Caller;
use super::gate::Place;
use super::{Rest, error_cases};
use axum::body::Body;
use http::request::Parts;
use http::{Response, StatusCode, Version};
use manager_protocol::failure::Failure;
use proto::Code;
use query::Query;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

/// The longest body of an order.
const LONGEST_BODY: u64 = 4 << 10;

/// Answers in JSON what an order came to. It is given its query, of these fields alone, and
/// a place of the caller to hold.
async fn answered<T: Serialize>(
    rest: &Rest,
    parts: &Parts,
    fields: &[&'static str],
    order: impl AsyncFnOnce(&Caller, Query, Place) -> Result<T, Refusal>,
) -> Response<Body> {
    let done = async {
        let (caller, query, place) = admitted(rest, parts, fields).await?;
        order(caller, query, place).await
    };
    match done.await {
        Ok(done) => answer::json(StatusCode::OK, &done),
        Err(refusal) => refusal.response(),
    }
}

/// Who sent a request, its query, and the place that it takes.
async fn admitted<'a>(
    rest: &Rest,
    parts: &'a Parts,
    fields: &[&'static str],
) -> Result<(&'a Caller, Query, Place), Failure> {
    let query = Query::parse(parts.uri.query().unwrap_or_default(), fields)?;
    let caller = Caller::of(parts)?;
    let place = rest.gates.request(&caller.client).await?;
    Ok((caller, query, place))
}

/// Does something to its end, even where whoever ordered it goes away: half of it would help
/// nobody. The place is held as long.
async fn carried_out<T: Send + 'static>(
    place: Place,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let work = tokio::spawn(kit::spans::here().around(async move {
        let done = work.await;
        if let Err(failure) = &done {
            tracing::info!(%failure, "an order was not carried out");
        }
        drop(place);
        done
    }));
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an order broke off");
        Err(Failure::new(Code::Internal))
    })
}

/// Answers with lines, of which the answer holds a place until the last one has gone.
async fn streamed(
    rest: &Rest,
    parts: &Parts,
    fields: &[&'static str],
    begin: impl AsyncFnOnce(&Caller, Query) -> Result<Response<Body>, Refusal>,
) -> Response<Body> {
    let begun = async {
        // There the end of the connection ends an answer, whole or not.
        if parts.version < Version::HTTP_11 {
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Err(Refusal::invalid(status, error_cases::NEEDS_HTTP_11));
        }
        let (caller, query, place) = admitted(rest, parts, fields).await?;
        let response = begin(caller, query).await?;
        caller.hold(place);
        Ok::<_, Refusal>(response)
    };
    begun.await.unwrap_or_else(Refusal::response)
}

/// A turn for a task that reads every record or whole quarantines.
fn turn(rest: &Rest) -> Result<OwnedSemaphorePermit, Failure> {
    rest.long_tasks.clone().try_acquire_owned().map_err(|_| {
        let why = "a comparison or an adoption is under way, and there is one at a time";
        Failure::new(Code::TooManyRequests).because(why)
    })
}
