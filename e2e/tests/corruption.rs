//! A whole download of corrupt bytes never ends as a success (invariant 3).
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::{content, raw};
use std::os::unix::fs::FileExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_corrupt_bytes_never_ends_as_a_success() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client();
    for (name, size) in [("small", 1000), ("medium", 60_000), ("large", 3 << 20)] {
        client
            .put(name, content::bytes(1, size))
            .await?
            .expect(201)?;
        client.get(name).await?.expect(200)?;
        let path = cluster.tree(0)?.files[name].clone();
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)?;
        let mut byte = [0];
        let at = size as u64 / 2;
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 1], at)?;
        for accept in ["*/*", "application/json"] {
            let request = format!(
                "GET /file/{name} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            );
            let answer = raw::exchange(cluster.http(), request.as_bytes(), false, SOON).await;
            if let Ok(answer) = answer {
                let success = answer.status == 200 && answer.whole;
                ensure!(
                    !success,
                    "{name} {accept}: {} bytes as a success",
                    answer.body.len()
                );
            }
        }
    }
    client.put("other", "fine").await?.expect(201)?;
    ensure!(client.get("other").await?.expect(200)?.body == "fine");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_never_served_as_whole() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client();
    for (name, size) in [("small", 1000), ("large", 3 << 20)] {
        client
            .put(name, content::bytes(1, size))
            .await?
            .expect(201)?;
        let path = cluster.tree(0)?.files[name].clone();
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(size as u64 / 2)?;
        let request =
            format!("GET /file/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw::exchange(cluster.http(), request.as_bytes(), false, SOON).await;
        if let Ok(answer) = answer {
            ensure!(answer.status != 200 || !answer.whole, "{name}: {answer:?}");
        }
    }
    Ok(())
}
