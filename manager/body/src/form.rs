//! The upload as `application/x-www-form-urlencoded`, streamed.
//!
//! In this encoding a `+` is a space, and a base64 text is full of `+` that
//! clients forget to write as `%2B`. So in `file`, and only there, a raw `+` is
//! a `+`. Where that could be wrong the upload is refused, because a file that
//! differs in silence is the worst outcome:
//! - a space (raw or `%20`) may be a `+` that something decoded on the way, or
//!   white space;
//! - a raw `+` beside a `%2B` or `%2F`: this client does escape, so its `+` may
//!   be an encoded space.
//!
//! Line breaks and tabs, raw or escaped, are skipped as in every base64 text.

use crate::event::BodyError;
use crate::fields::{Field, Fields};

const AMBIGUOUS: &str =
    "a space and '+' cannot be told apart here: write '+' as %2B, and no spaces";

#[derive(Default)]
enum Percent {
    #[default]
    None,
    Begun,
    High(u8),
}

/// Push parser of one form body.
#[derive(Default)]
pub(crate) struct Form {
    /// The field whose value is being read; none while a name is read.
    value_of: Option<Field>,
    name: Vec<u8>,
    percent: Percent,
    raw_plus: bool,
    escaped: bool,
    pub(crate) fields: Fields,
}

impl Form {
    /// Takes the next piece of the body.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        let mut rest = chunk;
        while let Some(&first) = rest.first() {
            if !matches!(self.percent, Percent::None) {
                self.digit(first)?;
                rest = &rest[1..];
                continue;
            }
            let end = match self.value_of {
                Some(_) => memchr::memchr2(b'&', b'%', rest),
                None => memchr::memchr3(b'&', b'%', b'=', rest),
            };
            let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
            if !run.is_empty() {
                self.run(run)?;
            }
            rest = after;
            if let [b'%', high, low, after @ ..] = rest {
                // A whole escape at once; the states are for escapes that are
                // cut apart.
                self.percent = Percent::Begun;
                self.digit(*high)?;
                self.digit(*low)?;
                rest = after;
            } else if let Some((&special, after)) = rest.split_first() {
                self.special(special)?;
                rest = after;
            }
        }
        self.fields.flush()
    }

    /// The body has ended.
    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        if !matches!(self.percent, Percent::None) {
            return Err(self.field().invalid("ends within a percent-escape"));
        }
        self.special(b'&')?;
        self.fields.finish()
    }

    fn field(&self) -> Field {
        self.value_of.unwrap_or(Field::Other)
    }

    fn special(&mut self, byte: u8) -> Result<(), BodyError> {
        match (byte, self.value_of) {
            (b'%', _) => self.percent = Percent::Begun,
            (b'=', _) => self.open()?,
            // `&`: a name without `=` has an empty value, and no name at all
            // is no field.
            (_, None) if self.name.is_empty() => {}
            (_, None) => {
                self.open()?;
                self.close()?;
            }
            (_, Some(_)) => self.close()?,
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), BodyError> {
        let field = Field::named(&self.name);
        self.name.clear();
        self.value_of = Some(field);
        self.fields.open(field)
    }

    fn close(&mut self) -> Result<(), BodyError> {
        match self.value_of.take() {
            Some(field) => self.fields.close(field),
            None => Ok(()),
        }
    }

    /// Bytes without `&` and `%`.
    fn run(&mut self, run: &[u8]) -> Result<(), BodyError> {
        match self.value_of {
            Some(Field::Other) => Ok(()),
            Some(Field::File) => {
                if memchr::memchr(b' ', run).is_some() {
                    return Err(Field::File.invalid(AMBIGUOUS));
                }
                // Once seen, a `+` need not be searched for again.
                self.raw_plus = self.raw_plus || memchr::memchr(b'+', run).is_some();
                self.unambiguous()?;
                self.fields.value(Field::File, run)
            }
            Some(field) => {
                for part in run.split_inclusive(|byte| *byte == b'+') {
                    match part.split_last() {
                        Some((b'+', text)) => {
                            self.fields.value(field, text)?;
                            self.fields.value(field, b" ")?;
                        }
                        _ => self.fields.value(field, part)?,
                    }
                }
                Ok(())
            }
            None => {
                self.name_run(run);
                Ok(())
            }
        }
    }

    /// A name too long to mean anything is cut. No name that means something
    /// has a space, so `+` may stay.
    fn name_run(&mut self, run: &[u8]) {
        let room = Field::LONGEST_NAME + 1 - self.name.len();
        self.name.extend_from_slice(&run[..run.len().min(room)]);
    }

    fn digit(&mut self, byte: u8) -> Result<(), BodyError> {
        let Some(digit) = (byte as char).to_digit(16) else {
            return Err(self.field().invalid("'%' without two hexadecimal digits"));
        };
        let digit = digit as u8;
        match std::mem::take(&mut self.percent) {
            Percent::High(high) => self.escape(high << 4 | digit),
            _ => {
                self.percent = Percent::High(digit);
                Ok(())
            }
        }
    }

    fn escape(&mut self, byte: u8) -> Result<(), BodyError> {
        match (self.value_of, byte) {
            (Some(Field::File), b' ') => Err(Field::File.invalid(AMBIGUOUS)),
            (Some(Field::File), b'\n' | b'\r' | b'\t') => Ok(()),
            (Some(Field::File), _) => {
                self.escaped = self.escaped || matches!(byte, b'+' | b'/');
                self.unambiguous()?;
                self.fields.value(Field::File, &[byte])
            }
            (Some(field), _) => self.fields.value(field, &[byte]),
            (None, _) => {
                self.name_run(&[byte]);
                Ok(())
            }
        }
    }

    fn unambiguous(&self) -> Result<(), BodyError> {
        if self.raw_plus && self.escaped {
            return Err(Field::File.invalid(AMBIGUOUS));
        }
        Ok(())
    }
}
