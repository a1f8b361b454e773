//! TLS of the inner ports: both sides show a certificate of the release, which says who
//! they are. Version 1.3 alone, since both sides are ours.

use super::identity::Members;
use super::{TlsError, pem, provider, server};
use crate::reread::{self, Source};
use parking_lot::RwLock;
use proto::identity::{Identity, Role};
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server as accepted};

/// How often it is checked whether the certificate has ended.
const WATCH: Duration = Duration::from_secs(60);
/// What is spoken over it.
const PROTOCOL: &[u8] = b"h2";
/// The flag that names the folder.
const FLAG: &str = "--certs";
/// The files in it, named as in a Secret of Kubernetes: the certificate and those between
/// it and its authority, its private key, and the authorities that are trusted.
pub const FILES: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// The texts of [`FILES`], in their order.
pub type Texts = [String; 3];

/// Who has to be at the other end of a connection that this side makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A manager.
    Manager,
    /// A node of this pool.
    NodeOf(String),
    /// A node of any pool.
    Node,
}

impl Whom {
    fn is(&self, role: &Role) -> bool {
        match (self, role) {
            (Self::Manager, Role::Manager) | (Self::Node, Role::Node { .. }) => true,
            (Self::NodeOf(wanted), Role::Node { pool }) => wanted == pool,
            _ => false,
        }
    }
}

/// TLS of the inner ports, cheap to clone. For as long as one is held its files are read
/// again when they change: connections from then on have the new certificates, and those
/// that are open go on.
#[derive(Clone)]
pub struct Mutual(Arc<Current>);

/// Both configurations as they are now. They are replaced as a whole, so that certificate,
/// key and authorities always are of one time.
struct Current(RwLock<Configs>);

struct Configs {
    own: Identity,
    certificate: CertificateDer<'static>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Mutual {
    /// Reads the files of a folder, and follows them from then on.
    ///
    /// # Errors
    /// Names the flag and the file, and repeats nothing of what is in it.
    pub fn load(folder: &Path) -> Result<Self, TlsError> {
        let files = sources(folder);
        let mut texts = Texts::default();
        for (text, file) in texts.iter_mut().zip(&files) {
            let read = file.read();
            *text = read.map_err(|error| TlsError::Unreadable(file.clone(), error))?;
        }
        let made = Self::made(&files, &texts)?;
        let held = Arc::downgrade(&made.0);
        let named = files.clone();
        let take = move |current: &Current, texts: &[String]| {
            let texts = Texts::try_from(texts.to_vec()).unwrap_or_default();
            current.take(&named, &texts).map_err(|why| why.to_string())
        };
        watch_end(files[0].clone(), held.clone());
        let (files, texts) = (files.to_vec(), texts.to_vec());
        reread::follow("the inner certificate", files, texts, held, take);
        Ok(made)
    }

    /// Takes texts that no files hold.
    ///
    /// # Errors
    /// Where they can't be used.
    pub fn of(texts: &Texts) -> Result<Self, TlsError> {
        Self::made(&sources(Path::new("")), texts)
    }

    fn made(files: &[Source; 3], texts: &Texts) -> Result<Self, TlsError> {
        let configs = Configs::of(files, texts)?;
        Ok(Self(Arc::new(Current(RwLock::new(configs)))))
    }

    /// Takes other texts in place of those it was made [`of`](Self::of).
    ///
    /// # Errors
    /// Where they can't be used; what was there stays.
    pub fn replace(&self, texts: &Texts) -> Result<(), TlsError> {
        self.0.take(&sources(Path::new("")), texts)
    }

    /// Who this process is.
    pub fn identity(&self) -> Identity {
        self.0.0.read().own.clone()
    }

    /// Makes a connection that was accepted one with TLS, and returns who is at its other
    /// end: somebody of the same release. How long that may last is up to the caller.
    ///
    /// # Errors
    /// Where the peer breaks off, or has no certificate of the release.
    pub async fn accept<T>(&self, socket: T) -> io::Result<(accepted::TlsStream<T>, Identity)>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.0.read().server.clone();
        let stream = TlsAcceptor::from(config).accept(socket).await?;
        let peer = peer(stream.get_ref().1.peer_certificates())?;
        Ok((stream, peer))
    }

    /// Makes a connection one with TLS, if the peer is the one that is wanted.
    ///
    /// # Errors
    /// Where the peer is somebody else, has no certificate of the release, or the
    /// connection breaks.
    pub async fn connect<T>(&self, whom: &Whom, socket: T) -> io::Result<client::TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.0.read().client.clone();
        // Peers are checked by their identity, and the name is not sent.
        let name = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
        let stream = TlsConnector::from(config).connect(name, socket).await;
        let stream = stream.map_err(without_the_time)?;
        let peer = peer(stream.get_ref().1.peer_certificates())?;
        match whom.is(peer.role()) {
            true => Ok(stream),
            false => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{peer} answers there"),
            )),
        }
    }
}

impl fmt::Debug for Mutual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutual({})", self.identity())
    }
}

fn sources(folder: &Path) -> [Source; 3] {
    FILES.map(|name| Source::new(FLAG, folder.join(name)))
}

/// Says once when the certificate ends while nobody replaces it, for as long as it is held.
fn watch_end(file: Source, held: Weak<Current>) {
    std::thread::spawn(move || {
        let mut ended = false;
        loop {
            std::thread::sleep(WATCH);
            let Some(current) = held.upgrade() else {
                return;
            };
            let certificate = current.0.read().certificate.clone();
            drop(current);
            let lapse = server::lapse_now(&certificate);
            if let Some(lapse) = lapse.as_ref().filter(|_| !ended) {
                server::warn_of(&file, lapse);
            }
            ended = lapse.is_some();
        }
    });
}

/// The same failure in the same words each time, so that it is logged once: the library's
/// have the time in them.
fn without_the_time(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    let why = match inner {
        Some(Error::InvalidCertificate(CertificateError::ExpiredContext { .. })) => {
            "the certificate there has expired"
        }
        Some(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })) => {
            "the certificate there is not good yet"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), why)
}

/// The identity of a peer, whose certificate was verified in the handshake.
fn peer(certificates: Option<&[CertificateDer<'_>]>) -> io::Result<Identity> {
    let first = certificates.and_then(<[_]>::first);
    let first = first.ok_or_else(|| io::Error::other("the peer has no certificate"))?;
    super::identity::of(first).map_err(io::Error::other)
}

impl Current {
    fn take(&self, files: &[Source; 3], texts: &Texts) -> Result<(), TlsError> {
        let configs = Configs::of(files, texts)?;
        let mut current = self.0.write();
        if configs.own != current.own {
            return Err(TlsError::OtherIdentity(files[0].clone(), configs.own));
        }
        *current = configs;
        Ok(())
    }
}

impl Configs {
    fn of(files: &[Source; 3], texts: &Texts) -> Result<Self, TlsError> {
        let [cert, key, ca] = files;
        let certs = pem::certificates(cert, &texts[0])?;
        let first = certs.first();
        let first = first.ok_or_else(|| TlsError::NoCertificate(cert.clone()))?;
        server::warn_of_lapse(cert, first);
        let own = super::identity::of(first);
        let own = own.map_err(|why| TlsError::NotOfARelease(cert.clone(), why))?;
        let certificate = first.clone();
        let key = server::certified(cert, key, certs, &texts[1])?;
        let roots: Arc<RootCertStore> = pem::authorities(ca, &texts[2])?.into();
        let members = Members::new(roots, own.release())
            .map_err(|error| TlsError::Authorities(ca.clone(), error))?;
        let members = Arc::new(members);

        let versions: &[_] = &[&TLS13];
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(members.clone())
            .with_cert_resolver(key.clone());
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Who takes up an earlier session does not show its certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(members)
            .with_client_cert_resolver(key);
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        Ok(Self {
            own,
            certificate,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

#[cfg(test)]
mod tests;
