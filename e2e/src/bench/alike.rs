//! What `dfs` does with the files that it fetches, done by the load generator too: how far the
//! ratio of the two is from 1 is what the command itself costs.

use crate::wire::{Connection, Pieces, encode_name};
use anyhow::Result;
use bytes::Bytes;
use futures::future::try_join_all;
use http::Request;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Seconds in which files that `dfs put -r` stored from `folder` are fetched, so many at once,
/// and each is written under another name, flushed and named in `into`.
pub(super) async fn saved(
    address: SocketAddr,
    folder: &str,
    files: usize,
    jobs: usize,
    into: &Path,
) -> Result<f64> {
    std::fs::create_dir(into)?;
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let job = async || {
        let mut connection = Connection::open(address).await?;
        loop {
            let file = next.fetch_add(1, Ordering::Relaxed);
            if file >= files {
                return Ok(());
            }
            let name = format!("{file:06}");
            let path = format!("/file/{}", encode_name(&format!("{folder}%2F{name}")));
            let request = Request::get(path).body(Pieces::empty().into())?;
            let bytes = connection.send(request).await?.expect(200)?.body;
            let into = into.to_owned();
            tokio::task::spawn_blocking(move || save(&into, &name, &bytes)).await??;
        }
    };
    let done: Result<Vec<()>> = try_join_all((0..jobs).map(|_| job())).await;
    done?;
    Ok(begun.elapsed().as_secs_f64())
}

fn save(folder: &Path, name: &str, bytes: &Bytes) -> std::io::Result<()> {
    let made = folder.join(format!(".made-{name}"));
    let mut file = std::fs::File::create_new(&made)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(made, folder.join(name))
}
