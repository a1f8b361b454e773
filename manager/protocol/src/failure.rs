//! The one error that a request can end with: a code, and details that help.

use crate::nodes::NoNode;
use crate::store::StoreError;
use messages::{Code, CodeMeaning};
use std::fmt;

/// What is wrong with a request of code 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The request itself.
    Request,
    /// Something that it names is not there.
    Unknown,
    /// How things stand forbids it.
    Conflict,
}

/// Why a request failed, as reported to its caller.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The result code.
    pub code: Code,
    /// What helps beyond the code's own message.
    pub detail: Option<String>,
    /// After how many seconds another try makes sense.
    pub retry_after: Option<u32>,
    /// Which way the request is invalid, where it is.
    pub wrong: Wrong,
}

impl Failure {
    /// A failure that its code explains.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            retry_after: CodeMeaning::of(code).retry_after,
            wrong: Wrong::Request,
        }
    }

    /// Code 6: something that the request names is not there.
    pub fn unknown(what: impl fmt::Display) -> Self {
        let wrong = Wrong::Unknown;
        Self {
            wrong,
            ..Self::new(Code::InvalidRequest).because(what)
        }
    }

    /// Code 6: how things stand forbids what is asked for.
    pub fn conflict(why: impl fmt::Display) -> Self {
        let wrong = Wrong::Conflict;
        Self {
            wrong,
            ..Self::new(Code::InvalidRequest).because(why)
        }
    }

    /// Adds what helps.
    #[must_use]
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.message())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Full { .. }) {
            return Self::new(Code::InsufficientStorage).because(error);
        }
        // A store that is away is logged once, by the task that watches it.
        if !matches!(error, StoreError::Refused(_)) {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "the store failed");
        }
        Self::new(Code::ServersUnavailable).because("the metadata store does not answer")
    }
}

impl From<NoNode> for Failure {
    fn from(none: NoNode) -> Self {
        match none {
            NoNode::NoneAvailable => Self::new(Code::ServersUnavailable),
            NoNode::NoRoom => Self::new(Code::InsufficientStorage),
        }
    }
}
