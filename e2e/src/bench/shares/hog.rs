//! The client that takes all that it can get. It is a process of its own, so that its
//! priority can be below that of the service and of the client that is measured.

use crate::content;
use crate::wire::{Body, Client, NameAt, Route};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use http::Request;
use http_body_util::BodyExt;
use rustix::process::Signal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The variable with its bearer token.
pub(super) const TOKEN: &str = "HOG_TOKEN";
/// Its file of [`SMALL`] bytes, and that of [`LARGE`].
pub(super) const FILES: [(&str, usize); 2] = [("hog-small", SMALL), ("hog-large", LARGE)];
const SMALL: usize = 1 << 10;
const LARGE: usize = 64 << 20;
/// Bytes of an upload that goes as fast as it can.
const UPLOAD: usize = 8 << 20;
/// What a slow upload sends at once, more than a file that needs no stream to a node, and
/// what it sends at each beat after that.
const AHEAD: usize = 256 << 10;
const LITTLE: usize = 4 << 10;
/// The time between two beats of a slow client.
const BEAT: Duration = Duration::from_secs(1);
/// How long a client waits that was refused or cut off.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it gathers before it reports that it is ready.
const GATHERS: Duration = Duration::from_secs(3);
/// Uploads or downloads at once, of which these are slow.
const TRANSFERS: usize = 1000;
const SLOW: usize = 300;
/// Clients that ask for small things without a pause.
const STORM: usize = 256;
/// Connections, of which one in so many asks again at each beat.
const CONNECTIONS: usize = 3500;
const ASKS_AGAIN: usize = 3;
/// Where it calls from: another address than the client's that is measured.
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// What it takes all of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Attack {
    /// Nothing of the service: it keeps both cores busy.
    Cores,
    /// Large uploads at once.
    Uploads,
    /// Large downloads at once.
    Downloads,
    /// Small requests without a pause.
    Storm,
    /// Connections.
    Connections,
}

/// Flags of the process.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What it takes.
    #[arg(long, value_enum)]
    attack: Attack,
    /// The REST address.
    #[arg(long)]
    at: SocketAddr,
}

/// Takes what it can, until it is killed or whoever started it has ended.
pub async fn run(args: Args) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // As many connections as the service has places for, and some more.
    kit::descriptors::raise();
    let token = std::env::var(TOKEN).context(TOKEN)?;
    let client = Client::new(args.at).calling_from(FROM);
    let (clients, size) = match args.attack {
        Attack::Cores => (std::thread::available_parallelism()?.get(), 0),
        Attack::Uploads => (TRANSFERS, UPLOAD),
        Attack::Downloads => (TRANSFERS, 0),
        Attack::Storm => (STORM, SMALL),
        Attack::Connections => (CONNECTIONS, 0),
    };
    let data = content::bytes(1, size);
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        // Each has connections of its own.
        let client = client.with_bearer(&token)?;
        tasks.spawn(take(args.attack, client, number, data.clone()));
    }
    tokio::time::sleep(GATHERS).await;
    println!("ready");
    std::future::pending().await
}

/// Slow ones are spread evenly among the others.
fn is_slow(number: usize) -> bool {
    number * SLOW / TRANSFERS != (number + 1) * SLOW / TRANSFERS
}

/// Does the same again and again; one that was refused or cut off comes back soon.
async fn take(attack: Attack, client: Client, number: usize, data: Bytes) {
    loop {
        let done = match attack {
            Attack::Cores => {
                let spun = tokio::task::spawn_blocking(spin);
                spun.await.context("a thread ended")
            }
            Attack::Uploads if is_slow(number) => slow_upload(&client, number).await,
            Attack::Uploads => upload(&client, number, &data).await,
            Attack::Downloads => download(&client, is_slow(number)).await,
            Attack::Storm => small(&client, number, &data).await,
            Attack::Connections => connection(&client, number).await,
        };
        if done.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Keeps a core busy for a while.
fn spin() {
    let begun = Instant::now();
    while begun.elapsed() < BEAT {
        std::hint::spin_loop();
    }
}

/// Stores a file and deletes it.
async fn upload(client: &Client, number: usize, data: &Bytes) -> Result<()> {
    let name = format!("hog-{number}");
    let stored = client.put(&name, data.clone()).await?;
    // One that an earlier hog left is deleted too.
    ensure!(matches!(stored.status.as_u16(), 201 | 409), "{stored:?}");
    client.delete(&name).await?.expect(204).map(drop)
}

/// Begins an upload that never ends.
async fn slow_upload(client: &Client, number: usize) -> Result<()> {
    let pieces = futures::stream::unfold(AHEAD, |piece| async move {
        if piece < AHEAD {
            tokio::time::sleep(BEAT).await;
        }
        Some((Ok(Bytes::from(vec![b'x'; piece])), LITTLE))
    });
    let name = format!("hog-slow-{number}");
    let request = Route::Put.request_with(&name, Body::stream(pieces.boxed()))?;
    let answer = client.start(request).await?;
    anyhow::bail!("{}", answer.status())
}

/// Reads the large file; a slow one pauses after each piece that came.
async fn download(client: &Client, slow: bool) -> Result<()> {
    let request = Request::get(format!("/file/{}", FILES[1].0));
    let answer = client.start(request.body(Bytes::new().into())?).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
        if slow {
            tokio::time::sleep(BEAT).await;
        }
    }
    Ok(())
}

/// Two reads of a small file, and one stored and deleted.
async fn small(client: &Client, number: usize, data: &Bytes) -> Result<()> {
    for _ in 0..2 {
        client.get(FILES[0].0).await?.expect(200)?;
    }
    let name = format!("hog-{number}");
    let route = Route::Json(NameAt::First);
    let stored = client.upload(route, &name, data.clone()).await?;
    ensure!(matches!(stored.status.as_u16(), 201 | 409), "{stored:?}");
    client.delete(&name).await?.expect(204).map(drop)
}

/// Asks for a small thing, and keeps the connection for the next time.
async fn connection(client: &Client, number: usize) -> Result<()> {
    client.get(FILES[0].0).await?.expect(200)?;
    let again = number.is_multiple_of(ASKS_AGAIN);
    // Before the service closes it as one that is idle.
    tokio::time::sleep(if again { BEAT } else { 30 * BEAT }).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_slow_as_there_should_be() {
        assert_eq!((0..TRANSFERS).filter(|&n| is_slow(n)).count(), SLOW);
    }
}
