//! `manager check`: stores a small file through the REST API, reads it back and
//! deletes it, as `helm test` and a person after an installation want to know.

mod rest;

use crate::config::CheckArgs;
use anyhow::{Context, Result, bail, ensure};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use rest::Rest;

/// Checks the service and prints what it did.
///
/// # Errors
/// At the first answer that is not as it should be.
pub async fn run(args: CheckArgs) -> Result<()> {
    let rest = Rest::new(args.url, args.tls_ca, args.bearer_file)?;
    let url = rest.url();
    let (status, body) = rest.first(Method::GET, "/status").await?;
    let nodes = match status {
        StatusCode::OK => Some(nodes_of(&body)?),
        // Known, but nobody who operates the service.
        StatusCode::FORBIDDEN => None,
        status => bail!("/status: {status} {}", String::from_utf8_lossy(&body)),
    };
    if nodes == Some(0) {
        println!("{url} answers; there is no node yet");
        return Ok(());
    }
    let path = format!("/file/.check-{}", uuid::Uuid::new_v4());
    let bytes = Bytes::from(format!("a check of {path}\n"));
    let stored = rest.ask(Method::PUT, &path, bytes.clone()).await?;
    expect(StatusCode::CREATED, "upload", &stored)?;
    let read = rest.ask(Method::GET, &path, Bytes::new()).await;
    // The file is deleted in any case.
    let deleted = rest.ask(Method::DELETE, &path, Bytes::new()).await?;
    let read = read?;
    expect(StatusCode::OK, "download", &read)?;
    ensure!(read.1 == bytes, "download: other bytes came back");
    expect(StatusCode::NO_CONTENT, "delete", &deleted)?;
    let nodes = nodes.map_or(String::new(), |nodes| format!("; {nodes} nodes"));
    println!("{url}: a file was stored, read back and deleted{nodes}");
    Ok(())
}

fn nodes_of(status: &[u8]) -> Result<usize> {
    let told: serde_json::Value = serde_json::from_slice(status).context("/status: not JSON")?;
    Ok(told["nodes"].as_array().map_or(0, Vec::len))
}

fn expect(wanted: StatusCode, what: &str, (status, body): &(StatusCode, Bytes)) -> Result<()> {
    if *status == wanted {
        return Ok(());
    }
    bail!("{what}: {status} {}", String::from_utf8_lossy(body));
}
