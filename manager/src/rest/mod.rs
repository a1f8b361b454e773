//! The REST API: axum's routes behind an accept loop of our own, which holds
//! the limits on connections, heads and idle time (invariant 9).

mod activity;
mod admit;
mod allowance;
mod answer;
mod answer_headers;
mod asset;
mod audit;
mod caller;
mod client;
mod clients;
mod console;
mod docs;
mod download;
mod error_cases;
mod examples;
mod file_body;
mod front;
mod gate;
mod handshake;
mod hosts;
mod io;
mod json_body;
mod lent;
mod link;
mod listeners;
mod listing;
mod live;
mod name;
mod needs;
mod openapi;
mod operate;
mod operation;
mod pace;
mod paths;
mod patterns;
mod post;
mod protocols;
mod put;
mod query;
mod rate;
mod request_body;
mod router;
mod routes;
mod schemas;
mod sent;
mod server;
mod signed;
mod span;
mod turns;
mod vet;
mod writes;

use crate::callers::Admits;
use crate::limits::RestLimits;
use crate::metrics::{Metrics, Observed};
use bytes::Bytes;
use kit::spans::Tracer;
use manager_protocol::core::Core;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use listeners::Listener;
pub(crate) use server::serve;

/// What the handlers share.
struct Rest {
    core: Arc<Core>,
    metrics: Arc<Metrics>,
    limits: RestLimits,
    gates: gate::Gates,
    hosts: hosts::Hosts,
    admits: Admits,
    live: Arc<live::Live>,
    /// Tasks that may read every record or whole quarantines at once.
    long_tasks: Arc<Semaphore>,
    /// The manager leaves: answers without an end break off, since it waits for what is in
    /// flight.
    shutdown: CancellationToken,
    /// Whether the console is served.
    console: bool,
    tracer: Tracer,
    /// The document at `/openapi.json`.
    openapi: Bytes,
}

impl Rest {
    fn new(
        core: Arc<Core>,
        observed: Observed,
        limits: RestLimits,
        hosts: hosts::Hosts,
        admits: Admits,
        console: bool,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let Observed { metrics, tracer } = observed;
        let document = openapi::document(admits.callers.is_some(), limits.max_body_bytes);
        let gates = gate::Gates::new(&core.world, &limits, &metrics.in_flight);
        Arc::new(Self {
            core,
            metrics,
            gates,
            hosts,
            admits,
            live: live::Live::new(),
            long_tasks: Arc::new(Semaphore::new(1)),
            shutdown,
            console,
            tracer,
            limits,
            openapi: Bytes::from(document.to_string()),
        })
    }
}
