//! A service whose REST API has TLS.

use crate::certificates::Authority;
use crate::cluster::{Cluster, Options, SOON};
use crate::library::calling_once;
use crate::wait;
use crate::wire::{Client, Tls};
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// A running service, and the authority that its certificate comes from.
pub struct Secure {
    /// Its processes.
    pub cluster: Cluster,
    /// Who signed its certificate.
    pub authority: Authority,
}

impl Secure {
    /// A service of one node, with a certificate for this machine, and flags of the manager
    /// beside those for it.
    pub async fn start(flags: &[&str]) -> Result<Self> {
        let mut secure = Self::prepare(flags)?;
        secure.run().await?;
        let client = secure.client()?;
        wait::until(SOON, async || {
            let status = client.status().await?;
            ensure!(status.available() == 1, "{status:?}");
            Ok(())
        })
        .await?;
        Ok(secure)
    }

    /// Its folders and flags, and nothing that runs.
    pub fn prepare(flags: &[&str]) -> Result<Self> {
        let authority = Authority::new("authority")?;
        let mut cluster = Cluster::prepare(Options::default())?;
        let [cert, key] = authority.server()?.place(&folder(&cluster)?)?;
        let path = |path: PathBuf| path.display().to_string();
        let tls = [
            "--tls-cert".into(),
            path(cert),
            "--tls-key".into(),
            path(key),
        ];
        let flags = flags.iter().map(|&flag| flag.to_owned());
        cluster.options.manager_args = tls.into_iter().chain(flags).collect();
        Ok(Self { cluster, authority })
    }

    /// Has clients asked for certificates of an authority; gives the file that holds it.
    pub fn ask_clients_for(&mut self, authority: &str) -> Result<PathBuf> {
        let file = self.cluster.folder().join("clients.crt");
        std::fs::write(&file, authority)?;
        let flag = ["--tls-client-ca".to_owned(), file.display().to_string()];
        self.cluster.options.manager_args.extend(flag);
        Ok(file)
    }

    /// Starts what was prepared, and waits for nobody.
    pub async fn run(&mut self) -> Result<()> {
        self.cluster.start_manager().await?;
        self.cluster.add_node().await?;
        Ok(())
    }

    /// Replaces certificate and key.
    pub fn replace(&self, authority: &Authority) -> Result<()> {
        authority.server()?.place(&folder(&self.cluster)?)?;
        Ok(())
    }

    /// TLS of a client that trusts the service.
    pub fn tls(&self) -> Result<Tls> {
        Tls::trusting(&self.authority.pem())
    }

    /// A client that trusts the service, and calls once.
    pub fn client(&self) -> Result<client::Client> {
        let url = format!("https://{}", self.cluster.http());
        let client = calling_once(&url)?.ca_pem(self.authority.pem());
        Ok(client.build()?)
    }

    /// What sends requests to it as they are written.
    pub fn wire(&self) -> Result<Client> {
        Ok(Client::over_tls(self.cluster.http(), self.tls()?))
    }
}

/// Where the certificates are.
fn folder(cluster: &Cluster) -> Result<PathBuf> {
    let folder = cluster.folder().join("tls");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
