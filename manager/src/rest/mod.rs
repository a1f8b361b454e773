//! The REST API: axum's routes behind an accept loop of our own, which holds
//! the limits on connections, heads and idle time (invariant 9).

mod activity;
mod answer;
mod caller;
mod clients;
mod docs;
mod download;
mod file_body;
mod front;
mod gate;
mod hosts;
mod io;
mod lent;
mod listing;
mod name;
mod openapi;
mod pace;
mod post;
mod put;
mod query;
mod request_body;
mod router;
mod routes;
mod schemas;
mod sent;
mod server;
mod vet;

use crate::limits::RestLimits;
use crate::metrics::Metrics;
use bytes::Bytes;
use manager_protocol::core::Core;
use std::sync::Arc;

pub(crate) use server::serve;

/// What the handlers share.
struct Rest {
    core: Arc<Core>,
    metrics: Arc<Metrics>,
    limits: RestLimits,
    gates: gate::Gates,
    hosts: hosts::Hosts,
    /// The document at `/openapi.json`.
    openapi: Bytes,
    /// The page at `/docs`.
    docs: Bytes,
}

impl Rest {
    fn new(
        core: Arc<Core>,
        metrics: Arc<Metrics>,
        limits: RestLimits,
        hosts: hosts::Hosts,
    ) -> Arc<Self> {
        let document = openapi::document();
        let gates = gate::Gates::new(&core.world, &limits, &metrics.in_flight);
        Arc::new(Self {
            core,
            metrics,
            gates,
            hosts,
            limits,
            openapi: Bytes::from(document.to_string()),
            docs: Bytes::from(docs::page(&document)),
        })
    }
}
