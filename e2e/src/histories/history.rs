//! What clients did to one name, and what they were answered.

use std::fmt;
use std::time::Duration;

/// A content, by the number that it was made from. No two uploads share one, so
/// a read shows which of them it saw, even one whose id was never returned.
pub(super) type Content = u64;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Call {
    Put,
    Post,
    Get,
    Head,
    Delete,
    List,
}

/// What an answer says of the name, or what may have happened where none came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The upload made the file.
    Created(Content),
    /// The upload makes the file at some moment after it was sent, or never.
    MaybeCreated(Content),
    /// An upload was refused, since there was a file.
    Exists,
    /// A file was seen.
    Found(Content),
    /// There was no file.
    Absent,
    /// The delete removed the file.
    Deleted,
    /// The delete removes a file at some moment after it was sent, or never.
    MaybeDeleted,
}

impl Effect {
    /// Whether it leaves the name as it was.
    pub(super) fn is_look(self) -> bool {
        match self {
            Self::Exists | Self::Found(_) | Self::Absent => true,
            Self::Created(_) | Self::MaybeCreated(_) | Self::Deleted | Self::MaybeDeleted => false,
        }
    }

    /// Whether it may take effect at any later time.
    pub(super) fn is_open(self) -> bool {
        match self {
            Self::MaybeCreated(_) | Self::MaybeDeleted => true,
            Self::Created(_) | Self::Exists | Self::Found(_) | Self::Absent | Self::Deleted => {
                false
            }
        }
    }
}

/// One request and its answer, with times since the start of the run.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// When it was sent.
    pub(super) begun: Duration,
    /// When its answer had come, or the client stopped waiting for it.
    pub(super) ended: Duration,
    /// Who sent it.
    pub(super) client: usize,
    /// Through which manager, from 1.
    pub(super) manager: usize,
    /// What was asked.
    pub(super) call: Call,
    /// What was answered, for people.
    pub(super) answer: String,
    /// What that says of the name.
    pub(super) effect: Effect,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: Duration| at.as_secs_f64();
        write!(
            f,
            "{:>10.4} to {:>10.4} s  client {:<2} manager {}  {:<6} {:<8} {:?}",
            seconds(self.begun),
            seconds(self.ended),
            self.client,
            self.manager,
            format!("{:?}", self.call).to_uppercase(),
            self.answer,
            self.effect,
        )
    }
}
