//! The commands of whoever operates the service.

mod abandon;
mod args;
mod drain;
mod fsck;
mod quarantine;

pub(crate) use abandon::abandon;
pub(crate) use args::{AbandonArgs, DrainArgs, Quarantine};
pub(crate) use drain::drain;
pub(crate) use fsck::fsck;
pub(crate) use quarantine::quarantine;
