//! The audit: one line for each change that was asked for, and for each refusal. It
//! never holds a token or a link's signature.

use super::caller::Caller;
use super::name;
use super::operation::Operation;
use http::{Response, StatusCode, Uri};
use proto::{Code, NodeId};
use std::net::IpAddr;
use std::sync::Arc;

/// Whether a request is logged: one that changes something, whatever became of it, and
/// one that was not let in.
fn counts(operation: Option<&Operation>, code: Option<Code>) -> bool {
    code == Some(Code::NotAuthorized) || operation.is_some_and(|operation| operation.changes)
}

/// Notes the file that a path names.
pub(super) fn note(caller: &Caller, uri: &Uri) {
    let name = name::in_path(uri).or_else(|_| name::in_link_path(uri));
    if let Ok(name) = name {
        caller.is_about(&name, None);
    }
}

/// The line of one request. Where its client goes away before there is an answer, what was
/// asked for may have been done: then the line says that nobody knows.
pub(super) struct Line {
    on: bool,
    operation: Option<&'static Operation>,
    caller: Arc<Caller>,
    from: IpAddr,
}

impl Line {
    pub(super) fn new(
        on: bool,
        operation: Option<&'static Operation>,
        caller: Arc<Caller>,
        from: IpAddr,
    ) -> Self {
        Self {
            on,
            operation,
            caller,
            from,
        }
    }

    /// Logs what became of the request.
    pub(super) fn answered<B>(mut self, response: &Response<B>) {
        let code = response.extensions().get::<Code>().copied();
        self.log(code, outcome(response.status()), Some(response.status()));
        self.on = false;
    }

    fn log(&self, code: Option<Code>, outcome: &str, status: Option<StatusCode>) {
        if !self.on || !counts(self.operation, code) {
            return;
        }
        let subject = self.caller.subject();
        let nodes: Vec<_> = subject.nodes.iter().map(NodeId::as_str).collect();
        tracing::info!(
            target: "audit",
            who = %self.caller.who,
            from = %self.from.to_canonical(),
            what = self.operation.map_or("other", |operation| operation.id),
            name = subject.name.as_ref().map(|name| name.as_str()),
            id = subject.id.map(tracing::field::display),
            link = subject.link.map(tracing::field::display),
            nodes = (!nodes.is_empty()).then(|| nodes.join(" ")),
            outcome,
            status = status.map(|status| status.as_u16()),
            code = code.map(Code::number),
            request = %self.caller.trace,
            "audit"
        );
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.log(None, "unknown", None);
    }
}

fn outcome(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "refused",
        status if status.is_success() => "done",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::routes::Asked;
    use http::Method;

    #[test]
    fn changes_and_refusals_count_and_reading_does_not() {
        let counts = |method: &Method, path, code| counts(Asked::of(method, path).operation, code);
        for (method, path) in [
            (Method::PUT, "/file/a"),
            (Method::POST, "/file"),
            (Method::DELETE, "/file/a"),
            (Method::POST, "/file/a/link"),
        ] {
            assert!(counts(&method, path, None), "{method} {path}");
            assert!(counts(&method, path, Some(Code::FileNameExists)));
        }
        for path in ["/file/a", "/files", "/status", "/nowhere"] {
            assert!(!counts(&Method::GET, path, None), "{path}");
            assert!(!counts(&Method::GET, path, Some(Code::FileDoesNotExist)));
            assert!(counts(&Method::GET, path, Some(Code::NotAuthorized)));
        }
    }
}
