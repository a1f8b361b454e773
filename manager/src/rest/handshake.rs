//! How TLS begins on a connection: in the connection's own task, so that nobody waits for
//! it, and within the time that the first request may take.

use super::activity::Activity;
use super::answer::Refusal;
use super::io::{Deadlines, LINGER};
use super::writes::Writes;
use http::header::CONTENT_TYPE;
use kit::tls::{ServerTls, TlsStream};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// The first byte of TLS: a record of its handshake.
const HANDSHAKE: u8 = 0x16;
/// What a client reads that speaks anything else.
const USE_HTTPS: &str = "this port speaks TLS: use https://";
/// More than that answer's body is long.
const ANSWER: usize = 4096;

/// TLS over a connection, once its client has done its part, which it has to by `until`.
///
/// # Errors
/// Where the client does not speak TLS, shows no certificate that is wanted, breaks off or
/// is too slow. It has been answered then.
pub(super) async fn secured(
    tls: &ServerTls,
    mut socket: TcpStream,
    deadlines: Deadlines,
    activity: &Arc<Activity>,
    until: Instant,
) -> io::Result<TlsStream<Writes<TcpStream>>> {
    if timeout_at(until, first_byte(&socket)).await?? != HANDSHAKE {
        leave(&mut socket, &plain_answer().await, until).await;
        return Err(io::Error::other("its client does not speak TLS"));
    }
    let socket = Writes::new(socket, deadlines, activity.clone());
    match timeout_at(until, tls.accept(socket)).await? {
        Ok(stream) => Ok(stream),
        Err((error, mut socket)) => {
            // The alert that says why has been written.
            leave(&mut socket, &[], until).await;
            Err(error)
        }
    }
}

/// The first byte that a client sends, which can be read once more.
async fn first_byte(socket: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match socket.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

/// Sends the last bytes, and reads and discards what still comes, until the client has
/// ended too or its time is up: a socket that is closed with bytes unread is reset, and
/// what was sent may be lost.
async fn leave<T>(socket: &mut T, last: &[u8], until: Instant)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = async {
        socket.write_all(last).await?;
        socket.shutdown().await?;
        let mut scratch = [0; 1024];
        while socket.read(&mut scratch).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it was read is the client's affair.
    let _ = timeout_at(until.min(Instant::now() + LINGER), farewell).await;
}

/// The answer to a client that speaks plain HTTP, as HTTP/1.1 writes it.
async fn plain_answer() -> Vec<u8> {
    let (head, body) = Refusal::bad(USE_HTTPS).response().into_parts();
    let body = axum::body::to_bytes(body, ANSWER).await.unwrap_or_default();
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        head.status,
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_answer_to_plain_http_is_one_of_ours() {
        let answer = String::from_utf8(plain_answer().await).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (&body["code"], &body["detail"]),
            (&6.into(), &USE_HTTPS.into())
        );
    }
}
