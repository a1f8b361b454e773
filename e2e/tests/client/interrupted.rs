//! Ctrl-C leaves nothing half done, and says what was done.

use crate::dfs::{Dfs, ended};
use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::faulty::{Fault, Faulty};
use e2e::library::names;
use e2e::metrics::Metrics;
use e2e::{content, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

pub(crate) fn interrupt(child: &Child) -> Result<()> {
    let id = i32::try_from(child.id().context("it has ended")?)?;
    Ok(kill_process(
        Pid::from_raw(id).context("no process")?,
        Signal::INT,
    )?)
}

async fn in_flight(cluster: &Cluster, what: &str, number: f64) -> Result<()> {
    let gauge = format!("dfs_manager_{what}_in_flight");
    wait::until(SOON, async || {
        let metrics = Metrics::of(cluster.ops()).await?;
        let now = metrics.get(&gauge).context(gauge.clone())?;
        ensure!(now == number, "{now} {what}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_interrupted_stores_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let mut child = dfs
        .command(["put", "-", "--as", "never"])?
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(&content::bytes(1, 1_000_000)).await?;
    in_flight(&cluster, "uploads", 1.0).await?;
    interrupt(&child)?;
    let ran = ended(child).await?;
    ensure!(ran.code == 130, "{ran:?}");
    ensure!(
        ran.err.contains("interrupted: stored 0 files; 1 under way"),
        "{ran:?}"
    );
    in_flight(&cluster, "uploads", 0.0).await?;
    ensure!(names(&cluster.client()?).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_interrupted_leaves_no_file() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    cluster
        .client()?
        .put("long", content::bytes(1, 64 << 20))
        .await?;
    let way = Faulty::start(cluster.http(), [Fault::StallAnswer(1_000_000)]).await?;
    let child = dfs
        .command(["--url", &way.url(), "get", "long", "-o", "to"])?
        .spawn()?;
    let files = || std::fs::read_dir(dfs.folder()).map(Iterator::count);
    wait::until(SOON, async || {
        ensure!(files()? == 1, "no file yet");
        Ok(())
    })
    .await?;
    interrupt(&child)?;
    let ran = ended(child).await?;
    ensure!(
        ran.code == 130 && ran.err.contains("nothing is left of them"),
        "{ran:?}"
    );
    ensure!(files()? == 0, "something is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_it_is_interrupted() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let mut child = dfs.command(["status", "--watch"])?.spawn()?;
    let stdout = child.stdout.as_mut().context("no stdout")?;
    let mut first = [0; 16];
    wait::at_most(SOON, stdout.read_exact(&mut first)).await??;
    interrupt(&child)?;
    let ran = ended(child).await?;
    ensure!(ran.code == 130, "{ran:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_that_are_interrupted_leave_nothing_beside_those_that_are_whole() -> Result<()>
{
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let files = dfs.folder().join("in");
    std::fs::create_dir(&files)?;
    for n in 0..400 {
        std::fs::write(files.join(n.to_string()), "a small file")?;
    }
    dfs.does(&["put", "-r", "in", "--jobs", "64"]).await?;
    for round in 0..5 {
        let into = dfs.folder().join(format!("out-{round}"));
        let to = into.to_str().context("no text")?;
        let call = ["get", "-r", "in", "--jobs", "64", "--output", to];
        let mut child = dfs.command(call)?.spawn()?;
        let stdout = child.stdout.as_mut().context("no stdout")?;
        wait::at_most(SOON, stdout.read_exact(&mut [0; 1])).await??;
        interrupt(&child)?;
        let ran = ended(child).await?;
        ensure!([0, 130].contains(&ran.code), "{ran:?}");
        for file in std::fs::read_dir(into.join("in"))? {
            let path = file?.path();
            let text = std::fs::read_to_string(&path)?;
            let name = path.file_name().and_then(|name| name.to_str());
            let whole = text == "a small file" && name.is_some_and(|name| !name.starts_with('.'));
            ensure!(whole, "{}: {text:?}", path.display());
        }
    }
    Ok(())
}
