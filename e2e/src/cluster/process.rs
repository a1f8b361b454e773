//! One program under test: started, watched, measured, ended.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a program may take until it says that it is ready.
pub const READY: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// The file that its stderr is appended to.
    pub stderr: PathBuf,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    ready: HashMap<String, String>,
    stderr: PathBuf,
}

impl Launch {
    /// Starts the program without waiting for anything; its stdout is piped.
    pub fn spawn(&self) -> Result<Child> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.stderr);
        let log = log.with_context(|| format!("opening {}", self.stderr.display()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let child = command.kill_on_drop(true).spawn();
        child.with_context(|| format!("starting {}", self.program.display()))
    }

    /// Starts the program and waits for its line `ready key=value …`.
    ///
    /// # Errors
    /// Where it ends or stays silent for [`READY`]; the end of its stderr is in the text.
    pub async fn start(&self) -> Result<Process> {
        let mut child = self.spawn()?;
        let pid = child.id().context("the program ended at once")?;
        let pid = Pid::from_raw(pid.cast_signed()).context("a process id of 0")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let wait = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(rest) = line.strip_prefix("ready") {
                    return Ok(pairs(rest));
                }
            }
            bail!("it ended");
        };
        let ready = match tokio::time::timeout(READY, wait).await {
            Ok(Ok(ready)) => ready,
            outcome => {
                let _ = child.start_kill();
                let status = child.wait().await;
                let why = if outcome.is_err() {
                    "no ready line"
                } else {
                    "it ended"
                };
                let log = tail(&self.stderr);
                bail!(
                    "{}: {why} ({status:?}); stderr:\n{log}",
                    self.program.display()
                );
            }
        };
        // The pipe is still read, or a program that prints more would block.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Process {
            child,
            pid,
            ready,
            stderr: self.stderr.clone(),
        })
    }

    /// Starts a program that is expected to refuse: waits for its end and
    /// gives its status and what it wrote to stderr.
    pub async fn refused(&self, within: Duration) -> Result<(ExitStatus, String)> {
        let mut child = self.spawn()?;
        match tokio::time::timeout(within, child.wait()).await {
            Ok(status) => Ok((status?, tail(&self.stderr))),
            Err(_) => bail!(
                "still running after {within:?}; stderr:\n{}",
                tail(&self.stderr)
            ),
        }
    }
}

impl Launch {
    /// Runs a command that ends by itself; gives its status, stdout and stderr.
    pub async fn output(&self, within: Duration) -> Result<(ExitStatus, String, String)> {
        std::fs::write(&self.stderr, "")?;
        let child = self.spawn()?;
        let output = tokio::time::timeout(within, child.wait_with_output()).await;
        let output = output.with_context(|| format!("still running after {within:?}"))??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((output.status, text, tail(&self.stderr)))
    }
}

impl Process {
    /// A value of the ready line.
    pub fn told(&self, key: &str) -> Result<&str> {
        let value = self.ready.get(key).map(String::as_str);
        value.with_context(|| format!("no {key}= in the ready line: {:?}", self.ready))
    }

    /// An address of the ready line, with or without a scheme before it.
    pub fn address(&self, key: &str) -> Result<std::net::SocketAddr> {
        let text = self.told(key)?;
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        bare.trim_end_matches('/')
            .parse()
            .with_context(|| format!("{key}={text}"))
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        ensure!(
            self.child.id().is_some(),
            "the process was already waited for"
        );
        kill_process(self.pid, signal).context("sending a signal")
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("killing")
    }

    /// SIGTERM, and waits for its end.
    pub async fn terminate(self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(within).await
    }

    /// Waits for it to end by itself.
    pub async fn wait(mut self, within: Duration) -> Result<ExitStatus> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("still running after {within:?}; stderr:\n{}", self.log()),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid())
    }

    /// The most memory it ever had resident (VmHWM), in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        peak_memory_of(self.pid())
    }

    /// The end of what it wrote to stderr.
    pub fn log(&self) -> String {
        tail(&self.stderr)
    }
}

/// CPU time of a process, user and system, with the kernel's resolution of 10 ms.
pub fn cpu_of(pid: i32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux reports a hundred ticks a second to user space on every architecture.
    Ok(Duration::from_millis(ticks * 10))
}

/// The most memory that a process ever had resident, in bytes.
pub fn peak_memory_of(pid: i32) -> Result<u64> {
    memory_of(pid, "VmHWM:")
}

/// A value that `/proc/<pid>/status` states in kB, in bytes.
fn memory_of(pid: i32, key: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no such line")?.parse::<u64>()? * 1024)
}

fn pairs(line: &str) -> HashMap<String, String> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let from = text.len().saturating_sub(4000);
    String::from_utf8_lossy(&text[from..]).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(folder: &Path, script: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".into(), "hello".into())],
            stderr: folder.join("log"),
        }
    }

    #[tokio::test]
    async fn the_ready_line_is_understood_and_the_log_kept() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo noise; echo $GREETING >&2; echo ready http=127.0.0.1:80 id=x; sleep 60";
        let process = shell(folder.path(), script).start().await.unwrap();
        assert_eq!(process.address("http").unwrap().port(), 80);
        assert_eq!(process.told("id").unwrap(), "x");
        assert!(process.told("grpc").is_err());
        assert_eq!(process.log(), "hello\n");
        assert!(process.peak_memory().unwrap() > 0);
        process.cpu().unwrap();
        let status = process.terminate(Duration::from_secs(5)).await.unwrap();
        assert!(!status.success());
    }

    #[tokio::test]
    async fn a_program_that_ends_before_it_is_ready_is_an_error_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let launch = shell(folder.path(), "echo port taken >&2; exit 3");
        let error = launch.start().await.unwrap_err().to_string();
        assert!(error.contains("port taken"), "{error}");
        let (status, log) = launch.refused(Duration::from_secs(5)).await.unwrap();
        assert_eq!((status.code(), log.contains("port taken")), (Some(3), true));
    }
}
