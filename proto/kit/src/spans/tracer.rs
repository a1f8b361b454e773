//! What makes spans.

use super::active::Active;
use super::context::remote;
use opentelemetry::Context;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer as _};
use opentelemetry_sdk::trace::SdkTracer;
use std::borrow::Cow;

/// Makes spans; by default none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<SdkTracer>);

impl Tracer {
    pub(super) fn of(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// Whether anything is traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The span of a request from outside: it goes on with the trace that the caller names,
    /// or begins one.
    pub fn request<N>(&self, caller: &dyn Extractor, name: impl FnOnce() -> N) -> Active
    where
        N: Into<Cow<'static, str>>,
    {
        let Some(tracer) = &self.0 else {
            return Active::default();
        };
        let parent = remote(caller).unwrap_or_default();
        start(tracer, name(), SpanKind::Server, parent)
    }

    /// The span of a call by another process of the service, if that is traced there.
    pub fn continued<N>(&self, caller: &dyn Extractor, name: impl FnOnce() -> N) -> Active
    where
        N: Into<Cow<'static, str>>,
    {
        match (&self.0, self.0.as_ref().and_then(|_| remote(caller))) {
            (Some(tracer), Some(parent)) => start(tracer, name(), SpanKind::Server, parent),
            _ => Active::default(),
        }
    }

    /// The span of a part of what is traced here; none where nothing is.
    pub fn part(&self, kind: SpanKind, name: &'static str) -> Active {
        match &self.0 {
            Some(tracer) if Context::map_current(Context::has_active_span) => {
                start(tracer, name, kind, Context::current())
            }
            _ => Active::default(),
        }
    }

    /// As [`Self::part`], and where nothing is traced it begins a trace.
    pub fn work(&self, kind: SpanKind, name: &'static str) -> Active {
        match &self.0 {
            Some(tracer) => start(tracer, name, kind, Context::current()),
            None => Active::default(),
        }
    }
}

fn start(
    tracer: &SdkTracer,
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    parent: Context,
) -> Active {
    let builder = tracer.span_builder(name).with_kind(kind);
    let span = tracer.build_with_context(builder, &parent);
    Active::of(parent.with_span(span))
}
