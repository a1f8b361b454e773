//! What clients asked for, when, and what they were answered.

use crate::files::Number;
use names::{Code, FileName};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// An upload of this file.
    Upload(Number),
    /// The whole file of the name.
    Read,
    /// A delete, and the files that it was about to mark as doomed, the last one last. It
    /// may go on with it after its manager has died.
    Delete(Vec<Number>),
}

/// What the client knows of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done.
    Done,
    /// The whole body, which is that of a file; none where it is no file's.
    Body(Option<Number>),
    /// An error of this code.
    Failed(Code),
    /// The answer broke off, or none came.
    Nothing,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The name it was about.
    pub(crate) name: FileName,
    /// When it was sent.
    pub(crate) begun: Duration,
    /// When its answer came, or its manager died.
    pub(crate) ended: Duration,
    /// What it was.
    pub(crate) asked: Asked,
    /// What came of it.
    pub(crate) answer: Answer,
}

/// All requests of a run.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    /// Adds one that has ended.
    pub(crate) fn add(&self, event: Event) {
        self.0.lock().push(event);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().clone()
    }
}
