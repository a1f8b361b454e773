//! The upload as `multipart/form-data` (RFC 7578), streamed without a copy.
//!
//! `multer` was tried first. Version 3.1 holds everything before the first
//! boundary and every part's head in memory without a bound, reads its source
//! as fast as that is ready whether or not anyone takes the data, can answer
//! "incomplete" to a body that came in one piece (its issues 62 and 70), and
//! keeps the source to itself after the last boundary, so that a transport
//! error there is lost. Hence this file; heads are parsed by `httparse`,
//! delimiters found by `memchr`.

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;

use crate::event::{BodyError, Event};
use crate::fields::{Field, Fields};
use crate::part_head::PartHead;

/// Bytes of a part's head.
const HEAD_LIMIT: usize = 16 * 1024;

enum State {
    /// Before the first delimiter: ignored, as RFC 2046 asks.
    Preamble,
    /// After a delimiter: `--`, or the end of the line.
    Line,
    Head,
    /// In a part's body, which is the value of this field.
    Body(Field, Form),
    /// After the last delimiter; only white space may come.
    End,
}

/// How a part's body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text of a short field, or base64 of the file.
    Text,
    /// The file's bytes.
    Raw,
}

/// Push parser of one multipart body.
pub(crate) struct Multipart {
    state: State,
    /// CR LF `--` boundary.
    delimiter: Bytes,
    finder: Finder<'static>,
    /// How many bytes of the delimiter the input has matched so far. Only its
    /// first byte is a CR, so what turns out to be no delimiter can't hide the
    /// start of another, and nothing else needs to be held back.
    matched: usize,
    /// The head or the line after a delimiter, until it is whole.
    head: Vec<u8>,
    /// The file part's own name, used if there is no field `filename`.
    part_filename: Option<String>,
    pub(crate) fields: Fields,
}

impl Multipart {
    pub(crate) fn new(boundary: &str) -> Multipart {
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        Multipart {
            state: State::Preamble,
            finder: Finder::new(&delimiter).into_owned(),
            delimiter,
            // A body may begin with the delimiter, without the CR LF.
            matched: 2,
            head: Vec::new(),
            part_filename: None,
            fields: Fields::default(),
        }
    }

    /// Takes the next piece of the body.
    pub(crate) fn push(&mut self, mut chunk: Bytes) -> Result<(), BodyError> {
        while !chunk.is_empty() {
            match self.state {
                State::Preamble | State::Body(..) => self.body(&mut chunk)?,
                State::Line => self.line(&mut chunk)?,
                State::Head => self.head(&mut chunk)?,
                State::End => {
                    if !chunk.iter().all(|byte| b" \t\r\n".contains(byte)) {
                        return Err(Field::Other.invalid("data after the last boundary"));
                    }
                    chunk.clear();
                }
            }
        }
        self.fields.flush()
    }

    /// The body has ended.
    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        if !matches!(self.state, State::End) {
            return Err(Field::Other.invalid("ends before the closing boundary"));
        }
        if !self.fields.seen(Field::Filename)
            && let Some(name) = self.part_filename.take()
        {
            self.fields.open(Field::Filename)?;
            self.fields.value(Field::Filename, name.as_bytes())?;
            self.fields.close(Field::Filename)?;
        }
        self.fields.finish()
    }

    /// Bytes of memory held, for the tests of invariant 9.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.head.capacity() + self.delimiter.len() * 2 + self.fields.held()
    }

    /// Hands on data up to the next delimiter.
    fn body(&mut self, chunk: &mut Bytes) -> Result<(), BodyError> {
        if self.matched > 0 {
            let wanted = &self.delimiter[self.matched..];
            let common = wanted
                .iter()
                .zip(chunk.iter())
                .take_while(|(a, b)| a == b)
                .count();
            if common == wanted.len() {
                chunk.advance(common);
                return self.delimited();
            }
            if common == chunk.len() {
                self.matched += common;
                chunk.clear();
                return Ok(());
            }
            let held = self.delimiter.slice(..self.matched);
            self.matched = 0;
            return self.data(held);
        }
        if let Some(at) = self.finder.find(chunk) {
            let data = chunk.split_to(at);
            chunk.advance(self.delimiter.len());
            self.data(data)?;
            return self.delimited();
        }
        let tail = chunk.len().saturating_sub(self.delimiter.len() - 1);
        if let Some(at) = memchr::memrchr(b'\r', &chunk[tail..])
            && self.delimiter.starts_with(&chunk[tail + at..])
        {
            self.matched = chunk.len() - tail - at;
            chunk.truncate(tail + at);
        }
        self.data(std::mem::take(chunk))
    }

    fn data(&mut self, data: Bytes) -> Result<(), BodyError> {
        match self.state {
            State::Body(_, Form::Raw) => {
                if !data.is_empty() {
                    self.fields.events.push_back(Event::Data(data));
                }
                Ok(())
            }
            State::Body(field, Form::Text) => self.fields.value(field, &data),
            _ => Ok(()),
        }
    }

    /// A delimiter was found: the part, if one was open, is complete.
    fn delimited(&mut self) -> Result<(), BodyError> {
        self.matched = 0;
        if let State::Body(field, Form::Text) = self.state {
            self.fields.close(field)?;
        }
        self.state = State::Line;
        Ok(())
    }

    /// What follows a delimiter on its line: `--` ends the body, white space
    /// and CR LF begin a part.
    fn line(&mut self, chunk: &mut Bytes) -> Result<(), BodyError> {
        let byte = chunk.get_u8();
        match (self.head.last(), byte) {
            (None, b' ' | b'\t') => {}
            (None, b'-' | b'\r') => self.head.push(byte),
            (Some(b'-'), b'-') => {
                self.head.clear();
                self.state = State::End;
            }
            (Some(b'\r'), b'\n') => {
                // The head ends at an empty line, which may be its first.
                self.head.clear();
                self.state = State::Head;
            }
            _ => return Err(Field::Other.invalid("a boundary is not alone on its line")),
        }
        Ok(())
    }

    fn head(&mut self, chunk: &mut Bytes) -> Result<(), BodyError> {
        // The empty line may straddle two pieces: search from three bytes back.
        let from = self.head.len().saturating_sub(3);
        let take = chunk.len().min(HEAD_LIMIT - self.head.len());
        self.head.extend_from_slice(&chunk[..take]);
        let before = self.head.len() - take;
        let end = if self.head.starts_with(b"\r\n") {
            2
        } else if let Some(at) = memchr::memmem::find(&self.head[from..], b"\r\n\r\n") {
            from + at + 4
        } else if self.head.len() == HEAD_LIMIT {
            return Err(Field::Other.invalid(format!("a part's head is over {HEAD_LIMIT} bytes")));
        } else {
            chunk.clear();
            return Ok(());
        };
        chunk.advance(end - before);
        self.head.truncate(end);
        let head = PartHead::parse(&self.head)?;
        self.head.clear();
        self.open(head)
    }

    /// Begins a part's body. A file part with a file name is raw bytes, as
    /// browsers and curl send it; without one it is a text field, so base64.
    /// A Content-Transfer-Encoding overrides either.
    fn open(&mut self, head: PartHead) -> Result<(), BodyError> {
        let field = Field::named(head.name.as_bytes());
        self.fields.open(field)?;
        let form = match (field, head.transfer_encoding.as_deref()) {
            (Field::File, Some("binary")) => Form::Raw,
            (Field::File, Some("base64")) => Form::Text,
            (Field::File, None | Some("7bit" | "8bit")) if head.filename.is_some() => Form::Raw,
            (_, None | Some("7bit" | "8bit" | "binary")) | (Field::Other, _) => Form::Text,
            (_, Some(other)) => {
                return Err(field.invalid(format!("Content-Transfer-Encoding {other:?}")));
            }
        };
        self.state = State::Body(field, form);
        // An empty body has the delimiter's CR LF right after the head.
        if field == Field::File {
            self.part_filename = head.filename;
            if let Some(given) = head.content_type
                && !self.fields.seen(Field::ContentType)
                // On a text part this is what libraries add by themselves; it
                // describes the base64 text and not the file.
                && !(form == Form::Text && given.to_ascii_lowercase().starts_with("text/plain"))
            {
                self.fields.events.push_back(Event::ContentType(given));
            }
        }
        Ok(())
    }
}
