//! What this process remembers, apart from the tasks that keep it. A restart loses it
//! all; what safety needs of it (`set_back`) holds everything until it is read anew.

mod missing;
mod moves;
mod restoring;
mod set_back;
mod store_health;
mod unfinished;

pub(crate) use missing::{Denied, Missing};
#[cfg(test)]
pub(crate) use moves::StuckFile;
pub(crate) use moves::{Flow, MoveLine, Moves, StuckFiles, Told};
pub(crate) use restoring::Restoring;
pub(crate) use set_back::{HIGHEST, Marking, SetBack};
pub(crate) use store_health::StoreHealth;
pub(crate) use unfinished::{Progress, Unfinished};
