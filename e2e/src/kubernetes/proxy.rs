//! `kubectl proxy`, through which HTTP reaches the API server and what is behind it.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// One that runs until it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    _child: Child,
}

impl Proxy {
    /// Starts it, on a port that is free.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start() -> Result<Self> {
        let mut child = Command::new("kubectl")
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting kubectl proxy")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let said = BufReader::new(stdout).lines().next_line().await?;
        let said = said.context("kubectl proxy ended")?;
        let address = said.rsplit(' ').next().unwrap_or_default();
        Ok(Self {
            address: address.parse().with_context(|| said.clone())?,
            _child: child,
        })
    }
}
