//! Balance and drain: plans which files move, and carries them.

mod carry;
mod plan;
mod run;

pub(crate) use run::run;
