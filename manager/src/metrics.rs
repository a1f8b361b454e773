//! What Prometheus sees of the manager.

mod callers;

pub(crate) use callers::{CallerMetrics, Counts};

use kit::spans::Tracer;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// A request's labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    /// The route, as the documentation writes it.
    pub(crate) route: &'static str,
    /// The method.
    pub(crate) method: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The result code of an error, 0 for none.
    pub(crate) code: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
}

/// Where requests are noted: metrics and traces.
pub(crate) struct Observed {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tracer: Tracer,
}

/// The manager's metrics.
pub(crate) struct Metrics {
    /// All of them, for the ops port.
    pub(crate) registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// What each caller asks for and moves.
    pub(crate) callers: Arc<CallerMetrics>,
    /// What is in flight at the REST port's bounds.
    pub(crate) in_flight: InFlight,
}

/// Places taken at the bounds of the REST port.
#[derive(Default)]
pub(crate) struct InFlight {
    pub(crate) uploads: Gauge,
    pub(crate) upload_bytes: Gauge,
    pub(crate) downloads: Gauge,
    pub(crate) requests: Gauge,
    pub(crate) request_heads: Gauge,
    pub(crate) status_streams: Gauge,
}

impl InFlight {
    fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("uploads_in_flight", "Uploads in flight", &self.uploads),
            (
                "upload_in_flight_bytes",
                "Bytes of uploads in flight that are held",
                &self.upload_bytes,
            ),
            (
                "downloads_in_flight",
                "Downloads and listings in flight",
                &self.downloads,
            ),
            (
                "requests_in_flight",
                "Requests in flight that are neither uploads nor downloads",
                &self.requests,
            ),
            (
                "request_heads_in_flight_bytes",
                "Bytes of the heads of all requests in flight, those that wait included",
                &self.request_heads,
            ),
            (
                "status_streams_in_flight",
                "Streams of /status in flight",
                &self.status_streams,
            ),
        ];
        kit::metrics::register(registry, &gauges);
    }
}

fn latency() -> Histogram {
    // 100 µs to about 26 s.
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("dfs_manager");
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(latency);
        registry.register(
            "http_requests",
            "Requests by route, status and code",
            requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time to the end of the answer's head",
            Unit::Seconds,
            seconds.clone(),
        );
        let callers = Arc::new(CallerMetrics::new(&mut registry));
        let in_flight = InFlight::default();
        in_flight.register(&mut registry);
        let registry = Arc::new(Mutex::new(registry));
        Self {
            registry,
            requests,
            seconds,
            callers,
            in_flight,
        }
    }

    /// Counts one request.
    pub(crate) fn request(&self, labels: &RequestLabels, took: Duration) {
        self.requests.get_or_create(labels).inc();
        let route = RouteLabels {
            route: labels.route,
            method: labels.method,
        };
        self.seconds
            .get_or_create(&route)
            .observe(took.as_secs_f64());
    }
}
