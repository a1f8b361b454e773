//! A collector that keeps the spans it is sent.

use anyhow::{Context, Result, ensure};
use e2e::cluster::SOON;
use e2e::wait;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What a test demands of a span.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where it has none.
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) kind: i32,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) nanos: (u64, u64),
    pub(crate) failed: bool,
}

impl Seen {
    fn new(service: &str, span: Span) -> Self {
        let hex = |bytes: &[u8]| base16ct::lower::encode_string(bytes);
        Self {
            service: service.to_owned(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            state: span.trace_state,
            kind: span.kind,
            attributes: texts(span.attributes),
            nanos: (span.start_time_unix_nano, span.end_time_unix_nano),
            failed: span.status.is_some_and(|status| status.code == 2),
        }
    }

    pub(crate) fn is(&self, service: &str, name: &str) -> bool {
        self.service == service && self.name == name
    }
}

fn texts(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = pairs.into_iter();
    pairs.map(|pair| (pair.key, text(pair.value))).collect()
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Seen>>>);

impl Kept {
    fn keep(&self, of: ResourceSpans) {
        let resource = texts(of.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").cloned().unwrap_or_default();
        let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let seen = spans.map(|span| Seen::new(&service, span));
        self.0.lock().extend(seen);
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            self.keep(of);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// It listens until it is dropped.
pub(crate) struct Collector {
    kept: Kept,
    pub(crate) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone());
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            let served = server.serve_with_incoming(TcpIncoming::from(listener));
            // It ends with the test.
            let _ = served.await;
        });
        Ok(Self {
            kept,
            address,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.kept.0.lock().clone()
    }

    /// The spans of a trace, once all of these are there, each as service and name.
    pub(crate) async fn trace(&self, trace: &str, wanted: &[(&str, &str)]) -> Result<Trace> {
        wait::until(SOON, async || {
            let spans: Vec<_> = self.all();
            let of = spans.iter().filter(|span| span.trace == trace);
            let found = Trace(of.cloned().collect());
            for (service, name) in wanted {
                found.one(service, name)?;
            }
            Ok(found)
        })
        .await
        .with_context(|| format!("{:#?}", self.all()))
    }
}

/// The spans of one trace.
#[derive(Debug)]
pub(crate) struct Trace(pub(crate) Vec<Seen>);

impl Trace {
    pub(crate) fn one(&self, service: &str, name: &str) -> Result<&Seen> {
        let mut found = self.0.iter().filter(|span| span.is(service, name));
        let one = found.next();
        let one = one.with_context(|| format!("no span {name} of {service}"))?;
        ensure!(found.next().is_none(), "several spans {name} of {service}");
        Ok(one)
    }

    /// That one span is a child of another, and began after it.
    pub(crate) fn demand_child(&self, child: (&str, &str), parent: (&str, &str)) -> Result<()> {
        let of = |(service, name)| self.one(service, name);
        let (child, parent) = (of(child)?, of(parent)?);
        ensure!(child.parent == parent.id, "{child:#?} of {parent:#?}");
        ensure!(
            child.nanos.0 >= parent.nanos.0,
            "{child:#?} began before {parent:#?}"
        );
        Ok(())
    }
}
