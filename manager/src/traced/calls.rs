//! The calls to one node as spans, which the node goes on with.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use kit::spans::{Active, SpanKind, Tracer};
use manager_protocol::nodes::{CallError, Calls, Inventory, NodeCount, Outcome, Parts};
use proto::NodeId;
use proto::v1::{
    CopyRef, CopyState, DeleteRequest, FileMeta, Open, QuarantineRequest, ReadRequest, SealReply,
    TransferRequest, UploadPart,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The calls to a node, and their spans where anything is traced.
pub(crate) fn calls(calls: impl Calls, tracer: &Tracer, node: &NodeId) -> Box<dyn Calls> {
    match tracer.is_on() {
        true => Box::new(Traced {
            calls,
            tracer: tracer.clone(),
            node: node.to_string(),
        }),
        false => Box::new(calls),
    }
}

struct Traced<C> {
    calls: C,
    tracer: Tracer,
    node: String,
}

impl<C> Traced<C> {
    fn span(&self, verb: &'static str) -> Active {
        self.noted(self.tracer.part(SpanKind::Client, verb))
    }

    fn noted(&self, span: Active) -> Active {
        if !span.is_none() {
            span.note("rpc.system", "grpc");
            span.note("rpc.service", "dfs.v1.Storage");
            span.note("dfs.node", self.node.clone());
        }
        span
    }
}

#[async_trait]
impl<C: Calls> Calls for Traced<C> {
    fn count(&self) -> &NodeCount {
        self.calls.count()
    }

    fn queued(&self) -> usize {
        self.calls.queued()
    }

    fn late(&self) -> Option<Instant> {
        self.calls.late()
    }

    async fn stage(&self, open: Open, data: Bytes, meta: FileMeta) -> Result<(), CallError> {
        let span = self.span("stage");
        span.attempt(self.calls.stage(open, data, meta)).await
    }

    async fn finish(&self, trace: u64, meta: FileMeta, time: Duration) -> Result<u32, CallError> {
        let span = self.span("finish");
        span.attempt(self.calls.finish(trace, meta, time)).await
    }

    async fn abort(&self, trace: u64, id: Bytes, generation: u32) {
        let span = self.span("abort");
        span.around(self.calls.abort(trace, id, generation)).await;
    }

    async fn read(&self, read: ReadRequest) -> Result<Bytes, CallError> {
        self.span("read").attempt(self.calls.read(read)).await
    }

    async fn stat(&self, trace: u64, copy: CopyRef) -> Result<CopyState, CallError> {
        let span = self.span("stat");
        span.attempt(self.calls.stat(trace, copy)).await
    }

    async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError> {
        let span = self.span("delete-file");
        span.attempt(self.calls.delete(delete)).await
    }

    fn upload(&self, client: u64) -> (mpsc::Sender<UploadPart>, Outcome) {
        let span = self.span("upload-file");
        let (parts, outcome) = {
            let scope = span.scope();
            let _within = scope.enter();
            self.calls.upload(client)
        };
        (parts, Box::pin(span.attempt(outcome)))
    }

    async fn download(&self, client: u64, read: ReadRequest) -> Result<Parts, CallError> {
        let span = self.span("download-file");
        let parts = span.scope().around(self.calls.download(client, read)).await;
        kept(span, parts)
    }

    async fn transfer(&self, transfer: TransferRequest, size: u64) -> Result<u32, CallError> {
        let span = self.tracer.work(SpanKind::Client, "transfer-file");
        let span = self.noted(span);
        span.attempt(self.calls.transfer(transfer, size)).await
    }

    async fn inventory(&self, quarantine: bool, from_leaf: u32) -> Result<Inventory, CallError> {
        let span = self.span("inventory");
        let asked = self.calls.inventory(quarantine, from_leaf);
        let batches = span.scope().around(asked).await;
        kept(span, batches)
    }

    async fn inspect(&self, copies: Vec<CopyRef>) -> Result<Vec<CopyState>, CallError> {
        let span = self.span("inspect");
        span.attempt(self.calls.inspect(copies)).await
    }

    async fn quarantine(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let span = self.span("quarantine");
        span.attempt(self.calls.quarantine(request)).await
    }

    async fn adopt(&self, request: QuarantineRequest) -> Result<Option<u32>, CallError> {
        self.span("adopt").attempt(self.calls.adopt(request)).await
    }

    async fn discard(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        let span = self.span("discard");
        span.attempt(self.calls.discard(request)).await
    }

    async fn verify(&self, copy: CopyRef, size: u64) -> Result<bool, CallError> {
        let span = self.span("verify");
        span.attempt(self.calls.verify(copy, size)).await
    }

    async fn list_corrupt(&self) -> Result<Vec<CopyRef>, CallError> {
        let span = self.span("list-corrupt");
        span.attempt(self.calls.list_corrupt()).await
    }

    async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError> {
        let span = self.span("seal");
        span.attempt(self.calls.seal(sealed, leader)).await
    }
}

/// A stream that keeps its span until its end, and notes what breaks it off.
fn kept<T: Send + 'static>(
    span: Active,
    begun: Result<BoxStream<'static, Result<T, CallError>>, CallError>,
) -> Result<BoxStream<'static, Result<T, CallError>>, CallError> {
    let stream = begun.inspect_err(|error| span.fail(error))?;
    if span.is_none() {
        return Ok(stream);
    }
    let stream = stream.inspect(move |item| {
        if let Err(error) = item {
            span.fail(error);
        }
    });
    Ok(stream.boxed())
}
