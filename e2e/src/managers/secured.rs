//! The database demands TLS, with a certificate that a private authority signed, and one
//! from each client: a front of our own says so in its place, and passes on the bytes.

use super::Run;
use crate::certificates::{Authority, Pair};
use crate::cluster::{Cluster, Options};
use crate::mongo::Server;
use anyhow::{Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Within this a manager gives up a database that it can't use.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// What speaks TLS before a database, until it is dropped.
struct Front {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    async fn start(database: SocketAddr, own: &Pair, clients: &Authority) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes())?)?;
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let cert = CertificateDer::from_pem_slice(own.cert.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(vec![cert], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut inner = TcpStream::connect(database).await?;
                    // A client that is refused has its alert.
                    let mut outer = acceptor.accept(socket).await?;
                    tokio::io::copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
        Ok(Self {
            address,
            task: task.abort_handle(),
        })
    }

    /// The URL of a database behind it: whom the driver trusts, and what it shows.
    fn url(&self, trusts: &Path, shows: Option<&Path>) -> String {
        let shows = shows.map(|file| format!("&tlsCertificateKeyFile={}", file.display()));
        format!(
            "mongodb://{}/secured?tls=true&tlsCAFile={}{}",
            self.address,
            trusts.display(),
            shows.unwrap_or_default()
        )
    }
}

/// Writes a file, and returns where.
fn place(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    std::fs::write(&file, text)?;
    Ok(file)
}

impl Run {
    /// A manager works through the options of the driver's URL, and leaves with a reason
    /// where they do not fit.
    pub(super) async fn secured_database(&mut self, server: &Server) -> Result<()> {
        let begun = Instant::now();
        let (own, clients) = (Authority::new("database")?, Authority::new("clients")?);
        let front = Front::start(server.address(), &own.server()?, &clients).await?;

        let mut cluster = Cluster::prepare(Options::default())?;
        let folder = cluster.folder().to_owned();
        let trusts = place(&folder, "database-ca.pem", &own.pem())?;
        let Pair { cert, key } = clients.client()?;
        let shows = place(&folder, "client.pem", &format!("{cert}{key}"))?;
        cluster.options.store = Some(front.url(&trusts, Some(&shows)));
        cluster.start_manager().await?;
        cluster.add_node().await?;
        cluster.wait_available(1).await?;
        let client = cluster.client()?;
        client.put("secured", "x").await?;
        ensure!(client.get("secured").await?.bytes().await? == "x");
        client.delete("secured").await?;
        cluster.stop().await?;

        let stranger = place(&folder, "stranger-ca.pem", &Authority::new("other")?.pem())?;
        let Pair { cert, key } = Authority::new("other")?.client()?;
        let unknown = place(&folder, "unknown.pem", &format!("{cert}{key}"))?;
        for (what, url) in [
            ("another authority", front.url(&stranger, Some(&shows))),
            ("no certificate", front.url(&trusts, None)),
            ("another's certificate", front.url(&trusts, Some(&unknown))),
            ("no TLS", format!("mongodb://{}/secured", front.address)),
        ] {
            cluster.options.store = Some(url);
            let (status, said) = cluster.manager_launch().refused(GIVEN_UP).await?;
            ensure!(!status.success(), "{what}: {said}");
        }
        let seen = "served with a private authority and a client's certificate; refused with \
                    another authority, none, another's, and without TLS";
        self.tell("a database with TLS", begun, seen.to_owned());
        Ok(())
    }
}
