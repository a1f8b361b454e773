//! A fake API server: it takes its answers from a list, in that order, and records what
//! it was asked.

use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A fake API server, which runs until the test ends.
pub(crate) struct Played {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Played {
    /// One with these answers, each a status and a body.
    pub(crate) async fn new(answers: Vec<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asks = Arc::clone(&asked);
        tokio::spawn(async move {
            for (status, body) in answers {
                let (stream, _) = listener.accept().await.expect("a caller");
                let asked = answer(stream, status, &body).await.expect("a request");
                asks.lock().push(asked);
            }
        });
        Self { address, asked }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let url = format!("http://{}", self.address).parse();
        Client::try_from(Config::new(url.expect("a URL"))).expect("a client")
    }

    /// What it was asked: method and path of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock();
        asked.clone()
    }
}

/// Answers one request, on a connection of its own.
async fn answer(stream: TcpStream, status: u16, body: &Value) -> std::io::Result<String> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length");
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Played\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await?;
    Ok(first.trim_end().trim_end_matches(" HTTP/1.1").to_owned())
}
