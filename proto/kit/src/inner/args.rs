//! The flags of the inner ports.

use super::Inner;
use crate::tls::{Mutual, TlsError};
use crate::token::{TokenArgs, TokenError};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The flags of the inner ports.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InnerArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub token: TokenArgs,
    /// Folder with tls.crt, tls.key and ca.crt, as `manager certs init` makes it: the inner ports speak TLS then, and both sides must show a certificate of the release; the files are read again when they change
    #[arg(long, env = "DFS_CERTS", value_name = "FOLDER")]
    pub certs: Option<PathBuf>,
}

/// Why the inner ports can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum InnerError {
    /// There is no usable token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There are no usable certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An open address, and nothing that keeps others out.
    #[error(
        "{flag} {address}: without certificates (--certs) or a token (--token-file or DFS_TOKEN) only loopback addresses may be listened on"
    )]
    Open {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
}

impl InnerArgs {
    /// Reads what the flags name.
    ///
    /// # Errors
    /// Names the flag.
    pub fn load(&self) -> Result<Inner, InnerError> {
        Ok(Inner {
            token: self.token.load()?,
            tls: self.certs.as_deref().map(Mutual::load).transpose()?,
            plain: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_and_certificates_only_loopback_is_listened_on() {
        let open: SocketAddr = "0.0.0.0:9000".parse().expect("an address");
        let local: SocketAddr = "127.0.0.1:9000".parse().expect("an address");
        let none = Inner::default();
        let error = none.allows_listening("--grpc", open).expect_err("open");
        assert!(error.to_string().starts_with("--grpc 0.0.0.0:9000: "));
        assert!(none.allows_listening("--grpc", local).is_ok());
        let token = Inner::of_token(crate::token::tests::token("0123456789abcdef"));
        assert!(token.allows_listening("--grpc", open).is_ok());
    }
}
