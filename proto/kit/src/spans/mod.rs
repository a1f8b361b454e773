//! Spans of OpenTelemetry: what is traced, how a trace goes from process to process, and the
//! collector that spans are sent to by OTLP. Without one nothing is traced.
//!
//! Spans are not those of the crate `tracing`: its lines are the log, and stay as they are.

mod active;
mod args;
mod collector;
mod context;
mod layer;
mod tracer;

pub use active::{Active, Scope, Within, fail, here};
pub use args::OtlpArgs;
pub use collector::{Collector, OtlpError};
pub use context::{Headers, Wire, inject, to_wire};
pub use layer::{Continue, Continued, continued};
pub use opentelemetry::Value;
pub use opentelemetry::propagation::Extractor;
pub use opentelemetry::trace::SpanKind;
pub use tracer::Tracer;
