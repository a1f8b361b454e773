//! Who may: a credential in, a caller with its rights out. Of the wire it knows no
//! more than the text of a bearer token and the terms of a signed link.

mod access;
mod budget;
mod denied;
mod identity;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod link;
mod rights;
mod share;
pub mod tokens;

pub use access::{Callers, Known};
pub use denied::Denied;
pub use identity::{Account, Identity, Kind, Rates};
pub use rights::{Rights, UnknownVerb, Verb};
pub use share::Share;
