//! The head of one part of a multipart upload: what the part is called and how
//! its body is written.

use percent_encoding::percent_decode_str;

use crate::event::BodyError;
use crate::fields::Field;

/// Header fields in the head of a part.
const MAX_FIELDS: usize = 16;

/// What the head of a part says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PartHead {
    pub(crate) name: String,
    /// From `filename*`, or else `filename`.
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Lower case.
    pub(crate) transfer_encoding: Option<String>,
}

impl PartHead {
    /// Parses a head that ends in an empty line.
    pub(crate) fn parse(head: &[u8]) -> Result<PartHead, BodyError> {
        let bad = |what: &str| Field::Other.invalid(format!("a part's head: {what}"));
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let fields = match httparse::parse_headers(head, &mut fields) {
            Ok(httparse::Status::Complete((_, fields))) => fields,
            Ok(httparse::Status::Partial) => return Err(bad("not complete")),
            Err(error) => return Err(bad(&error.to_string())),
        };
        let (mut part, mut disposed) = (PartHead::default(), false);
        for field in fields {
            let text = || {
                str::from_utf8(field.value)
                    .map(str::trim)
                    .map_err(|_| bad(&format!("{} is not valid UTF-8", field.name)))
            };
            if field.name.eq_ignore_ascii_case("content-disposition") {
                disposed = true;
                part.disposition(text()?)?;
            } else if field.name.eq_ignore_ascii_case("content-type") {
                part.content_type = Some(text()?.to_owned());
            } else if field.name.eq_ignore_ascii_case("content-transfer-encoding") {
                part.transfer_encoding = Some(text()?.to_ascii_lowercase());
            }
        }
        if !disposed {
            return Err(bad("no Content-Disposition"));
        }
        Ok(part)
    }

    fn disposition(&mut self, value: &str) -> Result<(), BodyError> {
        let bad = || Field::Other.invalid("a part's Content-Disposition is malformed");
        let (kind, mut rest) = value.split_once(';').unwrap_or((value, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(Field::Other.invalid("a part's Content-Disposition is not form-data"));
        }
        let (mut name, mut extended) = (None, None);
        while !rest.trim().is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(bad)?;
            let (text, after) = parameter(after.trim_start()).ok_or_else(bad)?;
            match key.trim().to_ascii_lowercase().as_str() {
                "name" => name = Some(text),
                "filename" => self.filename = Some(text.replace("%22", "\"")),
                "filename*" => extended = Some(extended_value(&text).ok_or_else(bad)?),
                _ => {}
            }
            rest = after;
        }
        self.name = name.ok_or_else(bad)?;
        self.filename = extended.or(self.filename.take());
        Ok(())
    }
}

/// One parameter's value, and what follows its `;`.
///
/// In quotes only `\"` and `\\` are escapes: browsers write a quote as `%22`
/// and leave backslashes alone, and old browsers send whole Windows paths.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((token.trim_end().to_owned(), rest));
    };
    let (mut value, mut chars) = (String::new(), quoted.char_indices().peekable());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                let rest = quoted[at + 1..].trim_start();
                return match rest.strip_prefix(';') {
                    Some(rest) => Some((value, rest)),
                    None if rest.is_empty() => Some((value, "")),
                    None => None,
                };
            }
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, next)) => value.push(next),
                None => value.push('\\'),
            },
            _ => value.push(char),
        }
    }
    None
}

/// RFC 8187: `UTF-8''percent%20encoded`. RFC 7578 forbids it here, some
/// libraries send it all the same.
fn extended_value(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, value) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(value)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

#[cfg(test)]
mod tests;
