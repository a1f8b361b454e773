//! Downloads on a way on which connections break and bytes change.

use crate::behind::behind;
use anyhow::{Result, ensure};
use client::Error;
use e2e::cluster::Cluster;
use e2e::content;
use e2e::faulty::Fault;

const SIZE: usize = 5_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_broke() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let data = content::bytes(1, SIZE);
    cluster.client()?.put("a", data.clone()).await?;
    let cuts = [0, 100, 1_000_000, 2_000_000, 0, 1_000_000].map(Fault::CutAnswer);
    let (way, client) = behind(&cluster, cuts).await?;
    ensure!(client.get("a").await?.bytes().await? == data);
    ensure!(way.connections() == cuts.len() + 1, "{}", way.connections());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_that_name_is_not_mixed_in() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    for replaced in [true, false] {
        cluster.client()?.put("a", content::bytes(1, SIZE)).await?;
        let (_way, client) = behind(&cluster, [Fault::CutAnswer(1_000_000)]).await?;
        let mut download = client.get("a").await?;
        ensure!(download.chunk().await?.is_some());
        cluster.client()?.delete("a").await?;
        if replaced {
            cluster.client()?.put("a", content::bytes(2, SIZE)).await?;
        }
        let error = loop {
            match download.chunk().await {
                Ok(piece) => ensure!(piece.is_some(), "it ended well"),
                Err(error) => break error,
            }
        };
        ensure!(matches!(error, Error::Changed { .. }), "{error}");
        if replaced {
            cluster.client()?.delete("a").await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_damaged_is_not_kept() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let data = content::bytes(1, SIZE);
    cluster.client()?.put("a", data.clone()).await?;
    let (_way, client) = behind(&cluster, [Fault::FlipAnswer(2_000_000)]).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a");
    let error = client
        .get("a")
        .await?
        .save(&path, |_| {})
        .await
        .unwrap_err();
    ensure!(matches!(error, Error::Damaged { .. }), "{error}");
    ensure!(
        std::fs::read_dir(folder.path())?.next().is_none(),
        "something is left"
    );
    let mut seen = 0;
    client
        .get("a")
        .await?
        .save(&path, |bytes| seen = bytes)
        .await?;
    ensure!(std::fs::read(&path)? == data && seen == SIZE as u64);
    std::fs::write(&path, "mine")?;
    let error = client
        .get("a")
        .await?
        .save_new(&path, |_| {})
        .await
        .unwrap_err();
    ensure!(matches!(error, Error::Target { .. }), "{error}");
    ensure!(std::fs::read(&path)? == b"mine");
    client.get("a").await?.save(&path, |_| {}).await?;
    ensure!(std::fs::read(&path)? == data);
    Ok(())
}
