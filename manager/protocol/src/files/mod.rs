//! Upload, download and delete of files, and the choice among several copies.

pub(crate) mod copies;
pub mod delete;
pub mod download;
pub mod upload;
