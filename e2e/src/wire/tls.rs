//! TLS of the client: whom it trusts, what it shows of itself, which versions it speaks.

use super::connect;
use crate::certificates::Pair;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS of a client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// A client that trusts one authority, given as PEM.
    pub fn trusting(authority: &str) -> Result<Self> {
        Self::new(authority, &[&TLS13, &TLS12], None)
    }

    /// The same with a certificate of its own.
    pub fn showing(authority: &str, pair: &Pair) -> Result<Self> {
        Self::new(authority, &[&TLS13, &TLS12], Some(pair))
    }

    /// A client that speaks only these versions.
    pub fn new(
        authority: &str,
        versions: &[&'static SupportedProtocolVersion],
        pair: Option<&Pair>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        let config = match pair {
            Some(pair) => {
                let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes())?;
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
                builder.with_client_auth_cert(vec![cert], key)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Connects, and agrees on what is spoken: `http/1.1` or `h2`.
    pub async fn connect(
        &self,
        address: SocketAddr,
        protocol: &str,
    ) -> Result<TlsStream<TcpStream>> {
        let socket = connect(None, address).await?;
        let connector = TlsConnector::from(self.config.clone());
        let connector = connector.with_alpn(vec![protocol.into()]);
        let name = ServerName::from(address.ip());
        let stream = connector.connect(name, socket).await.context("TLS")?;
        let agreed = stream.get_ref().1.alpn_protocol();
        ensure!(agreed == Some(protocol.as_bytes()), "{agreed:?}");
        Ok(stream)
    }
}
