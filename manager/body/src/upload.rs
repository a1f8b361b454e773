//! Upload bodies: what kind a body is, and its stream of events.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use crate::b64::PIECE;
use crate::event::{BodyError, Event};
use crate::fields::Fields;
use crate::form::Form;
use crate::json::Json;
use crate::multipart::Multipart;

/// How an upload body is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadKind {
    /// A JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart {
        /// What separates the parts: 1 to 70 characters of RFC 2046.
        boundary: String,
    },
}

impl UploadKind {
    /// The kind that a `Content-Type` names. Missing ones and others are an
    /// error that says what is accepted.
    pub fn of(content_type: Option<&str>) -> Result<UploadKind, BodyError> {
        let bad = |reason: String| BodyError::Invalid {
            field: "Content-Type",
            reason,
        };
        let unsupported = |reason| BodyError::Unsupported { reason };
        let accepted = "application/json, application/x-www-form-urlencoded or \
                        multipart/form-data is wanted";
        let Some(text) = content_type else {
            return Err(unsupported(format!("missing; {accepted}")));
        };
        let text = text.trim().trim_end_matches([';', ' ', '\t']);
        let mime: mime::Mime = text
            .parse()
            .map_err(|_| bad(format!("{text:?} is malformed; {accepted}")))?;
        let kind = match mime.essence_str() {
            "application/json" => UploadKind::Json,
            "application/x-www-form-urlencoded" => UploadKind::Form,
            "multipart/form-data" => {
                let boundary = mime.get_param(mime::BOUNDARY).map(|name| name.as_str());
                return match boundary {
                    Some(text) if is_boundary(text) => Ok(UploadKind::Multipart {
                        boundary: text.to_owned(),
                    }),
                    Some(_) => Err(bad("the boundary is malformed".to_owned())),
                    None => Err(bad("multipart/form-data without a boundary".to_owned())),
                };
            }
            _ if mime.suffix() == Some(mime::JSON) => UploadKind::Json,
            other => {
                return Err(unsupported(format!(
                    "{other:?} is not accepted; {accepted}"
                )));
            }
        };
        match mime.get_param(mime::CHARSET) {
            Some(charset) if charset != mime::UTF_8 => Err(unsupported(format!(
                "charset {:?}; only utf-8 is accepted",
                charset.as_str()
            ))),
            _ => Ok(kind),
        }
    }
}

/// RFC 2046, section 5.1.1. Since it has no CR, the parser needs to hold back
/// nothing but a count.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len())
        && !text.ends_with(' ')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b))
}

/// Decodes an upload body into events, in constant memory whatever the size
/// and the order of the fields.
///
/// The stream ends without an error only when the body was complete and
/// nothing but white space came after it, `filename` and `file` were each there
/// once, and the base64 was whole. Until then nothing that came before may be
/// kept. After an error the stream ends. A [`BodyError`] that is the body's own
/// error (see [`limit`]) comes through as it is, any other as
/// [`BodyError::Read`].
pub fn decode<S, E>(
    kind: UploadKind,
    body: S,
) -> impl Stream<Item = Result<Event, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let driver = Driver {
        decoder: Decoder::new(kind),
        body: Box::pin(body),
        window: Bytes::new(),
        ended: false,
    };
    stream::try_unfold(driver, |mut driver| async move {
        Ok(driver.next().await?.map(|event| (event, driver)))
    })
}

/// The body, broken off with [`BodyError::TooLarge`] at the first byte beyond
/// `limit`. For the bodies of every route; [`decode`] passes its error on.
pub fn limit<S, E>(body: S, limit: u64) -> impl Stream<Item = Result<Bytes, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut left = limit;
    body.map(move |chunk| {
        let chunk = chunk.map_err(|error| read_error(error.into()))?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or(BodyError::TooLarge { limit })?;
        Ok(chunk)
    })
}

fn read_error(error: Box<dyn Error + Send + Sync>) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(own) => *own,
        Err(other) => BodyError::Read(other),
    }
}

struct Driver<S> {
    decoder: Decoder,
    body: Pin<Box<S>>,
    /// What is left of the chunk in hand. It is taken in windows, so that the
    /// events of one huge chunk don't wait in memory all at once.
    window: Bytes,
    ended: bool,
}

impl<S, E> Driver<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    async fn next(&mut self) -> Result<Option<Event>, BodyError> {
        loop {
            if let Some(event) = self.decoder.events().pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if self.window.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.window = chunk.map_err(|error| read_error(error.into()))?,
                    None => {
                        self.decoder.finish()?;
                        self.ended = true;
                    }
                }
                continue;
            }
            let window = self.window.split_to(self.window.len().min(PIECE));
            self.decoder.push(window)?;
        }
    }
}

/// The three push parsers as one type.
pub(crate) enum Decoder {
    Json(Box<Json>),
    Form(Box<Form>),
    Multipart(Box<Multipart>),
}

impl Decoder {
    pub(crate) fn new(kind: UploadKind) -> Decoder {
        match kind {
            UploadKind::Json => Decoder::Json(Box::new(Json::new())),
            UploadKind::Form => Decoder::Form(Box::default()),
            UploadKind::Multipart { boundary } => {
                Decoder::Multipart(Box::new(Multipart::new(&boundary)))
            }
        }
    }

    pub(crate) fn push(&mut self, window: Bytes) -> Result<(), BodyError> {
        match self {
            Decoder::Json(json) => json.push(&window),
            Decoder::Form(form) => form.push(&window),
            Decoder::Multipart(multipart) => multipart.push(window),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        match self {
            Decoder::Json(json) => json.finish(),
            Decoder::Form(form) => form.finish(),
            Decoder::Multipart(multipart) => multipart.finish(),
        }
    }

    fn fields(&mut self) -> &mut Fields {
        match self {
            Decoder::Json(json) => &mut json.fields,
            Decoder::Form(form) => &mut form.fields,
            Decoder::Multipart(multipart) => &mut multipart.fields,
        }
    }

    pub(crate) fn events(&mut self) -> &mut VecDeque<Event> {
        &mut self.fields().events
    }

    /// Bytes of memory held, for the tests of invariant 9.
    #[cfg(test)]
    pub(crate) fn held(&mut self) -> usize {
        match self {
            Decoder::Multipart(multipart) => multipart.held(),
            other => other.fields().held(),
        }
    }
}
