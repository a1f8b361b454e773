//! The database is set back to a backup while managers and nodes go on: both
//! managers notice, what is newer is adopted by one command, and what was deleted
//! stays away.

use super::{NOTICED, Run, SETTLE, sees};
use crate::library::refused;
use crate::mongo::Server;
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::Code;
use std::time::Instant;

/// Files that are stored after the backup.
const NEWER: usize = 100;
/// Files that the backup has, and that are deleted after it.
const GONE: [&str; 3] = ["gone-1", "gone-2", "gone-3"];
/// An adoption stands still after it wrote the record, before it moves the bytes. So does
/// a move of a file whose bytes the leader does not know to be gone.
const ADOPTION: &str =
    "manager::stall_in_adopt=1*return(9000);manager::stall_in_move=16*return(2000)";

impl Run {
    pub(super) async fn set_back_the_database(&mut self, server: &mut Server) -> Result<()> {
        let begun = Instant::now();
        for name in GONE {
            self.files.manager(0).put(name, "x").await?;
        }
        self.quiet().await?;
        let backup = server.folder().join("backup");
        server.copy_data(&backup).await?;
        self.store_is_back().await?;
        self.files.upload(NEWER).await?;
        for name in GONE {
            self.files.manager(1).delete(name).await?;
        }
        // While nobody leads, the lease's beat does not rise, and a set-back may go
        // unnoticed; a file that moves during the switch is in two states.
        self.one_that("leads", |status| status.leader).await?;
        let nodes = self.cluster.nodes.len() - 1;
        self.balanced(nodes).await?;
        self.cluster.heard().await;

        server.switch(&backup).await?;
        let found = wait::until(SETTLE, async || {
            let status = self.files.manager(0).status().await?;
            let found = status.quarantined;
            // Copies that were moved since the backup are among them.
            let merged = status.nodes.iter().all(|node| node.merged);
            ensure!(merged && found >= NEWER as u64, "{found} in quarantine");
            Ok(found)
        })
        .await?;
        self.store_is_back().await?;
        for name in GONE {
            refused(self.files.manager(0).get(name).await, Code::FileUnavailable).context(name)?;
        }
        // The first adoption stands still for longer than the janitor waits: none of
        // its bytes may be taken for those of an upload that nobody completed.
        self.restart_with(ADOPTION).await?;
        self.store_is_back().await?;
        for at in 0..2 {
            sees(self.files.manager(at), nodes, SETTLE).await?;
        }
        self.one_that("leads", |status| status.leader).await?;
        // A node that did not answer for a moment keeps its copies until a second command;
        // what the records say of a name is no reason for one.
        let kept = self.adopt_all().await?;
        let of_records = |why: &String| why.contains("is file") || why.contains("its record");
        ensure!(!kept.iter().any(of_records), "{kept:?}");
        if !kept.is_empty() {
            let kept = self.adopt_all().await?;
            ensure!(kept.is_empty(), "{kept:?}");
        }
        for name in GONE {
            let (_, told) = self.cluster.ask(&["fsck"]).await?;
            ensure!(told.contains(&format!("\"{name}\"")), "{name}: {told}");
            self.files.manager(1).delete(name).await?;
        }
        self.balanced(nodes).await?;
        let seen = format!("{found} newer files found and adopted, the deleted ones missing");
        self.tell("database set back", begun, seen);
        Ok(())
    }

    /// Adopts what is in quarantine; what is kept, and why.
    async fn adopt_all(&self) -> Result<Vec<String>> {
        let adopt = ["quarantine", "adopt", "--all"];
        let (code, told) = self.cluster.ask(&adopt).await?;
        ensure!(code == 0, "{told}");
        let kept = told.lines().filter(|line| line.starts_with("kept"));
        Ok(kept.map(str::to_owned).collect())
    }

    async fn store_is_back(&self) -> Result<()> {
        for at in 0..2 {
            wait::until(NOTICED, async || {
                let status = self.files.manager(at).status().await?;
                ensure!(status.store_away.is_none(), "{status:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
