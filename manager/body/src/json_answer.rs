//! A file as a JSON answer: `{"filename","id","size","content_type","file"}`,
//! the file in base64, streamed.

use std::collections::VecDeque;

use crate::b64::encode;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

/// Bytes encoded at once: a multiple of three, so that no group is cut.
const PIECE: usize = 48 * 1024;

/// What the answer says about the file.
#[derive(Debug, Clone, Copy)]
pub struct FileAnswer<'a> {
    /// Its name.
    pub filename: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its size in bytes; the stream must have just as many.
    pub size: u64,
    /// The media type given on upload, if one was.
    pub content_type: Option<&'a str>,
}

impl FileAnswer<'_> {
    /// All before the base64.
    fn head(&self) -> String {
        // A string always has a JSON form; `Value` shows it without an error
        // to handle.
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let content_type = self
            .content_type
            .map(|given| format!("\"content_type\":{},", text(given)))
            .unwrap_or_default();
        format!(
            "{{\"filename\":{},\"id\":{},\"size\":{},{content_type}\"file\":\"",
            text(self.filename),
            text(self.id),
            self.size
        )
    }

    /// The exact `Content-Length` of the answer, in bytes.
    pub fn content_length(&self) -> u64 {
        self.head().len() as u64 + self.size.div_ceil(3) * 4 + TAIL.len() as u64
    }

    /// The answer's body. Errors of `file` pass through and end it, so that a
    /// file that fails its checksum never ends as a success (invariant 3).
    pub fn encode<S, E>(&self, file: S) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let state = Encoder {
            file: Box::pin(file),
            ready: VecDeque::from([Bytes::from(self.head())]),
            window: Bytes::new(),
            group: Vec::with_capacity(3),
            ended: false,
        };
        stream::try_unfold(state, |mut state| async move {
            Ok(state.next().await?.map(|piece| (piece, state)))
        })
    }
}

const TAIL: &str = "\"}";

struct Encoder<S> {
    file: std::pin::Pin<Box<S>>,
    ready: VecDeque<Bytes>,
    window: Bytes,
    /// One or two bytes that wait for the rest of their group.
    group: Vec<u8>,
    ended: bool,
}

impl<S, E> Encoder<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    async fn next(&mut self) -> Result<Option<Bytes>, E> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            if !self.window.is_empty() {
                self.encode();
                continue;
            }
            match self.file.next().await {
                Some(chunk) => self.window = chunk?,
                None => {
                    self.ended = true;
                    let mut tail = Vec::new();
                    encode(&self.group, &mut tail);
                    tail.extend_from_slice(TAIL.as_bytes());
                    self.ready.push_back(Bytes::from(tail));
                }
            }
        }
    }

    /// Encodes the whole groups of the next piece of the window.
    fn encode(&mut self) {
        let mut out = Vec::new();
        let piece = self.window.len().min(PIECE);
        if !self.group.is_empty() {
            let take = (3 - self.group.len()).min(piece);
            self.group.extend_from_slice(&self.window.split_to(take));
            if self.group.len() < 3 {
                return;
            }
            out.reserve_exact(piece / 3 * 4 + 8);
            encode(&self.group, &mut out);
            self.group.clear();
        }
        let piece = self.window.split_to(self.window.len().min(PIECE));
        let (whole, rest) = piece.split_at(piece.len() / 3 * 3);
        encode(whole, &mut out);
        self.group.extend_from_slice(rest);
        if !out.is_empty() {
            self.ready.push_back(Bytes::from(out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::b64::PADDED;
    use base64::Engine;
    use futures::executor::block_on;
    use proptest::prelude::*;

    fn encoded(answer: FileAnswer<'_>, chunks: Vec<Vec<u8>>) -> Vec<u8> {
        let file = stream::iter(chunks.into_iter().map(|c| Ok::<_, ()>(Bytes::from(c))));
        block_on(answer.encode(file).collect::<Vec<_>>())
            .into_iter()
            .flat_map(|piece| piece.unwrap().to_vec())
            .collect()
    }

    proptest! {
        #[test]
        fn any_file_in_any_chunks_is_valid_json_of_the_stated_length(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            filename in "\\PC{1,20}",
            content_type in prop::option::of("[a-z\"\\\\]{1,5}/[a-z]{1,5}"),
        ) {
            let bytes = chunks.concat();
            let answer = FileAnswer {
                filename: &filename,
                id: "0190-a",
                size: bytes.len() as u64,
                content_type: content_type.as_deref(),
            };
            let json = encoded(answer, chunks);
            prop_assert_eq!(json.len() as u64, answer.content_length());
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(value["filename"].as_str(), Some(filename.as_str()));
            prop_assert_eq!(value["size"].as_u64(), Some(bytes.len() as u64));
            prop_assert_eq!(value["content_type"].as_str(), content_type.as_deref());
            let file = value["file"].as_str().unwrap();
            prop_assert_eq!(PADDED.decode(file).unwrap(), bytes);
        }
    }

    #[test]
    fn large_chunks_are_encoded_in_pieces() {
        let bytes: Vec<u8> = (0..500_003u32).map(|i| (i * 7 % 251) as u8).collect();
        let answer = FileAnswer {
            filename: "a",
            id: "b",
            size: 500_003,
            content_type: None,
        };
        let json = encoded(answer, vec![bytes[..1].to_vec(), bytes[1..].to_vec()]);
        assert_eq!(json.len() as u64, answer.content_length());
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            PADDED.decode(value["file"].as_str().unwrap()).unwrap(),
            bytes
        );
    }

    #[test]
    fn an_error_in_the_file_ends_the_answer_unfinished() {
        let file = stream::iter([Ok(Bytes::from_static(b"abc")), Err("corrupt")]);
        let answer = FileAnswer {
            filename: "a",
            id: "b",
            size: 6,
            content_type: None,
        };
        let pieces = block_on(answer.encode(file).collect::<Vec<_>>());
        assert_eq!(pieces.last(), Some(&Err("corrupt")));
        let text: Vec<u8> = pieces
            .into_iter()
            .flatten()
            .flat_map(|p| p.to_vec())
            .collect();
        assert!(text.ends_with(b"\"file\":\"YWJj"));
    }
}
