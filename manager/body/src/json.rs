//! The JSON upload: `{"filename": "…", "file": "<base64>"}`, fields in either
//! order, the file streamed.
//!
//! The streaming JSON readers on crates.io either hold a whole string before
//! they hand it on (`actson`, `json-event-parser`, `jiter`) or pull from a
//! blocking reader (`struson`), which would cost a thread an upload. Hence this
//! small state machine; it is fed and never waits.

use crate::event::BodyError;
use crate::fields::{Field, Fields};
use crate::json_skip::{Skip, Step};
use crate::json_string::{Lexer, Piece, Utf8};

enum State {
    Start,
    FirstKey,
    Key,
    InKey,
    Colon,
    Value(Field),
    InText(Field),
    Skip,
    InSkip,
    After,
    End,
}

/// Push parser of one upload body.
pub(crate) struct Json {
    state: State,
    /// The ignored value, while one is being read.
    skip: Skip,
    lexer: Lexer,
    utf8: Utf8,
    /// The key being read; a key too long to mean anything is cut.
    key: Vec<u8>,
    /// Bytes of the body before the current piece.
    before: u64,
    pub(crate) fields: Fields,
}

impl Json {
    pub(crate) fn new() -> Json {
        Json {
            state: State::Start,
            skip: Skip::new(),
            lexer: Lexer::default(),
            utf8: Utf8::default(),
            key: Vec::new(),
            before: 0,
            fields: Fields::default(),
        }
    }

    /// Takes the next piece of the body.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        let mut rest = chunk;
        while !rest.is_empty() {
            self.step(&mut rest).map_err(|fault| match fault {
                Fault::Body(error) => error,
                Fault::Syntax(what) => {
                    let at = self.before + (chunk.len() - rest.len()) as u64;
                    Field::Other.invalid(format!("not valid JSON at byte {at}: {what}"))
                }
            })?;
        }
        self.before += chunk.len() as u64;
        self.fields.flush()
    }

    /// The body has ended.
    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::End => self.fields.finish(),
            State::Start => Err(Field::Other.invalid("empty; a JSON object is wanted")),
            _ => Err(Field::Other.invalid("the JSON object is not complete")),
        }
    }

    fn step(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        match self.state {
            State::InKey => return self.key(rest),
            State::InText(field) => return self.text(field, rest),
            State::InSkip => return self.skipped_text(rest),
            State::Skip => match self.skip.step(rest[0])? {
                Step::More => {}
                Step::Text => self.state = State::InSkip,
                Step::Done => self.state = State::After,
                Step::DoneBefore => {
                    self.state = State::After;
                    return Ok(());
                }
            },
            _ => self.between(rest[0])?,
        }
        *rest = &rest[1..];
        Ok(())
    }

    /// A byte outside of strings and ignored values.
    fn between(&mut self, byte: u8) -> Result<(), Fault> {
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return Ok(());
        }
        self.state = match (&self.state, byte) {
            (State::Start, b'{') => State::FirstKey,
            (State::Start, _) => return Err("an object is wanted".into()),
            (State::FirstKey, b'}') | (State::After, b'}') => State::End,
            (State::FirstKey | State::Key, b'"') => {
                self.key.clear();
                State::InKey
            }
            (State::FirstKey | State::Key, _) => return Err("a key is wanted".into()),
            (State::Colon, b':') => {
                let field = Field::named(&self.key);
                self.fields.open(field)?;
                State::Value(field)
            }
            (State::Colon, _) => return Err("':' is wanted".into()),
            (State::Value(field), _) => self.value(*field, byte)?,
            (State::After, b',') => State::Key,
            (State::After, _) => return Err("',' or '}' is wanted".into()),
            _ => return Err("data after the end of the object".into()),
        };
        Ok(())
    }

    fn value(&mut self, field: Field, byte: u8) -> Result<State, Fault> {
        if field == Field::Other {
            self.skip = Skip::new();
            return Ok(match self.skip.step(byte)? {
                Step::Text => State::InSkip,
                _ => State::Skip,
            });
        }
        let kind = match byte {
            b'"' => return Ok(State::InText(field)),
            b'{' => "an object",
            b'[' => "an array",
            b't' | b'f' => "a boolean",
            // A client may send null for what an answer leaves out.
            b'n' if field == Field::ContentType => {
                return self.value(Field::Other, byte);
            }
            b'n' => "null",
            b'-' | b'0'..=b'9' => "a number",
            _ => return Err("a value is wanted".into()),
        };
        Err(field
            .invalid(format!("must be a string, not {kind}"))
            .into())
    }

    fn key(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        let mut char = [0; 4];
        let run = match self.lexer.next(rest)? {
            None => return Ok(()),
            Some(Piece::End) => {
                self.end_text()?;
                self.state = State::Colon;
                return Ok(());
            }
            Some(Piece::Run(run)) => self.checked(run)?,
            // An escape may stand for a control character.
            Some(Piece::Char(c)) => self.utf8(c.encode_utf8(&mut char).as_bytes())?,
            // Makes the key an unknown one.
            Some(Piece::Lone) => b"\\",
        };
        let room = Field::LONGEST_NAME + 1 - self.key.len();
        self.key.extend_from_slice(&run[..run.len().min(room)]);
        Ok(())
    }

    fn text(&mut self, field: Field, rest: &mut &[u8]) -> Result<(), Fault> {
        if field == Field::File && self.lexer.at_rest() {
            // The escapes that are frequent in base64; they need not pass
            // through the lexer one by one.
            while let Some(after) = strip(rest, b"\\r\\n").or_else(|| strip(rest, b"\\n")) {
                *rest = after;
            }
            if let Some(after) = strip(rest, b"\\/") {
                *rest = after;
                return Ok(self.fields.value(field, b"/")?);
            }
        }
        match self.lexer.next(rest)? {
            None => {}
            Some(Piece::End) => {
                if field != Field::File {
                    self.end_text()?;
                }
                self.fields.close(field)?;
                self.state = State::After;
            }
            // Raw line breaks are no JSON, but base64 pasted into a template
            // has them, and skipping them can't change a byte of the file. The
            // base64 decoder refuses all else that is wrong here.
            Some(Piece::Run(run)) if field == Field::File => self.fields.value(field, run)?,
            Some(Piece::Run(run)) => {
                let run = self.checked(run)?;
                self.fields.value(field, run)?;
            }
            Some(Piece::Char('\n' | '\r' | '\t')) if field == Field::File => {}
            Some(Piece::Char(char)) => {
                self.fields
                    .value(field, char.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
            Some(Piece::Lone) => return Err(field.invalid("half a surrogate pair").into()),
        }
        Ok(())
    }

    fn skipped_text(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        match self.lexer.next(rest)? {
            Some(Piece::End) => {
                self.end_text()?;
                self.state = if self.skip.text_done() {
                    State::After
                } else {
                    State::Skip
                };
            }
            Some(Piece::Run(run)) => {
                self.checked(run)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A run of a string, if it is UTF-8 without control characters.
    fn checked<'a>(&mut self, run: &'a [u8]) -> Result<&'a [u8], Fault> {
        if run.iter().any(|byte| *byte < 0x20) {
            return Err("a control character in a string".into());
        }
        self.utf8(run)
    }

    fn utf8<'a>(&mut self, run: &'a [u8]) -> Result<&'a [u8], Fault> {
        match self.utf8.run(run) {
            true => Ok(run),
            false => Err("a string is not valid UTF-8".into()),
        }
    }

    fn end_text(&mut self) -> Result<(), Fault> {
        if self.utf8.whole() {
            Ok(())
        } else {
            Err("a string is not valid UTF-8".into())
        }
    }
}

fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(prefix)
}

/// Why a body is refused; to an error of syntax the caller adds its place.
enum Fault {
    Syntax(&'static str),
    Body(BodyError),
}

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Fault {
        Fault::Syntax(what)
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Fault {
        Fault::Body(error)
    }
}
