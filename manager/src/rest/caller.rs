//! Who sent a request, as its handler knows it, and what the answer is to hold.

use super::admit::Who;
use super::client::Client;
use super::gate::Place;
use http::request::Parts;
use manager_callers::link::Number;
use manager_protocol::failure::Failure;
use manager_protocol::nodes::Share;
use manager_protocol::trace::Trace;
use manager_protocol::waiters::Waiters;
use parking_lot::Mutex;
use proto::{Code, FileId, FileName, NodeId};
use std::sync::Arc;

/// What a request turned out to be about: a file, the link that it made, or nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    pub(super) name: Option<FileName>,
    pub(super) id: Option<FileId>,
    pub(super) link: Option<Number>,
    pub(super) nodes: Vec<NodeId>,
}

/// One request's sender. The front adds it to the request's extensions as one value:
/// each extension is a piece of memory of its own, for every request.
pub(super) struct Caller {
    /// Who it is.
    pub(super) who: Who,
    /// Whose places the request takes.
    pub(super) client: Arc<Client>,
    /// Its connection's room for uploads that wait.
    pub(super) waiters: Waiters,
    /// The request's id.
    pub(super) trace: Trace,
    /// Whether it came over TLS.
    pub(super) tls: bool,
    held: Mutex<Option<Place>>,
    subject: Mutex<Subject>,
}

impl Caller {
    pub(super) fn new(
        who: Who,
        client: Arc<Client>,
        waiters: Waiters,
        trace: Trace,
        tls: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            who,
            client,
            waiters,
            trace,
            tls,
            held: Mutex::default(),
            subject: Mutex::default(),
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

    /// Notes the file for the audit.
    pub(super) fn is_about(&self, name: &FileName, id: Option<FileId>) {
        let mut subject = self.subject.lock();
        subject.name = Some(name.clone());
        subject.id = id.or(subject.id);
    }

    /// Notes the nodes for the audit.
    pub(super) fn is_about_nodes(&self, nodes: &[NodeId]) {
        self.subject.lock().nodes = nodes.to_vec();
    }

    /// Notes the link that was made.
    pub(super) fn made(&self, link: Number) {
        self.subject.lock().link = Some(link);
    }

    /// What was noted.
    pub(super) fn subject(&self) -> Subject {
        self.subject.lock().clone()
    }
}
