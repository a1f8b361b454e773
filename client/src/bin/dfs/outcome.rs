//! What came of a command, and the exit code for it.

use crate::hint::known;
use client::{Code, Error};
use std::io;
use std::process::ExitCode;

const FAILED: u8 = 1;
const NOT_BEGUN: u8 = 2;
const DIFFERENT: u8 = 3;
/// Before the number of a result code.
const CODES: u8 = 10;
const INTERRUPTED: u8 = 130;

/// The command was called in a way that it does not take.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A service in a cluster could not be reached, and nothing was begun.
#[cfg(all(unix, feature = "kube"))]
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotReached(pub(crate) String);

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All was done.
    Done,
    /// All that failed was refused with this code.
    Refused(Code),
    /// Something failed.
    Failed,
    /// Nothing could be begun.
    NotBegun,
    /// What was compared differs.
    Different,
    /// It was interrupted.
    Interrupted,
}

impl Outcome {
    /// Of a command that ended with an error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if is_broken_pipe(error) {
            return Self::Done;
        }
        if error.is::<Usage>() {
            return Self::NotBegun;
        }
        #[cfg(all(unix, feature = "kube"))]
        if error.is::<NotReached>() {
            return Self::NotBegun;
        }
        match known(error) {
            Some(
                Error::Setting { .. }
                | Error::Token { .. }
                | Error::TokenSource { .. }
                | Error::Name(_),
            ) => Self::NotBegun,
            Some(error) => error.code().map_or(Self::Failed, Self::Refused),
            None => Self::Failed,
        }
    }

    /// Of one file of several: the others were begun.
    pub(crate) fn of_one(error: &anyhow::Error) -> Self {
        match Self::of(error) {
            Self::NotBegun => Self::Failed,
            other => other,
        }
    }

    /// Of both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done, other) | (other, Self::Done) => other,
            (Self::Interrupted, _) | (_, Self::Interrupted) => Self::Interrupted,
            (one, other) if one == other => one,
            _ => Self::Failed,
        }
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Refused(code) => CODES + code.number(),
            Self::Failed => FAILED,
            Self::NotBegun => NOT_BEGUN,
            Self::Different => DIFFERENT,
            Self::Interrupted => INTERRUPTED,
        })
    }
}

/// Whether whoever read the output has seen enough.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = match known(error) {
        Some(Error::Target { source, .. }) => Some(source.kind()),
        _ => error.downcast_ref::<io::Error>().map(io::Error::kind),
    };
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// Whether nobody answered.
pub(crate) fn is_unanswered(error: &Error) -> bool {
    match error {
        Error::ReadOnce { source } => is_unanswered(source),
        Error::NoAnswer { .. } | Error::Silent { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_alike_has_its_code() {
        let missing = Outcome::Refused(Code::FileDoesNotExist);
        assert_eq!(Outcome::Done.and(missing), missing);
        assert_eq!(missing.and(missing).and(Outcome::Done), missing);
        assert_eq!(missing.and(Outcome::Failed), Outcome::Failed);
        let other = Outcome::Refused(Code::FileUnavailable);
        assert_eq!(missing.and(other), Outcome::Failed);
        assert_eq!(missing.and(Outcome::Interrupted), Outcome::Interrupted);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_no_failure() {
        let broken = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(Outcome::of(&broken), Outcome::Done);
        let other = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(Outcome::of(&other), Outcome::Failed);
    }
}
