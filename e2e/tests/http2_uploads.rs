//! Uploads that share an HTTP/2 connection: those that wait for a place hold up none
//! that has one.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::client::{Answer, Http2, Route};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::content;
use futures::future::try_join_all;
use std::time::{Duration, Instant};

const UPLOADS: u64 = 40;
const SIZE: usize = 2 << 20;

/// One client may have 10 uploads, two streams of the node, and one connection with
/// wide windows. An upload may wait for its place for longer than a body may pause.
async fn cluster() -> Result<Cluster> {
    let flags = [
        "--client-share=1",
        "--max-wait=60s",
        "--body-idle-timeout=5s",
    ];
    Cluster::start_with(Options {
        nodes: 1,
        manager_args: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await
}

async fn upload(connection: &Http2, number: u64) -> Result<Answer> {
    let data = content::bytes(number, SIZE);
    let request = Route::Put.request(&number.to_string(), &data)?;
    connection.send(request).await
}

async fn all_there(cluster: &Cluster) -> Result<()> {
    let client = cluster.client();
    for number in 0..UPLOADS {
        let got = client.get(&number.to_string()).await?.expect(200)?;
        ensure!(got.body == content::bytes(number, SIZE), "{number} differs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_wide_windows_serves_uploads_that_wait() -> Result<()> {
    let cluster = cluster().await?;
    let connection = Http2::open(cluster.http()).await?;
    let uploads = (0..UPLOADS).map(|number| upload(&connection, number));
    for answer in try_join_all(uploads).await? {
        answer.expect(201)?;
    }
    all_there(&cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_narrow_windows_refuses_at_once_those_that_would_fill_them() -> Result<()> {
    let cluster = cluster().await?;
    let wide = Http2::open(cluster.http()).await?;
    upload(&wide, UPLOADS).await?.expect(201)?;
    let narrow = Http2::open(cluster.http()).await?;
    let mut left: Vec<u64> = (0..UPLOADS).collect();
    let (begun, mut refused) = (Instant::now(), 0);
    while !left.is_empty() {
        ensure!(begun.elapsed() < SOON, "{left:?} are left");
        let answers = try_join_all(left.iter().map(|&number| upload(&narrow, number))).await?;
        ensure!(begun.elapsed() < SOON, "some waited with their answer");
        let mut again = Vec::new();
        for (&number, answer) in left.iter().zip(answers) {
            if answer.status != 429 {
                answer.expect(201)?;
                continue;
            }
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(text.contains("of this HTTP/2 connection wait"), "{text}");
            ensure!(!answer.header("retry-after").is_empty(), "{answer:?}");
            again.push(number);
        }
        ensure!(again.len() < left.len(), "all of {left:?} were refused");
        refused += again.len();
        left = again;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(refused > 0, "nothing was refused");
    drop(wide);
    all_there(&cluster).await
}
