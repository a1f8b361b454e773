//! The collector that spans are sent to.

use super::tracer::Tracer;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the collector may take for the last spans when the process ends.
const LAST: Duration = Duration::from_secs(3);
/// Where these name the service they win.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Why traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// It is not the address of a collector.
    #[error("--otlp-endpoint: must be http://HOST:PORT")]
    NoUrl,
    /// The collector is to be reached in TLS.
    #[error(
        "--otlp-endpoint: TLS is not spoken to a collector: use http:// to one on this machine or network, which sends on what it gets"
    )]
    Tls,
    /// The exporter refuses what it was given.
    #[error("--otlp-endpoint: {0}")]
    Refused(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What sends the spans of a process, or of one part of it. By default nothing is traced.
#[derive(Default)]
pub struct Collector {
    provider: Option<SdkTracerProvider>,
    tracer: Tracer,
}

impl Collector {
    /// Spans go there from now on, in the background. Samplers and the size of batches are
    /// read from the variables of OpenTelemetry.
    pub(super) fn start(endpoint: &str, service: &'static str) -> Result<Self, OtlpError> {
        let exporter = Otlp::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()?;
        let noted = Noted {
            exporter,
            endpoint: endpoint.to_owned(),
            away: AtomicBool::new(false),
        };
        let processor = BatchSpanProcessor::builder(noted).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(service))
            .with_span_processor(processor)
            .build();
        let tracer = Tracer::of(provider.tracer("dfs"));
        tracing::info!(endpoint, service, "traces go to a collector");
        Ok(Self {
            provider: Some(provider),
            tracer,
        })
    }

    /// What makes the spans.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what is left, for as long as that may take.
    pub async fn end(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST));
        if let Ok(Err(error)) = ended.await {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

fn resource(service: &'static str) -> Resource {
    let named = |variable| std::env::var(variable).is_ok_and(|text| !text.is_empty());
    let attributes = std::env::var(RESOURCE).unwrap_or_default();
    let mut attributes = attributes.split(',');
    let builder = Resource::builder();
    match named(SERVICE_NAME) || attributes.any(names_service) {
        true => builder.build(),
        false => builder.with_service_name(service).build(),
    }
}

/// Whether an attribute of the variable names the service.
fn names_service(attribute: &str) -> bool {
    let name = attribute.split_once('=').map(|(name, _)| name.trim());
    name == Some("service.name")
}

/// Sends spans, and logs once that the collector is away, and once that it is back.
#[derive(Debug)]
struct Noted {
    exporter: Otlp,
    endpoint: String,
    away: AtomicBool,
}

impl SpanExporter for Noted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let endpoint = &self.endpoint;
        match (&sent, self.away.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(endpoint, %error, "traces can't be sent: spans are dropped");
            }
            (Ok(()), true) => tracing::info!(endpoint, "traces are sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
