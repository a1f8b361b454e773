//! Balance and drain: plans which files move, and carries them.

mod carry;
mod plan;
mod run;

pub use run::run;
