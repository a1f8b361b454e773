//! TLS of a server, made of files that are read again when they change.

use super::{TlsError, pem, provider, validity};
use crate::reread::{self, Source};
use parking_lot::RwLock;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes of a connection that were encrypted and not yet sent; who writes waits beyond.
const UNSENT: usize = 64 << 10;
/// The versions; older ones are refused.
pub(super) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
/// What may be spoken over it, in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of a server's TLS.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// Its certificate, and those between it and its authority, as PEM.
    pub cert: Source,
    /// The certificate's private key, as PEM.
    pub key: Source,
    /// The authorities whose certificates clients must show, as PEM; where there is none,
    /// clients are not asked for any.
    pub client_ca: Option<Source>,
}

/// TLS of a server, cheap to clone. For as long as one is held its files are read again
/// when they change: connections that are accepted from then on are served with the new
/// ones, and those that are open go on.
#[derive(Clone)]
pub struct ServerTls {
    current: Arc<Current>,
}

/// The configuration as it is now. It is replaced as a whole, so that certificate, key and
/// the clients' authorities always are of one time.
struct Current(RwLock<Arc<ServerConfig>>);

impl ServerTls {
    /// Reads the files, and follows them from then on. A certificate that has expired is
    /// taken, with a warning in the log.
    ///
    /// # Errors
    /// Names the flag and the file, and repeats nothing of what is in it.
    pub fn load(files: ServerFiles) -> Result<Self, TlsError> {
        let sources = files.sources();
        let read = |file: &Source| {
            let text = file.read();
            text.map_err(|error| TlsError::Unreadable(file.clone(), error))
        };
        let texts: Vec<String> = sources.iter().map(read).collect::<Result<_, _>>()?;
        let config = files.config(&texts)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(config))));
        let held = Arc::downgrade(&current);
        let take = move |current: &Current, texts: &[String]| {
            current.take(&files, texts).map_err(|why| why.to_string())
        };
        reread::follow("the certificate", sources, texts, held, take);
        Ok(Self { current })
    }

    /// Makes a connection that was accepted one with TLS. How long that may last is up to
    /// the caller.
    ///
    /// # Errors
    /// Where the client breaks off, or shows nothing that is wanted of it: with the
    /// connection, on which an alert says so.
    pub async fn accept<T>(&self, socket: T) -> Result<TlsStream<T>, (io::Error, T)>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.current.0.read().clone();
        TlsAcceptor::from(config)
            .accept_with(socket, |connection| {
                connection.set_buffer_limit(Some(UNSENT));
            })
            .into_fallible()
            .await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl Current {
    /// New connections are served with what the files say now.
    fn take(&self, files: &ServerFiles, texts: &[String]) -> Result<(), TlsError> {
        let config = files.config(texts)?;
        *self.0.write() = Arc::new(config);
        Ok(())
    }
}

impl ServerFiles {
    fn sources(&self) -> Vec<Source> {
        let ours = [self.cert.clone(), self.key.clone()];
        ours.into_iter().chain(self.client_ca.clone()).collect()
    }

    /// The configuration that the files' texts make, in the order of [`Self::sources`].
    fn config(&self, texts: &[String]) -> Result<ServerConfig, TlsError> {
        let text = |at: usize| texts.get(at).map_or("", String::as_str);
        let certs = pem::certificates(&self.cert, text(0))?;
        if let Some(own) = certs.first() {
            warn_of_lapse(&self.cert, own);
        }
        let key = certified(&self.cert, &self.key, certs, text(1))?;
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(VERSIONS)?;
        let Some(file) = &self.client_ca else {
            return Ok(finished(
                builder.with_no_client_auth().with_cert_resolver(key),
            ));
        };
        let roots = pem::authorities(file, text(2))?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
            .build()
            .map_err(|error| TlsError::Authorities(file.clone(), error))?;
        let builder = builder.with_client_cert_verifier(clients);
        let mut config = finished(builder.with_cert_resolver(key));
        // A client that takes up an earlier session does not show its certificate again,
        // and that may have expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// Certificate and key, if they belong to each other.
pub(super) fn certified(
    cert_file: &Source,
    key_file: &Source,
    certs: Vec<CertificateDer<'static>>,
    key: &str,
) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let key = pem::key(key_file, key)?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| TlsError::Unusable(key_file.clone(), error))?;
    let pair = CertifiedKey::new(certs, key);
    match pair.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(Arc::new(SingleCertAndKey::from(pair)))
        }
        Err(Error::InconsistentKeys(_)) => {
            Err(TlsError::OtherKey(key_file.clone(), cert_file.clone()))
        }
        Err(error) => Err(TlsError::Unusable(cert_file.clone(), error)),
    }
}

/// A certificate that is not good now is served, and the log has a warning.
pub(super) fn warn_of_lapse(file: &Source, certificate: &CertificateDer<'_>) {
    if let Some(lapse) = lapse_now(certificate) {
        warn_of(file, &lapse);
    }
}

pub(super) fn warn_of(file: &Source, lapse: &validity::Lapse) {
    tracing::warn!(%file, "the certificate is served, but {lapse}");
}

pub(super) fn lapse_now(certificate: &CertificateDer<'_>) -> Option<validity::Lapse> {
    validity::lapse(certificate, UnixTime::now())
}

fn finished(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config
}

#[cfg(test)]
mod tests;
