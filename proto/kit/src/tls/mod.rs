//! TLS of the ports that clients reach: versions 1.2 and 1.3, by rustls. Each configuration
//! is given the provider of its cryptography, since one for the whole process could be set
//! by others too.

mod client;
#[cfg(test)]
mod issue;
mod pem;
mod server;
mod validity;

pub use client::ClientTls;
pub use server::{ServerFiles, ServerTls};
pub use tokio_rustls::server::TlsStream;

use crate::reread::Source;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// Why there is no TLS. What is shown names the flag and its file, and repeats nothing of
/// what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read.
    #[error("{0}: {1}")]
    Unreadable(Source, std::io::Error),
    /// It is no PEM, or breaks off.
    #[error("{0}: malformed PEM")]
    Malformed(Source),
    /// No certificate.
    #[error("{0}: no certificate in it")]
    NoCertificate(Source),
    /// No private key that can be read.
    #[error("{0}: no private key in it, or one with a password")]
    NoKey(Source),
    /// The key is another certificate's.
    #[error("{0}: does not belong to --tls-cert")]
    OtherKey(Source),
    /// It is not what TLS can use.
    #[error("{0}: {1}")]
    Unusable(Source, rustls::Error),
    /// The list of authorities can't be used.
    #[error("{0}: {1}")]
    Authorities(Source, rustls::server::VerifierBuilderError),
    /// The library refuses the choice of versions.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// The cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
