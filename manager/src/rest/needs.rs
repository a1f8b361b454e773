//! What a request needs of its caller.

use manager_callers::Verb;

/// What a caller must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing at all.
    Nothing,
    /// To be known; the handler asks for the right, which depends on the body.
    Caller,
    /// This right.
    Right(Verb),
}
