//! Who may call the REST API: the flags, and what is made of them.

mod flags;
mod links;
mod load;
mod quotas;

pub use flags::{Audit, AuthArgs, Way};
pub(crate) use load::Admits;
pub use quotas::NamespaceQuota;
