//! What goes wrong in a run.

use manager_protocol::sim::Odds;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All messages arrive, and all parts live.
    Fair,
    /// The same, but nodes are drained and opened again.
    Drains,
    /// Messages are lost or late, parts are killed, and nodes are drained.
    Rough,
}

impl Weather {
    /// What may happen to a message.
    pub(crate) fn odds(self) -> Odds {
        match self {
            Self::Fair | Self::Drains => Odds::default(),
            Self::Rough => Odds {
                before: 50,
                after: 50,
                late: 60,
                slow: 25,
                reads: 200,
                overlooked: 10,
                breaks: 60,
            },
        }
    }
}
