//! Requests to the REST API, each on a connection of its own, with TLS or without.

use anyhow::{Context, Result};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kit::reread::Source;
use kit::tls::ClientTls;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The longest answer that is read.
const ANSWER: usize = 1 << 20;
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long connections may fail at first, and the pause between two.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// Where the REST API is.
pub(super) struct Rest {
    url: String,
    authority: Authority,
    tls: Option<ClientTls>,
    bearer: Option<HeaderValue>,
}

impl Rest {
    /// The API at a URL without a path; `authorities` are those that its certificate must
    /// come from, where it is one of TLS, and `bearer` has the token that is sent.
    ///
    /// # Errors
    /// Names the flag that is missing, or whose file can't be used.
    pub(super) fn new(
        url: String,
        authorities: Option<PathBuf>,
        bearer: Option<PathBuf>,
    ) -> Result<Self> {
        let bearer = bearer.map(|file| authorization(&file)).transpose()?;
        let uri: Uri = url.parse().context("--url")?;
        let authority = uri.authority().context("--url: names no host")?.clone();
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let tls = match (tls, authorities) {
            (true, Some(file)) => Some(ClientTls::trusting(&Source::new("--tls-ca", file))?),
            (true, None) => {
                anyhow::bail!("--url {url}: --tls-ca FILE is needed, with the authority to trust")
            }
            (false, _) => None,
        };
        Ok(Self {
            url,
            authority,
            tls,
            bearer,
        })
    }

    /// Its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The first request. A new pod may be refused until whoever keeps the network's
    /// policies knows its address.
    ///
    /// # Errors
    /// As [`Self::ask`], after some seconds.
    pub(super) async fn first(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes)> {
        let begun = Instant::now();
        loop {
            match self.ask(method.clone(), path, Bytes::new()).await {
                Err(_) if begun.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                asked => return asked,
            }
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Names the request.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let what = || format!("{method} {}{path}", self.url);
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, self.authority.as_str())
            .body(Full::new(body))?;
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        tokio::time::timeout(REQUEST, self.send(request))
            .await
            .with_context(what)?
            .with_context(what)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let host = self.authority.host();
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host);
        let default = if self.tls.is_some() { 443 } else { 80 };
        let port = self.authority.port_u16().unwrap_or(default);
        let socket = TcpStream::connect((host, port)).await?;
        match &self.tls {
            Some(tls) => exchange(tls.connect(host, socket).await?, request).await,
            None => exchange(socket, request).await,
        }
    }
}

/// What is sent as `Authorization`.
fn authorization(file: &Path) -> Result<HeaderValue> {
    let named = || format!("--bearer-file {}", file.display());
    let token = std::fs::read_to_string(file).with_context(named)?;
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.trim())).with_context(named)?;
    value.set_sensitive(true);
    Ok(value)
}

/// One request and its answer on a connection.
async fn exchange<T>(stream: T, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
        anyhow::Ok((status, body.to_bytes()))
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What the connection has read is with the answer by then.
        ended = connection => {
            ended?;
            answer.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_wants_an_authority_to_trust() {
        let new =
            |url: &str, file: Option<&str>| Rest::new(url.to_owned(), file.map(Into::into), None);
        assert!(new("http://127.0.0.1:8000", None).is_ok());
        let why = |made: Result<Rest>| made.err().map(|error| format!("{error:#}"));
        let missing = why(new("https://127.0.0.1:8000", None)).expect("none is given");
        assert!(missing.contains("--tls-ca FILE is needed"), "{missing}");
        let unread = why(new("https://127.0.0.1:8000", Some("/none"))).expect("no file");
        assert!(unread.contains("--tls-ca /none: "), "{unread}");
    }
}
