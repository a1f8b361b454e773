//! The ways of a file: in, out, and away.

pub(crate) mod copies;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod upload;
