//! TLS by rustls: of the ports that clients reach, versions 1.2 and 1.3, and of the inner
//! ports, where both sides show a certificate. Each configuration is given the provider of
//! its cryptography, since one for the whole process could be set by others too.

mod client;
mod identity;
#[cfg(test)]
pub(crate) mod issue;
mod mutual;
mod pem;
mod server;
mod validity;

pub use client::ClientTls;
pub use identity::NoIdentity;
pub use mutual::{FILES, Mutual, Texts, Whom};
pub use server::{ServerFiles, ServerTls};
pub use tokio_rustls::server::TlsStream;

use crate::reread::Source;
use ::proto::identity::Identity;
use rustls::CipherSuite;
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
    #[error("{0}: does not belong to {1}")]
    OtherKey(Source, Source),
    /// It does not say whose it is.
    #[error("{0}: {1}")]
    NotOfARelease(Source, NoIdentity),
    /// It is for somebody else than this process was started as.
    #[error("{0}: is now the certificate of {1}: restart the process if that is meant")]
    OtherIdentity(Source, Identity),
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

/// The cryptography. As a client we offer AES-128 first in TLS 1.3: ten rounds for each
/// block in place of fourteen, and nobody can try out its keys either. A server takes what
/// its client offers first.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    let suites = &mut provider.cipher_suites;
    suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}
