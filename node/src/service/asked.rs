//! One operation of an exchange: what its answer belongs to, and its span.

use kit::spans::{Active, Tracer, Wire};
use proto::v1;
use proto::v1::reply::Result as Outcome;
use proto::v1::request::Op;

/// An operation that is under way. Its span ends when it is dropped.
pub(super) struct Asked {
    pub(super) seq: u64,
    pub(super) trace: u64,
    span: Active,
}

impl Asked {
    /// An operation has come. Write and Abort have no answer, and so no span: Finish
    /// reports how they went.
    pub(super) fn new(tracer: &Tracer, request: &v1::Request) -> Self {
        let span = match request.op.as_ref().and_then(verb) {
            Some(verb) => tracer.continued(&Wire(request.context.as_ref()), || verb),
            None => Active::default(),
        };
        span.note("rpc.system", "grpc");
        span.note("rpc.service", "dfs.v1.Storage");
        span.note("rpc.method", "Exchange");
        Self {
            seq: request.seq,
            trace: request.trace,
            span,
        }
    }

    /// Its answer.
    pub(super) fn reply(self, outcome: Outcome) -> v1::Reply {
        if let Outcome::Failure(failure) = &outcome {
            self.span.fail(&failure.message);
        }
        v1::Reply {
            seq: self.seq,
            result: Some(outcome),
        }
    }
}

/// The verb that an operation is called in the documents.
fn verb(op: &Op) -> Option<&'static str> {
    match op {
        Op::Finish(_) => Some("finish"),
        Op::Read(_) => Some("read"),
        Op::Stat(_) => Some("stat"),
        Op::Delete(_) => Some("delete-file"),
        Op::Write(_) | Op::Abort(_) => None,
    }
}
