//! Balance and drain: which files move, how fast, and what is under way.

mod carry;
mod plan;
mod run;
mod stuck;
mod throttle;

pub(crate) use run::{MoveLine, Moves, run};
#[cfg(test)]
pub(crate) use stuck::StuckFile;
pub(crate) use stuck::StuckFiles;
