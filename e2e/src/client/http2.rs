//! A client of the REST API over HTTP/2: many requests at once share a connection.

use super::{Answer, Body, CONNECT};
use anyhow::{Context, Result};
use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// One HTTP/2 connection, for as many requests at once as the server allows; cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Http2 {
    sender: http2::SendRequest<Body>,
    host: String,
}

impl Http2 {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|late| Err(late.into()));
        let stream = stream.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        tokio::spawn(async move {
            // Its errors come back through the sender.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Where the answer does not come, or breaks off.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Answer> {
        let path = request.uri().path_and_query().context("no path")?.clone();
        let whole = Uri::builder()
            .scheme("http")
            .authority(self.host.as_str())
            .path_and_query(path);
        *request.uri_mut() = whole.build()?;
        let mut sender = self.sender.clone();
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await.context("reading the answer")?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}
