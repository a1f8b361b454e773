//! The commands of `manager` beside `serve`.

pub mod certs;
pub mod check;
pub mod rebuild;
pub mod remote;
#[cfg(feature = "standalone")]
pub mod standalone;
pub mod token;
