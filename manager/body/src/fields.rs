//! Which fields of an upload have been seen, and the texts of the short ones.

use std::collections::VecDeque;

use crate::b64::Decoder;
use crate::event::{BodyError, Event};

/// Bytes of a text field that are kept. The name's own limit is smaller and is
/// checked where names are parsed; this one only bounds memory (invariant 9).
pub(crate) const TEXT_LIMIT: usize = 4096;

/// The fields that mean something; all others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Filename,
    File,
    ContentType,
    Other,
}

impl Field {
    /// Longest name of a field that means something.
    pub(crate) const LONGEST_NAME: usize = 12;

    pub(crate) fn named(name: &[u8]) -> Field {
        match name {
            b"filename" => Field::Filename,
            b"file" => Field::File,
            b"content_type" => Field::ContentType,
            _ => Field::Other,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Filename => "filename",
            Field::File => "file",
            Field::ContentType => "content_type",
            Field::Other => "body",
        }
    }

    pub(crate) fn invalid(self, reason: impl Into<String>) -> BodyError {
        BodyError::Invalid {
            field: self.name(),
            reason: reason.into(),
        }
    }
}

/// What the three decoders share: fields seen, the field being read, and the
/// events that wait to be taken.
#[derive(Default)]
pub(crate) struct Fields {
    filename: bool,
    file: bool,
    content_type: bool,
    text: Vec<u8>,
    base64: Decoder,
    pub(crate) events: VecDeque<Event>,
}

impl Fields {
    /// Begins a field; each may come once.
    pub(crate) fn open(&mut self, field: Field) -> Result<(), BodyError> {
        let seen = match field {
            Field::Filename => &mut self.filename,
            Field::File => &mut self.file,
            Field::ContentType => &mut self.content_type,
            Field::Other => return Ok(()),
        };
        if std::mem::replace(seen, true) {
            return Err(field.invalid("given twice"));
        }
        Ok(())
    }

    /// More of the value: text of a short field, base64 of the file.
    pub(crate) fn value(&mut self, field: Field, run: &[u8]) -> Result<(), BodyError> {
        match field {
            Field::Filename | Field::ContentType => {
                if run.len() > TEXT_LIMIT - self.text.len() {
                    return Err(field.invalid(match field {
                        Field::Filename => "longer than the limit of 255 bytes".to_owned(),
                        _ => format!("longer than {TEXT_LIMIT} bytes"),
                    }));
                }
                self.text.extend_from_slice(run);
                Ok(())
            }
            Field::File => self
                .base64
                .feed(run, &mut self.events)
                .map_err(|e| field.invalid(e.to_string())),
            Field::Other => Ok(()),
        }
    }

    /// Ends the value of `field`.
    pub(crate) fn close(&mut self, field: Field) -> Result<(), BodyError> {
        match field {
            Field::Filename | Field::ContentType => {
                let text = String::from_utf8(std::mem::take(&mut self.text))
                    .map_err(|_| field.invalid("not valid UTF-8"))?;
                self.events.push_back(match field {
                    Field::Filename => Event::Filename(text),
                    _ => Event::ContentType(text),
                });
                Ok(())
            }
            Field::File => self
                .base64
                .finish(&mut self.events)
                .map_err(|e| field.invalid(e.to_string())),
            Field::Other => Ok(()),
        }
    }

    /// End of a piece of the body: decoded bytes don't wait for the next one.
    pub(crate) fn flush(&mut self) -> Result<(), BodyError> {
        self.base64
            .flush(&mut self.events)
            .map_err(|e| Field::File.invalid(e.to_string()))
    }

    /// Whether the field has come.
    pub(crate) fn seen(&self, field: Field) -> bool {
        match field {
            Field::Filename => self.filename,
            Field::File => self.file,
            Field::ContentType => self.content_type,
            Field::Other => false,
        }
    }

    /// End of the body: checks that the required fields have come.
    pub(crate) fn finish(&self) -> Result<(), BodyError> {
        for field in [Field::Filename, Field::File] {
            if !self.seen(field) {
                return Err(BodyError::Missing {
                    field: field.name(),
                });
            }
        }
        Ok(())
    }

    /// Bytes of memory held, for the tests of invariant 9.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let queued: usize = self
            .events
            .iter()
            .map(|event| match event {
                Event::Data(bytes) => bytes.len(),
                Event::Filename(text) | Event::ContentType(text) => text.capacity(),
            })
            .sum();
        self.text.capacity() + self.base64.held() + queued
    }
}
