//! `memory`: one large file as base64 in JSON, in both field orders, and back;
//! neither process may grow by 64 MiB. Then connections that have no place yet,
//! which may cost no more than the documentation states (invariant 9).

mod connections;

use crate::cluster::{Cluster, Options};
use crate::content;
use crate::report::{mib, table};
use crate::wire::{Body, Client, NameAt, Route, encode_name};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::time::Instant;

/// Flags of `memory`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Size of the file in MiB.
    #[arg(long, default_value_t = 10 << 10)]
    mib: u64,
    /// All routes, not only JSON.
    #[arg(long)]
    all_routes: bool,
}

/// What a process may grow by, in bytes.
const BOUND: u64 = 64 << 20;

/// The length of a piece: a multiple of 3 for base64, and of 8 for the generator.
const PIECE: usize = 3 << 18;

/// Does the run and prints a table.
///
/// # Errors
/// Where a sum differs or a process grew by [`BOUND`].
pub async fn run(args: Args) -> Result<()> {
    let routes = match args.all_routes {
        true => Route::ALL.to_vec(),
        false => vec![Route::Json(NameAt::First), Route::Json(NameAt::Last)],
    };
    let size = args.mib << 20;
    let mut rows = Vec::new();
    let mut worst = 0;
    for route in routes {
        worst = worst.max(one_route(route, size, &mut rows).await?);
    }
    let head = [
        "",
        "time",
        "manager before",
        "after",
        "added",
        "node before",
        "after",
        "added",
    ];
    println!("{}", table(&head, &rows));
    ensure!(worst < BOUND, "a process grew by {}", mib(worst));
    println!(
        "SHA-256 sums equal; the most that was added is {}",
        mib(worst)
    );
    connections::run().await
}

/// Each route has fresh processes, since a peak can't be reset.
async fn one_route(route: Route, size: u64, rows: &mut Vec<Vec<String>>) -> Result<u64> {
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        ..Options::default()
    })
    .await?;
    let client = cluster.wire();
    // Memory that is taken once, at the first use, does not grow with the file.
    let small = content::bytes(9, 4 << 20);
    client.upload(route, "warm", small).await?.expect(201)?;
    client.get("warm").await?.expect(200)?;
    client
        .get_with("warm", &[("accept", "application/json")])
        .await?
        .expect(200)?;
    let mut peaks = Peaks {
        cluster: &cluster,
        worst: 0,
        rows,
    };
    let sum = peaks
        .step(format!("{route:?} upload"), upload(&client, route, size))
        .await?;
    let raw = peaks
        .step("download raw".into(), download(&client, false))
        .await?;
    let json = peaks
        .step("download JSON".into(), download(&client, true))
        .await?;
    for (got, how) in [(raw, "raw"), (json, "as JSON")] {
        ensure!(
            got == (size, sum.1),
            "{} bytes {how} with another sum",
            got.0
        );
    }
    let worst = peaks.worst;
    client.delete("large").await?.expect(204)?;
    Ok(worst)
}

type Sum = (u64, [u8; 32]);

struct Peaks<'a> {
    cluster: &'a Cluster,
    worst: u64,
    rows: &'a mut Vec<Vec<String>>,
}

impl Peaks<'_> {
    async fn step(&mut self, name: String, work: impl Future<Output = Result<Sum>>) -> Result<Sum> {
        let peaks = || -> Result<[u64; 2]> {
            let (manager, node) = (self.cluster.manager()?, self.cluster.node(0)?);
            Ok([manager.peak_memory()?, node.peak_memory()?])
        };
        let (before, start) = (peaks()?, Instant::now());
        let sum = work.await.with_context(|| name.clone())?;
        let (after, elapsed) = (peaks()?, start.elapsed());
        let mut row = vec![name, format!("{:.0} s", elapsed.as_secs_f64())];
        for (before, after) in before.into_iter().zip(after) {
            let added = after.saturating_sub(before);
            self.worst = self.worst.max(added);
            row.extend([mib(before), mib(after), mib(added)]);
        }
        eprintln!("{}", row.join("  "));
        self.rows.push(row);
        Ok(sum)
    }
}

async fn upload(client: &Client, route: Route, size: u64) -> Result<Sum> {
    let (before, after) = route.around("large");
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let state = (0, Some(sender), Sha256::new());
    let content = futures::stream::unfold(state, move |(at, sender, mut hash)| async move {
        if at == size {
            if let Some(sender) = sender {
                let sum: [u8; 32] = hash.finalize().into();
                let _ = sender.send(sum);
            }
            return None;
        }
        let mut piece = vec![0; PIECE.min((size - at) as usize)];
        content::fill(3, at, &mut piece);
        hash.update(&piece);
        let next = at + piece.len() as u64;
        Some((Ok(route.encode(&piece.into())), (next, sender, hash)))
    });
    let once = |text: String| futures::stream::once(async { Ok(Bytes::from(text)) });
    use futures::StreamExt;
    let body = Body::stream(once(before).chain(content).chain(once(after)));
    let answer = client
        .send(route.request_with("large", body)?)
        .await?
        .expect(201)?;
    drop(answer);
    Ok((size, receiver.await.context("the upload ended early")?))
}

async fn download(client: &Client, json: bool) -> Result<Sum> {
    let accept = if json { "application/json" } else { "*/*" };
    let request = Request::get(format!("/file/{}", encode_name("large"))).header("accept", accept);
    let answer = client.start(request.body(Bytes::new().into())?).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let (mut body, mut hash, mut length) = (answer.into_body(), Sha256::new(), 0);
    let mut field = FileField::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let data = if json {
            field.decode(&data)?.into()
        } else {
            data
        };
        length += data.len() as u64;
        hash.update(&data);
    }
    ensure!(!json || field.ended, "the JSON has no end");
    Ok((length, hash.finalize().into()))
}

/// Decodes the value of `"file"` out of JSON that comes in pieces.
#[derive(Debug, Default)]
struct FileField {
    head: Vec<u8>,
    begun: bool,
    ended: bool,
    rest: Vec<u8>,
}

impl FileField {
    fn decode(&mut self, piece: &[u8]) -> Result<Vec<u8>> {
        const START: &[u8] = b"\"file\":\"";
        let mut piece = piece.to_vec();
        if !self.begun {
            self.head.append(&mut piece);
            let Some(at) = self.head.windows(START.len()).position(|w| w == START) else {
                ensure!(self.head.len() < 4096, "no file field in the JSON");
                return Ok(Vec::new());
            };
            self.begun = true;
            piece = self.head.split_off(at + START.len());
        }
        if self.ended {
            return Ok(Vec::new());
        }
        self.rest.append(&mut piece);
        let end = self.rest.iter().position(|&byte| byte == b'"');
        self.ended = end.is_some();
        let whole = end.unwrap_or(self.rest.len() / 4 * 4);
        let decoded = STANDARD.decode(&self.rest[..whole]);
        self.rest.drain(..whole);
        decoded.context("base64 in the JSON")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_is_decoded_from_json_cut_anywhere() {
        let data = content::bytes(1, 100);
        let json = format!("{{\"size\":100, \"file\":\"{}\"}}", content::base64(&data));
        let json = json.replace(", \"file", ",\"file");
        for step in [1, 3, 7, 50, 1000] {
            let mut field = FileField::default();
            let mut out = Vec::new();
            for piece in json.as_bytes().chunks(step) {
                out.extend(field.decode(piece).unwrap());
            }
            assert_eq!(out, data);
            assert!(field.ended);
        }
    }
}
