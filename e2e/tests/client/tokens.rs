//! A token from a file that changes.

use anyhow::{Result, ensure};
use client::{Client, Code, Upload};
use e2e::callers::{Closed, known};
use e2e::content;

const RIGHTS: &str = "--rights=get,create,delete";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_used_as_soon_as_the_old_one_is_refused() -> Result<()> {
    let mut closed = Closed::start(&[]).await?;
    let (_, first) = closed.add(&["--name=first", RIGHTS]).await?;
    let (second_client, second) = closed.add(&["--name=second", RIGHTS]).await?;
    known(&[second_client]).await?;
    let file = closed.cluster.folder().join("token-of-mine");
    std::fs::write(&file, &first)?;
    let url = format!("http://{}", closed.cluster.http());
    let client = Client::builder(&url)?.token_file(&file).build()?;
    client.put("a", Upload::bytes("1")).await?;
    std::fs::write(&file, format!("{second}\n"))?;
    closed.lines.retain(|line| !line.contains("\"first\""));
    closed.write()?;
    let gone = closed.anyone().with_bearer(&first)?;
    e2e::wait::until(e2e::cluster::SOON, async || {
        ensure!(gone.get("a").await?.status == 401);
        Ok(())
    })
    .await?;
    ensure!(client.get("a").await?.bytes().await? == "1");
    // Of a body that is read while it is sent as well.
    std::fs::write(&file, &first)?;
    let client = Client::builder(&url)?.token_file(&file).build()?;
    let error = client.get("a").await.map(drop).unwrap_err();
    ensure!(error.code() == Some(Code::NotAuthorized), "{error}");
    std::fs::write(&file, &second)?;
    let long = closed.cluster.folder().join("long");
    std::fs::write(&long, content::bytes(1, 3_000_000))?;
    client.put("long", Upload::file(&long)).await?;
    let error = client.status().await.unwrap_err();
    ensure!(error.code() == Some(Code::NotAuthorized), "{error}");
    Ok(())
}
