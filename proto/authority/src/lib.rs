//! The authorities of the inner ports: they are made here, they sign the certificates that
//! carry an identity, and they take turns so that nothing breaks. No file, no clock and no
//! network is reached from here: whoever calls says what time it is, and keeps what is made.

mod authority;
mod chain;
mod error;
mod read;
mod validity;
#[cfg(test)]
mod verify;

pub use authority::{Authority, Pair};
pub use chain::{Chain, Terms};
pub use error::{AuthorityError, ChainError};
pub use read::Certificate;
pub use validity::Validity;
