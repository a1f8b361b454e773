//! Who sent a request, as its handler knows it, and what the answer is to hold.

use super::clients::Client;
use super::gate::Place;
use http::request::Parts;
use manager_protocol::failure::Failure;
use manager_protocol::nodes::Share;
use manager_protocol::trace::Trace;
use manager_protocol::waiters::Waiters;
use parking_lot::Mutex;
use proto::Code;
use std::sync::Arc;

/// One request's sender. The front adds it to the request's extensions as one value:
/// each extension is a piece of memory of its own, for every request.
pub(super) struct Caller {
    /// Whose places the request takes.
    pub(super) client: Arc<Client>,
    /// Its connection's room for uploads that wait.
    pub(super) waiters: Waiters,
    /// The request's id.
    pub(super) trace: Trace,
    held: Mutex<Option<Place>>,
}

impl Caller {
    pub(super) fn new(client: Arc<Client>, waiters: Waiters, trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            client,
            waiters,
            trace,
            held: Mutex::default(),
        })
    }

    /// The one that the front added.
    ///
    /// # Errors
    /// Code 5 where it did not.
    pub(super) fn of(parts: &Parts) -> Result<&Self, Failure> {
        let caller = parts.extensions.get::<Arc<Self>>().map(Arc::as_ref);
        caller.ok_or_else(|| Failure::new(Code::Internal).because("the request has no caller"))
    }

    /// What an upload may use of each node's streams.
    pub(super) fn writes(&self) -> Share {
        Share {
            streams: self.client.writes.clone(),
            waiters: self.waiters.clone(),
        }
    }

    /// Gives a place to the answer, which holds it until its last byte has gone.
    pub(super) fn hold(&self, place: Place) {
        *self.held.lock() = Some(place);
    }

    /// Takes the place that the answer was given.
    pub(super) fn held(&self) -> Option<Place> {
        let mut held = self.held.lock();
        held.take()
    }
}
