//! A service whose callers a file of tokens names.

use crate::cluster::{Cluster, Options, SOON};
use crate::wait;
use crate::wire::Client;
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// Rights to do everything.
const EVERYTHING: &str = "--rights=get,list,create,delete,admin";

/// A service whose own client may do everything, and nobody else anything yet.
pub struct Closed {
    /// Its processes.
    pub cluster: Cluster,
    /// The lines of its file, that of its own client first.
    pub lines: Vec<String>,
    /// The file.
    pub file: PathBuf,
}

impl Closed {
    /// A running service of one node, with flags of the manager beside those for it.
    pub async fn start(flags: &[&str]) -> Result<Self> {
        let mut closed = Self::prepare(Options::default(), flags).await?;
        closed.run().await?;
        Ok(closed)
    }

    /// Its folders, flags and file, and nothing that runs.
    pub async fn prepare(options: Options, flags: &[&str]) -> Result<Self> {
        let cluster = Cluster::prepare(options)?;
        let mut closed = Self {
            file: cluster.folder().join("tokens"),
            cluster,
            lines: Vec::new(),
        };
        let (_, token) = closed.add(&["--name=all", EVERYTHING]).await?;
        let auth = format!("--auth=tokens:{}", closed.file.display());
        let options = &mut closed.cluster.options;
        options.bearer = Some(token);
        let flags = flags.iter().map(|&flag| flag.to_owned());
        options.manager_args = [auth].into_iter().chain(flags).collect();
        Ok(closed)
    }

    /// Starts what was prepared, and waits until its node is available.
    pub async fn run(&mut self) -> Result<()> {
        self.cluster.start_manager().await?;
        self.cluster.add_node().await?;
        self.cluster.wait_available(1).await?;
        Ok(())
    }

    /// Writes the file as its lines are now.
    pub fn write(&self) -> Result<()> {
        Ok(std::fs::write(&self.file, self.lines.join("\n"))?)
    }

    /// Adds a caller to the file, with its token; a manager that runs may not have read it
    /// yet.
    pub async fn add(&mut self, flags: &[&str]) -> Result<(Client, String)> {
        let command = ["token", "new"].iter().chain(flags);
        let (status, line, token) = self.cluster.manager_command(command).output(SOON).await?;
        ensure!(status.success(), "{flags:?}: {token}");
        self.lines.push(line.trim().to_owned());
        self.write()?;
        let token = token.trim().to_owned();
        Ok((self.anyone().with_bearer(&token)?, token))
    }

    /// The same, once the manager knows the caller.
    pub async fn caller(&mut self, flags: &[&str]) -> Result<Client> {
        let (client, _) = self.add(flags).await?;
        known(std::slice::from_ref(&client)).await?;
        Ok(client)
    }

    /// A client without a token.
    pub fn anyone(&self) -> Client {
        Client::new(self.cluster.http())
    }
}

/// Waits until the manager knows them.
pub async fn known(callers: &[Client]) -> Result<()> {
    wait::until(SOON, async || {
        for client in callers {
            let status = client.get("none").await?.status.as_u16();
            ensure!(status != 401, "not known yet");
        }
        Ok(())
    })
    .await
}
