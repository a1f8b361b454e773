//! The REST API: axum's routes behind an accept loop of our own, which holds
//! the limits on connections, heads and idle time (invariant 9).

mod activity;
mod admit;
mod allowance;
mod answer;
mod audit;
mod caller;
mod clients;
mod docs;
mod download;
mod file_body;
mod front;
mod gate;
mod handshake;
mod hosts;
mod io;
mod lent;
mod link;
mod listeners;
mod listing;
mod name;
mod needs;
mod openapi;
mod operation;
mod pace;
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
mod turns;
mod vet;
mod writes;

use crate::callers::Admits;
use crate::limits::RestLimits;
use crate::metrics::Metrics;
use bytes::Bytes;
use manager_protocol::core::Core;
use std::sync::Arc;

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
        admits: Admits,
    ) -> Arc<Self> {
        let document = openapi::document(admits.callers.is_some());
        let gates = gate::Gates::new(&core.world, &limits, &metrics.in_flight);
        Arc::new(Self {
            core,
            metrics,
            gates,
            hosts,
            admits,
            limits,
            openapi: Bytes::from(document.to_string()),
            docs: Bytes::from(docs::page(&document)),
        })
    }
}
