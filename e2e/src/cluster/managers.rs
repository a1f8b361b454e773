//! The managers of a cluster by their number: 0 is the first, those beside it
//! follow.

use super::{Cluster, Other, Process};
use crate::ports;
use anyhow::{Context, Result, bail};
use client::Client;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long a manager may take to say whether it leads.
const STATUS: Duration = Duration::from_secs(2);

impl Cluster {
    /// The process of a manager.
    pub fn manager_at(&self, at: usize) -> Result<&Process> {
        let process = match at.checked_sub(1) {
            None => self.manager.as_ref(),
            Some(index) => self.others[index].process.as_ref(),
        };
        process.with_context(|| format!("manager {} is not running", at + 1))
    }

    /// A client of a manager.
    ///
    /// # Errors
    /// As for [`Self::client`].
    pub fn client_at(&self, at: usize) -> Result<Client> {
        match at.checked_sub(1) {
            None => self.client(),
            Some(index) => self.client_of(index),
        }
    }

    /// Waits until a manager says that it leads, and gives its number.
    pub async fn leader(&self, within: Duration) -> Result<usize> {
        crate::wait::until(within, async || {
            for at in 0..=self.others.len() {
                let client = self.client_at(at)?;
                let status = tokio::time::timeout(STATUS, client.status()).await;
                if let Ok(Ok(status)) = status
                    && status.leader
                {
                    return Ok(at);
                }
            }
            bail!("nobody leads")
        })
        .await
    }

    /// Where a manager's stderr goes.
    pub fn log_of_manager(&self, at: usize) -> PathBuf {
        self.folder().join(match at {
            0 => "manager.log".to_owned(),
            beside => format!("manager-{}.log", beside + 1),
        })
    }

    /// kill -9 of a manager.
    pub async fn kill_manager_at(&mut self, at: usize) -> Result<()> {
        match at.checked_sub(1) {
            None => self.kill_manager().await,
            Some(index) => self.kill_other(index).await,
        }
    }

    /// Starts a manager, on the same ports each time.
    pub async fn start_manager_at(&mut self, at: usize) -> Result<()> {
        match at.checked_sub(1) {
            None => self.start_manager().await,
            Some(index) => self.start_other(index).await,
        }
    }

    /// Starts one more manager, which nodes reach at `grpc`.
    pub async fn add_manager_reached_at(&mut self, grpc: SocketAddr) -> Result<usize> {
        let [http, ops] = [ports::free()?, ports::free()?];
        self.others.push(Other {
            process: None,
            http,
            grpc,
            ops,
        });
        let index = self.others.len() - 1;
        self.start_other(index).await?;
        Ok(index)
    }
}
