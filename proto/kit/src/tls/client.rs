//! TLS of a client that trusts one file of authorities.

use super::{TlsError, pem, provider};
use crate::reread::Source;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS of a client, which speaks HTTP/1.1.
#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
}

impl ClientTls {
    /// A client that trusts the authorities in a file, and no other.
    ///
    /// # Errors
    /// Names the flag and the file.
    pub fn trusting(file: &Source) -> Result<Self, TlsError> {
        let text = file.read();
        let text = text.map_err(|error| TlsError::Unreadable(file.clone(), error))?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(super::server::VERSIONS)?
            .with_root_certificates(pem::authorities(file, &text)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            connector: Arc::new(config).into(),
        })
    }

    /// Makes a connection one with TLS, to a server whose certificate is for `host`: a
    /// name or an address, without brackets.
    ///
    /// # Errors
    /// Where the server's certificate is not trusted, or the connection breaks.
    pub async fn connect<T>(&self, host: &str, socket: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.connector.connect(name, socket).await
    }
}
