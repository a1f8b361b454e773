//! Answers with a JSON object a line, read as they come.

use crate::Error;
use crate::wire::Wire;
use bytes::{Buf, BytesMut};
use futures::{Stream, TryStreamExt, stream};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The longest line: a file's longest name and the reason that a node gives.
const LONGEST: usize = 1 << 20;

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may be sent again until it is answered.
    Read,
    /// It must not be carried out twice.
    Order,
}

/// The objects of the answer to a request. An answer that breaks off ends with an error.
/// Empty lines say that it goes on.
pub(crate) fn objects<T: DeserializeOwned>(
    wire: Arc<Wire>,
    kind: Kind,
    make: impl Fn(&Wire) -> RequestBuilder,
) -> impl Stream<Item = Result<T, Error>> {
    let begun = async move {
        let answer = match kind {
            Kind::Read => wire.send(|| make(&wire)).await?,
            Kind::Order => wire.order(wire.silence, || make(&wire)).await?,
        };
        Ok::<_, Error>(Reader {
            wire,
            answer,
            read: BytesMut::new(),
            seen: 0,
        })
    };
    let objects = |reader: Reader| {
        Box::pin(stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|object| (object, reader)))
        }))
    };
    stream::once(async move { begun.await.map(objects) }).try_flatten()
}

struct Reader {
    wire: Arc<Wire>,
    answer: Response,
    /// What has come of lines that are not over, and how much of it has no end of a line.
    read: BytesMut,
    seen: usize,
}

impl Reader {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        loop {
            while let Some(line) = line(&mut self.read, &mut self.seen) {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let object = serde_json::from_slice(&line);
                return object
                    .map(Some)
                    .map_err(|error| self.wire.not_understood(error));
            }
            if self.read.len() > LONGEST {
                let why = format!("a line is longer than {LONGEST} bytes");
                return Err(self.wire.not_understood(why));
            }
            match self.wire.chunk(&mut self.answer).await? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None if self.read.is_empty() => return Ok(None),
                None => return Err(self.wire.not_understood("its last line has no end")),
            }
        }
    }
}

/// Takes the first line that has come whole.
fn line(read: &mut BytesMut, seen: &mut usize) -> Option<BytesMut> {
    let Some(end) = read[*seen..].iter().position(|byte| *byte == b'\n') else {
        *seen = read.len();
        return None;
    };
    let line = read.split_to(*seen + end);
    read.advance(1);
    *seen = 0;
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_when_it_is_whole() {
        let (mut read, mut seen) = (BytesMut::from("{}\n\n{\"a"), 0);
        assert_eq!(line(&mut read, &mut seen).as_deref(), Some(&b"{}"[..]));
        assert_eq!(line(&mut read, &mut seen).as_deref(), Some(&b""[..]));
        assert_eq!((line(&mut read, &mut seen), seen), (None, 3));
        read.extend_from_slice(b"\":1}\n");
        assert_eq!(
            line(&mut read, &mut seen).as_deref(),
            Some(&b"{\"a\":1}"[..])
        );
        assert!(read.is_empty());
    }
}
