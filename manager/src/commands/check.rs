//! `manager check`: stores a small file through the REST API, reads it back and
//! deletes it, as `helm test` and a person after an installation want to know.

use crate::config::CheckArgs;
use anyhow::{Context, Result, bail, ensure};
use axum::http::{Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// The longest answer that is read.
const ANSWER: usize = 1 << 20;
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// Checks the service and prints what it did.
///
/// # Errors
/// At the first answer that is not as it should be.
pub async fn run(args: CheckArgs) -> Result<()> {
    let rest = Rest {
        url: args.url,
        client: Client::builder(TokioExecutor::new()).build_http(),
    };
    let (status, body) = rest.ask(Method::GET, "/status", Bytes::new()).await?;
    ensure!(status == StatusCode::OK, "/status: {status}");
    let told: serde_json::Value = serde_json::from_slice(&body).context("/status: not JSON")?;
    let nodes = told["nodes"].as_array().map_or(0, Vec::len);
    if nodes == 0 {
        println!("{} answers; there is no node yet", rest.url);
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
    println!(
        "{}: a file was stored, read back and deleted; {nodes} nodes",
        rest.url
    );
    Ok(())
}

fn expect(wanted: StatusCode, what: &str, (status, body): &(StatusCode, Bytes)) -> Result<()> {
    if *status == wanted {
        return Ok(());
    }
    bail!("{what}: {status} {}", String::from_utf8_lossy(body));
}

struct Rest {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Rest {
    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let uri: Uri = format!("{}{path}", self.url).parse()?;
        let request = Request::builder()
            .method(&method)
            .uri(uri)
            .body(Full::new(body))?;
        let what = || format!("{method} {}{path}", self.url);
        let answer = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
            anyhow::Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(REQUEST, answer)
            .await
            .with_context(what)?
            .with_context(what)
    }
}
