//! What this process remembers, apart from the tasks that keep it. A restart loses it
//! all; what safety needs of it (`set_back`) holds everything until it is read anew.

mod missing;
mod moves;
mod restoring;
mod set_back;
mod store_health;
mod unfinished;

pub use missing::{Denied, Missing};
#[cfg(test)]
pub use moves::StuckFile;
pub use moves::{Flow, MoveLine, Moves, StuckFiles, Told};
pub(crate) use restoring::Restoring;
pub use set_back::{HIGHEST, Marking, SetBack};
pub use store_health::StoreHealth;
pub(crate) use unfinished::{Progress, Unfinished};
