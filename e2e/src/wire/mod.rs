//! A lean HTTP/1.1 client of the REST API on hyper, for what is about requests and answers as
//! they are, and for load: connections are kept, and it spends little CPU, since on a small
//! machine it competes with the servers. All else calls by the library.

mod body;
mod http2;
mod tls;
mod uploads;

pub use body::{Body, Pieces};
pub use http2::Http2;
pub use tls::Tls;
pub use uploads::{NameAt, Route, encode_name, json_around};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// Bytes that lie in the socket of a client with an address of its own, of which there are
/// many: with what a socket may grow to the kernel runs out of memory for TCP, and drops
/// what it has received.
const SEND_BUFFER: u32 = 256 << 10;

/// One connection, for one request at a time.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Body>,
    host: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Connects from an address of this machine, as another client does.
///
/// # Errors
/// Where nobody answers.
pub async fn connect_from(from: IpAddr, address: SocketAddr) -> Result<TcpStream> {
    connect(Some(from), address).await
}

/// A connection to an address, from one of this machine if that is given.
async fn connect(from: Option<IpAddr>, address: SocketAddr) -> Result<TcpStream> {
    let connecting = async {
        let Some(from) = from else {
            return TcpStream::connect(address).await;
        };
        let socket = match from {
            IpAddr::V4(_) => TcpSocket::new_v4()?,
            IpAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind((from, 0).into())?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.connect(address).await
    };
    let stream = tokio::time::timeout(CONNECT, connecting).await;
    // The address may have been a Service's until a moment ago; then nobody answers.
    let stream = stream.unwrap_or_else(|late| Err(late.into()));
    let stream = stream.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::over(connect(None, address).await?, address).await
    }

    /// Connects with TLS.
    pub async fn open_tls(address: SocketAddr, tls: &Tls) -> Result<Self> {
        let stream = tls.connect(address, "http/1.1").await?;
        Self::over(stream, address).await
    }

    async fn over<T>(stream: T, address: SocketAddr) -> Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its errors come back through the sender.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn start(&mut self, mut request: Request<Body>) -> Result<Response<Incoming>> {
        if !request.headers().contains_key(http::header::HOST) {
            let host = self.host.parse()?;
            request.headers_mut().insert(http::header::HOST, host);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Answer> {
        let (head, body) = self.start(request).await?.into_parts();
        let body = body
            .collect()
            .await
            .context("reading the answer")?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Whether another request may be sent.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

impl Answer {
    /// The `code` of an error body.
    pub fn code(&self) -> Option<u64> {
        self.json().ok()?.get("code")?.as_u64()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).with_context(text)
    }

    /// A header as text, or nothing where it is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Status and code in one, as tests compare them.
    pub fn outcome(&self) -> (u16, Option<u64>) {
        let error = self.status.is_client_error() || self.status.is_server_error();
        (self.status.as_u16(), self.code().filter(|_| error))
    }

    /// Refuses any other status, with the body in the text.
    pub fn expect(self, status: u16) -> Result<Self> {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        ensure!(
            self.status.as_u16() == status,
            "{} instead of {status}: {text}",
            self.status
        );
        Ok(self)
    }
}

/// Many connections to one address, kept for the next request.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    /// The path in front of the API's own: empty, unless a proxy serves the API there.
    below: Arc<str>,
    /// What is sent as `Authorization`.
    bearer: Option<HeaderValue>,
    tls: Option<Tls>,
    /// The address of this machine that it calls from.
    from: Option<IpAddr>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Client {
    /// A client without connections yet.
    pub fn new(address: SocketAddr) -> Self {
        Self::below(address, "")
    }

    /// A client of an API that is served below a path, as by a proxy.
    pub fn below(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            below: path.into(),
            bearer: None,
            tls: None,
            from: None,
            idle: Arc::default(),
        }
    }

    /// The same client calling from an address of this machine, without TLS.
    pub fn calling_from(&self, from: IpAddr) -> Self {
        Self {
            tls: None,
            from: Some(from),
            idle: Arc::default(),
            ..self.clone()
        }
    }

    /// The same client with a bearer token.
    pub fn with_bearer(&self, token: &str) -> Result<Self> {
        Ok(Self {
            bearer: Some(format!("Bearer {token}").parse()?),
            idle: Arc::default(),
            ..self.clone()
        })
    }

    /// A client of an API with TLS.
    pub fn over_tls(address: SocketAddr, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..Self::new(address)
        }
    }

    /// The API's URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.below)
    }

    /// A request as this client sends it.
    fn placed(&self, mut request: Request<Body>) -> Result<Request<Body>> {
        if !self.below.is_empty() {
            *request.uri_mut() = format!("{}{}", self.below, request.uri()).parse()?;
        }
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        Ok(request)
    }

    /// The address it connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn connection(&self) -> Result<Connection> {
        loop {
            let kept = self.idle.lock().pop();
            match kept {
                Some(kept) if kept.is_open() => return Ok(kept),
                Some(_) => {}
                None => return self.open().await,
            }
        }
    }

    async fn open(&self) -> Result<Connection> {
        match &self.tls {
            Some(tls) => Connection::open_tls(self.address, tls).await,
            None => {
                let stream = connect(self.from, self.address).await?;
                Connection::over(stream, self.address).await
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer> {
        let mut connection = self.connection().await?;
        let answer = connection.send(self.placed(request)?).await?;
        if connection.is_open() {
            self.idle.lock().push(connection);
        }
        Ok(answer)
    }

    /// Sends a request on a connection of its own and gives the head of the
    /// answer; the body is left to the caller.
    pub async fn start(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let mut connection = self.open().await?;
        connection.start(self.placed(request)?).await
    }

    /// A request without a body to `path`.
    pub async fn call(&self, method: Method, path: &str) -> Result<Answer> {
        self.call_with(method, path, &[]).await
    }

    /// A request without a body, with headers.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Pieces::empty().into())?).await
    }

    /// `PUT /file/{name}`.
    pub async fn put(&self, name: &str, data: impl Into<Bytes>) -> Result<Answer> {
        self.upload(Route::Put, name, data).await
    }

    /// An upload over any route.
    pub async fn upload(&self, route: Route, name: &str, data: impl Into<Bytes>) -> Result<Answer> {
        self.send(route.request(name, &data.into())?).await
    }

    /// `GET /file/{name}`.
    pub async fn get(&self, name: &str) -> Result<Answer> {
        self.call(Method::GET, &format!("/file/{}", encode_name(name)))
            .await
    }

    /// `GET /file/{name}` with headers.
    pub async fn get_with(&self, name: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.call_with(
            Method::GET,
            &format!("/file/{}", encode_name(name)),
            headers,
        )
        .await
    }

    /// `HEAD /file/{name}` with headers.
    pub async fn head_with(&self, name: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.call_with(
            Method::HEAD,
            &format!("/file/{}", encode_name(name)),
            headers,
        )
        .await
    }

    /// `DELETE /file/{name}`.
    pub async fn delete(&self, name: &str) -> Result<Answer> {
        self.call(Method::DELETE, &format!("/file/{}", encode_name(name)))
            .await
    }

    /// `POST /file/{name}/link` with a body of JSON.
    pub async fn link(&self, name: &str, body: &str) -> Result<Answer> {
        let path = format!("/file/{}/link", encode_name(name));
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, "application/json");
        let body = Pieces::new(vec![Bytes::copy_from_slice(body.as_bytes())]);
        self.send(request.body(body.into())?).await
    }

    /// A link that is made so, as a path and query below this client's URL.
    pub async fn link_path(&self, name: &str, body: &str) -> Result<String> {
        let made = self.link(name, body).await?.expect(201)?.json()?;
        let url = made["url"].as_str().context("no url")?;
        let path = url.strip_prefix(&self.url());
        Ok(path.with_context(|| url.to_owned())?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::extract::{Path, State};
    use axum::routing::put;
    use std::collections::HashMap;

    type Store = Arc<Mutex<HashMap<String, Bytes>>>;

    async fn store(
        State(store): State<Store>,
        Path(name): Path<String>,
        body: Bytes,
    ) -> StatusCode {
        store.lock().insert(name, body);
        StatusCode::CREATED
    }

    async fn fetch(State(store): State<Store>, Path(name): Path<String>) -> (StatusCode, Bytes) {
        match store.lock().get(&name) {
            Some(data) => (StatusCode::OK, data.clone()),
            None => (StatusCode::NOT_FOUND, r#"{"code":2,"message":""}"#.into()),
        }
    }

    /// A fake server, to test the client alone.
    async fn pretended() -> Client {
        let app = axum::Router::new().route("/file/{name}", put(store).get(fetch));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app.with_state(Store::default())).await });
        client
    }

    #[tokio::test]
    async fn what_is_put_comes_back_over_kept_connections() {
        let client = pretended().await;
        for i in 0..20 {
            let data = crate::content::bytes(i, 10_000);
            let name = format!("ä {i}%/");
            assert_eq!(client.put(&name, data.clone()).await.unwrap().status, 201);
            assert_eq!(client.get(&name).await.unwrap().body, data);
        }
        assert_eq!(client.idle.lock().len(), 1);
        assert_eq!(client.get("other").await.unwrap().outcome(), (404, Some(2)));
    }

    #[tokio::test]
    async fn a_proxy_has_the_api_below_a_path() {
        let app = axum::Router::new().route("/there/file/{name}", put(store).get(fetch));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::below(listener.local_addr().unwrap(), "/there");
        tokio::spawn(async move { axum::serve(listener, app.with_state(Store::default())).await });
        assert_eq!(client.put("a b", "x").await.unwrap().status, 201);
        assert_eq!(client.get("a b").await.unwrap().body, "x");
    }

    #[tokio::test]
    async fn a_refused_status_is_an_error_with_the_body() {
        let client = pretended().await;
        let error = client.get("none").await.unwrap().expect(200).unwrap_err();
        assert!(error.to_string().contains("\"code\":2"), "{error}");
    }
}
