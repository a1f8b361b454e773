//! A condition, before it has its times.

use super::reasons::{Reason, Type};

/// A condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// What it is about.
    pub(crate) type_: Type,
    /// Whether it holds.
    pub(crate) holds: Holds,
    /// Why, in a word.
    pub(crate) reason: Reason,
    /// Why, in a sentence.
    pub(crate) message: String,
}

impl Told {
    /// Whether it says that all is well. What is not known does not hold.
    pub(crate) fn is_well(&self) -> bool {
        (self.holds == Holds::True) == self.type_.well_holds()
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It does.
    True,
    /// It does not.
    False,
    /// It is not known.
    Unknown,
}

impl Holds {
    /// As the API writes it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition that is not known, since no manager answers or the store may be a stranger.
pub(super) fn unknown(type_: Type, message: &str) -> Told {
    Told {
        holds: Holds::Unknown,
        ..told(type_, false, Reason::Unknown, message)
    }
}

pub(super) fn told(type_: Type, holds: bool, reason: Reason, message: impl Into<String>) -> Told {
    Told {
        type_,
        holds: holds.into(),
        reason,
        message: message.into(),
    }
}
