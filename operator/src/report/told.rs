//! A condition, before it has its times.

/// A condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What it is about.
    pub(super) type_: &'static str,
    /// Whether it holds.
    pub(super) holds: Holds,
    /// Why, in a word.
    pub(super) reason: &'static str,
    /// Why, in a sentence.
    pub(super) message: String,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// It does.
    True,
    /// It does not.
    False,
    /// It is not known.
    Unknown,
}

impl Holds {
    /// As the API writes it.
    pub(super) fn text(self) -> &'static str {
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
pub(super) fn unknown(type_: &'static str, message: &str) -> Told {
    Told {
        holds: Holds::Unknown,
        ..told(type_, false, "Unknown", message)
    }
}

pub(super) fn told(
    type_: &'static str,
    holds: bool,
    reason: &'static str,
    message: impl Into<String>,
) -> Told {
    Told {
        type_,
        holds: holds.into(),
        reason,
        message: message.into(),
    }
}
