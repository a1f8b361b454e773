//! The managers of a cluster by their number: 0 is the first, those beside it
//! follow.

use super::{Cluster, Other, Process, free_ports};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;

impl Cluster {
    /// The process of a manager.
    pub fn manager_at(&self, at: usize) -> Result<&Process> {
        let process = match at.checked_sub(1) {
            None => self.manager.as_ref(),
            Some(index) => self.others[index].process.as_ref(),
        };
        process.with_context(|| format!("manager {} is not running", at + 1))
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
        let [http, _, ops] = free_ports()?;
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
