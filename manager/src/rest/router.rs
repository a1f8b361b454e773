//! From the table of routes to axum's router, and the handlers that are too
//! thin for a file of their own.

use super::caller::Caller;
use super::operation::Action;
use super::routes::operations;
use super::{Rest, answer, console, docs, download, link, listing, live, name, operate, post, put};
use crate::status;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{MethodRouter, delete, get, post as post_route, put as put_route};
use http::header::ALLOW;
use http::{HeaderValue, Method, Response, StatusCode};
use manager_body::accept;
use manager_protocol::failure::Failure;
use manager_protocol::store::Record;
use proto::Code;
use std::sync::Arc;

/// The router of the whole API.
pub(super) fn router(rest: Arc<Rest>) -> Router {
    let mut router = Router::new();
    // axum serves HEAD by the handler of GET, and takes the body away.
    for operation in operations().filter(|operation| operation.method != Method::HEAD) {
        for path in paths(operation.path) {
            router = router.route(path, handler(operation.action));
        }
    }
    router.fallback(elsewhere).with_state(rest)
}

/// A path as axum writes it. A file's path takes in all that follows, so that a slash
/// in a name is refused as such (see [`name::in_path`]).
fn paths(path: &'static str) -> Vec<&'static str> {
    match path {
        "/file/{filename}" => vec!["/file/", "/file/{*filename}"],
        docs::PAGE => docs::FILES.iter().map(|(path, _)| *path).collect(),
        // Among the paths that no name has. Which of both a request means is decided by the
        // table, before the router has it.
        "/file/{filename}/link" => vec!["/file/{*filename}"],
        "/ui/{asset}" => vec![console::FILES, "/ui/{*asset}"],
        other => vec![other],
    }
}

fn handler(action: Action) -> MethodRouter<Arc<Rest>> {
    match action {
        Action::Post => post_route(post::post),
        Action::Put => put_route(put::put),
        Action::Get => get(download::get),
        Action::Delete => delete(delete_file),
        Action::Link => post_route(link::link),
        Action::List => get(listing::list),
        Action::Status => get(show_status),
        Action::Drains => get(operate::list_drains),
        Action::Drain => post_route(operate::order_drains),
        Action::CancelDrain => delete(operate::cancel_drain),
        Action::Abandon => post_route(operate::abandon_node),
        Action::Fsck => get(operate::check_files),
        Action::Quarantine => get(operate::list_copies),
        Action::Adopt => post_route(operate::adopt_copy),
        Action::AdoptAll => post_route(operate::adopt_all_copies),
        Action::RemoveCopy => delete(operate::remove_copy),
        Action::OpenApi => get(openapi),
        Action::Docs => get(docs::docs),
        Action::Console => get(console::serve),
    }
}

async fn delete_file(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let deleted = async {
        let name = name::in_path(&parts.uri)?;
        let caller = Caller::of(&parts)?;
        let _place = rest.gates.request(&caller.client).await?;
        let wanted = |record: &Record| {
            caller.is_about(&name, Some(record.id));
            download::may_change(&parts, Some(record))
        };
        manager_protocol::files::delete::delete(&rest.core, caller.trace, &name, wanted).await
    };
    match deleted.await {
        Ok(true) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Ok(false) => download::precondition_failed().response(),
        Err(failure) => answer::failure(failure),
    }
}

async fn show_status(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let asked = async {
        if accept::prefers_events(&parts.headers) {
            return live::stream(&rest, &parts).await;
        }
        let caller = Caller::of(&parts)?;
        let place = rest.gates.request(&caller.client).await?;
        let response = answer::json(StatusCode::OK, &status::status(&rest.core).await);
        caller.hold(place);
        Ok::<_, Failure>(response)
    };
    let mut response = asked.await.unwrap_or_else(answer::failure);
    answer::vary_by_accept(response.headers_mut());
    response
}

async fn openapi(State(rest): State<Arc<Rest>>) -> Response<Body> {
    answer::bytes(StatusCode::OK, answer::JSON, rest.openapi.clone())
}

async fn elsewhere(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let page = console::at_root(&rest, &request);
    let mut response = page.unwrap_or_else(|| answer::no_such_path(request.uri()));
    if request.uri().path() == "/" {
        answer::vary_by_accept(response.headers_mut());
    }
    response
}

/// The answer to a method that its path has not, with those that it has.
pub(super) fn no_such_method(method: &Method, others: &str) -> Response<Body> {
    let why = format!("{method} is not served here, see Allow");
    let mut response = answer::failure_as(
        StatusCode::METHOD_NOT_ALLOWED,
        Failure::new(Code::InvalidRequest).because(why),
    );
    if let Ok(others) = HeaderValue::from_str(others) {
        response.headers_mut().insert(ALLOW, others);
    }
    response
}
