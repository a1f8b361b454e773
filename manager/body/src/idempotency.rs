//! `Idempotency-Key` (the IETF draft of that name): a structured string.

use http::HeaderMap;
use sfv::{BareItem, Item, Parser};

/// Name of the field.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Bytes of a key.
pub const MAX_LEN: usize = 255;

/// A key: 1 to 255 bytes of printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The field is there more than once.
    #[error("Idempotency-Key is given more than once")]
    Repeated,
    /// Neither a quoted string nor a bare word.
    #[error("Idempotency-Key is malformed: a quoted string of printable ASCII is wanted")]
    Malformed,
    /// Empty, or too long.
    #[error("Idempotency-Key must have 1 to {MAX_LEN} bytes")]
    Length,
}

impl IdempotencyKey {
    /// The key of a request, if it has one.
    ///
    /// Many clients leave the quotes out, so a bare word (visible ASCII except
    /// quotes, backslashes, commas and semicolons) is taken as the same key.
    pub fn parse(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, KeyError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(KeyError::Repeated);
        }
        let text = value.to_str().map_err(|_| KeyError::Malformed)?.trim();
        let key = if text.starts_with('"') {
            let item: Item = Parser::new(text).parse().map_err(|_| KeyError::Malformed)?;
            match item.bare_item {
                BareItem::String(key) => key.as_str().to_owned(),
                _ => return Err(KeyError::Malformed),
            }
        } else {
            text.to_owned()
        };
        if key.is_empty() || key.len() > MAX_LEN {
            return Err(KeyError::Length);
        }
        let bare = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(&byte);
        if !text.starts_with('"') && !key.bytes().all(bare) {
            return Err(KeyError::Malformed);
        }
        Ok(Some(IdempotencyKey(key)))
    }

    /// The key, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<Option<String>, KeyError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                IDEMPOTENCY_KEY,
                http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        Ok(IdempotencyKey::parse(&headers)?.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        for (value, key) in [
            (
                "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            ("\"a b, \\\"c\\\"\"", "a b, \"c\""),
            ("\"a\";x=1", "a"),
            (&"k".repeat(255), &"k".repeat(255)),
        ] {
            assert_eq!(parse(&[value]), Ok(Some(key.to_owned())), "{value}");
        }
        assert_eq!(parse(&[]), Ok(None));
    }

    #[test]
    fn bad_keys_are_refused() {
        for (values, error) in [
            (&["a", "b"][..], KeyError::Repeated),
            (&["\"open"], KeyError::Malformed),
            (&["a b"], KeyError::Malformed),
            (&["a,b"], KeyError::Malformed),
            (&["a\"b"], KeyError::Malformed),
            (&["é"], KeyError::Malformed),
            (&["\"é\""], KeyError::Malformed),
            (&[""], KeyError::Length),
            (&["\"\""], KeyError::Length),
            (&[&"k".repeat(256)], KeyError::Length),
        ] {
            assert_eq!(parse(values), Err(error), "{values:?}");
        }
    }
}
