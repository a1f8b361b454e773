//! Requests byte by byte, for what no decent client would send.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The header lines, in lower case.
    pub head: String,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub whole: bool,
}

impl RawAnswer {
    /// The `code` of an error body.
    pub fn code(&self) -> Option<u64> {
        let json: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        json.get("code")?.as_u64()
    }
}

/// Sends `bytes` on a connection of its own and reads one answer. With
/// `half_close` the sending side is closed after them.
///
/// # Errors
/// Where no answer comes in time or it is no HTTP.
pub async fn exchange(
    address: SocketAddr,
    bytes: &[u8],
    half_close: bool,
    within: Duration,
) -> Result<RawAnswer> {
    let work = async {
        let mut stream = TcpStream::connect(address).await?;
        // A server may answer and close before it has read all.
        let sent = stream.write_all(bytes).await;
        if half_close && sent.is_ok() {
            let _ = stream.shutdown().await;
        }
        read_answer(&mut stream).await
    };
    match tokio::time::timeout(within, work).await {
        Ok(answer) => answer,
        Err(_) => bail!("no answer within {within:?}"),
    }
}

/// Begins an upload that sends all but its last byte, and so keeps its place.
///
/// # Errors
/// Where the connection breaks.
pub async fn hold_upload(mut stream: TcpStream, name: &str) -> Result<TcpStream> {
    let head =
        format!("PUT /file/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nab");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

/// Reads one answer to a request other than HEAD.
pub async fn read_answer(stream: &mut TcpStream) -> Result<RawAnswer> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let rest = bytes.split_off(end + 4);
            let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
            let status: u16 = status.with_context(|| format!("no status in {head:?}"))?;
            if status == 100 {
                bytes = rest;
                continue;
            }
            let (body, whole) = read_body(stream, &head, rest).await?;
            return Ok(RawAnswer {
                status,
                head,
                body,
                whole,
            });
        }
        if read_some(stream, &mut bytes).await? == 0 {
            bail!(
                "the connection ended after {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

async fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<usize> {
    let before = bytes.len();
    match stream.read_buf(bytes).await {
        Ok(_) => Ok(bytes.len() - before),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(0),
        Err(e) => Err(e.into()),
    }
}

async fn read_body(
    stream: &mut TcpStream,
    head: &str,
    mut rest: Vec<u8>,
) -> Result<(Vec<u8>, bool)> {
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    if let Some(length) = header("content-length:") {
        let length: usize = length.parse()?;
        while rest.len() < length && read_some(stream, &mut rest).await? > 0 {}
        let whole = rest.len() >= length;
        rest.truncate(length);
        return Ok((rest, whole));
    }
    if header("transfer-encoding:").is_some() {
        loop {
            if let Some(body) = dechunk(&rest) {
                return Ok((body, true));
            }
            if read_some(stream, &mut rest).await? == 0 {
                return Ok((rest, false));
            }
        }
    }
    Ok((rest, true))
}

/// The content of a whole chunked body, nothing while its end is missing.
fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = &bytes[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::dechunk;

    #[test]
    fn chunks_are_joined_and_a_missing_end_is_noticed() {
        assert_eq!(
            dechunk(b"3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n"),
            Some(b"abcd".to_vec())
        );
        assert_eq!(dechunk(b"3\r\nabc\r\n"), None);
        assert_eq!(dechunk(b"3\r\nab"), None);
    }
}
