//! Runs the command as a person does.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, SOON, binaries};
use e2e::wait;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The command, in a folder of its own.
pub(crate) struct Dfs {
    url: String,
    folder: TempDir,
}

/// What it printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Dfs {
    pub(crate) fn of(cluster: &Cluster) -> Result<Self> {
        Ok(Self {
            url: format!("http://{}", cluster.http()),
            folder: tempfile::tempdir_in(binaries::scratch()?)?,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Command> {
        let mut command = Command::new(binaries::find()?.dfs);
        command
            .args(args)
            .env_clear()
            .env("DFS_URL", &self.url)
            .env("DFS_DEADLINE", "0s")
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<Ran> {
        ended(self.command(args)?.spawn()?).await
    }

    /// The same, and it must do all.
    pub(crate) async fn does(&self, args: &[&str]) -> Result<String> {
        let ran = self.run(args).await?;
        ensure!(ran.code == 0, "{args:?}: {ran:?}");
        Ok(ran.out)
    }

    /// The same, and it must end with this code and say this.
    pub(crate) async fn fails(&self, args: &[&str], code: i32, says: &str) -> Result<()> {
        let ran = self.run(args).await?;
        ensure!(
            ran.code == code && ran.err.contains(says),
            "{args:?}: {ran:?}"
        );
        Ok(())
    }
}

/// Waits for its end.
pub(crate) async fn ended(child: Child) -> Result<Ran> {
    let output = wait::at_most(SOON, child.wait_with_output()).await??;
    Ok(Ran {
        code: output
            .status
            .code()
            .with_context(|| output.status.to_string())?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
