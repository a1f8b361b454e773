//! What the files of the repository must have: imports without circles, documents that are
//! true of them.

mod documents;
mod flags;
mod imports;
mod links;
