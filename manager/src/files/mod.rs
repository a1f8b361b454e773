//! Upload, download and delete of files, and the choice among several copies.

pub(crate) mod copies;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod upload;
