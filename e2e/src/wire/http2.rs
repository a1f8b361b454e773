//! A client of the REST API over HTTP/2: many requests at once share a connection.

use super::{Answer, Body, Tls, connect};
use anyhow::{Context, Result};
use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};

/// One HTTP/2 connection, for as many requests at once as the server allows; cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Http2 {
    sender: http2::SendRequest<Body>,
    host: String,
    scheme: &'static str,
}

impl Http2 {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::over(connect(None, address).await?, address, "http").await
    }

    /// Connects from an address of this machine.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn open_from(from: IpAddr, address: SocketAddr) -> Result<Self> {
        Self::over(connect(Some(from), address).await?, address, "http").await
    }

    /// Connects with TLS.
    ///
    /// # Errors
    /// Where nobody answers, or HTTP/2 is not agreed on.
    pub async fn open_tls(address: SocketAddr, tls: &Tls) -> Result<Self> {
        let stream = tls.connect(address, "h2").await?;
        Self::over(stream, address, "https").await
    }

    async fn over<T>(stream: T, address: SocketAddr, scheme: &'static str) -> Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        tokio::spawn(async move {
            // Its errors come back through the sender.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
            scheme,
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Where the answer does not come, or breaks off.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Answer> {
        let path = request.uri().path_and_query().context("no path")?.clone();
        let whole = Uri::builder()
            .scheme(self.scheme)
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
