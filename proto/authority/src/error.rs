//! What can be wrong with authorities. No message repeats a text that was given.

use proto::identity::NotAnIdentity;

/// Why there is no authority, or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The text holds none, several, or something else.
    #[error("must be one certificate as PEM")]
    NoCertificate,
    /// The text holds none, or one of an unknown kind.
    #[error("must be a private key as PEM")]
    NoKey,
    /// Key and certificate were not made together.
    #[error("the key is not that of the certificate")]
    OtherKey,
    /// It may not sign certificates, or does not say for which release.
    #[error("the certificate is not one of an authority of a release")]
    NoAuthority,
    /// What it signs would be good for nothing.
    #[error("the authority has expired")]
    Expired,
    /// No certificate can say when it ends.
    #[error("a certificate must end before the year 10000")]
    TooLong,
    /// The release can't have an identity.
    #[error(transparent)]
    Release(#[from] NotAnIdentity),
    /// The library refuses.
    #[error("no certificate was made: {0}")]
    NotMade(#[from] rcgen::Error),
}

/// Why entries hold no authorities.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// One is not there.
    #[error("{0}: is missing")]
    Missing(&'static str),
    /// One is not what it should be.
    #[error("{0}: {1}")]
    Entry(&'static str, #[source] AuthorityError),
}
