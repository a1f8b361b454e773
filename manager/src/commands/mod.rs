//! The commands of `manager` beside `serve`.

pub mod check;
pub mod recover;
pub mod remote;
#[cfg(feature = "standalone")]
pub mod standalone;
