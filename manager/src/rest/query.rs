//! The query of `GET /files`.

use super::name::well_escaped;
use manager_protocol::failure::Failure;
use percent_encoding::percent_decode;
use proto::Code;

/// Files on a page without a `limit`.
pub(super) const DEFAULT_LIMIT: usize = 1000;
/// Files on a page at the most.
pub(super) const MAX_LIMIT: usize = 10_000;
/// Characters of `prefix` and `after`: no name has more. Counted as schemas
/// count; what is longer in bytes than any name simply finds nothing.
pub(super) const MAX_TEXT: usize = proto::FileName::MAX_BYTES;

/// What a listing is to contain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListQuery {
    /// What the names begin with.
    pub(super) prefix: String,
    /// The listing begins after this name.
    pub(super) after: Option<String>,
    /// How many, if given.
    pub(super) limit: Option<usize>,
}

impl ListQuery {
    /// Reads a query string; fields unknown are ignored. `+` is a space, as in
    /// every form.
    ///
    /// # Errors
    /// Code 6, naming the field.
    pub(super) fn parse(query: &str) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let (mut prefix, mut after) = (None, None);
        for pair in query.split('&') {
            let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
            match field {
                "prefix" => once("prefix", &mut prefix, text("prefix", value)?)?,
                "after" => once("after", &mut after, text("after", value)?)?,
                "limit" => once("limit", &mut parsed.limit, limit(value)?)?,
                _ => {}
            }
        }
        parsed.prefix = prefix.unwrap_or_default();
        parsed.after = after.filter(|name| !name.is_empty());
        Ok(parsed)
    }
}

/// A number in decimal digits and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Fills a field that may stand once.
pub(super) fn once<T>(field: &str, slot: &mut Option<T>, value: T) -> Result<(), Failure> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(field, "is given twice")),
    }
}

fn limit(value: &str) -> Result<usize, Failure> {
    match value.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(invalid(
            "limit",
            &format!("must be a number from 1 to {MAX_LIMIT}"),
        )),
    }
}

/// A value as text.
pub(super) fn text(field: &str, value: &str) -> Result<String, Failure> {
    let spaced = value.replace('+', " ");
    if !well_escaped(spaced.as_bytes()) {
        return Err(invalid(field, "% must be followed by two hex digits"));
    }
    let text = percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map_err(|_| invalid(field, "must be valid UTF-8"))?;
    if text.chars().count() > MAX_TEXT {
        let why = format!("is longer than {MAX_TEXT} characters");
        return Err(invalid(field, &why));
    }
    Ok(text.into_owned())
}

/// What is wrong with a field.
pub(super) fn invalid(field: &str, why: &str) -> Failure {
    Failure::new(Code::InvalidRequest).because(format_args!("{field}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let all = ListQuery::parse("prefix=a%20b&after=a+b%2B&limit=7&x=%zz").expect("good");
        let wanted = ListQuery {
            prefix: "a b".to_owned(),
            after: Some("a b+".to_owned()),
            limit: Some(7),
        };
        assert_eq!(all, wanted);
        assert_eq!(ListQuery::parse("").ok(), Some(ListQuery::default()));
        assert_eq!(
            ListQuery::parse("after=&prefix=").ok(),
            Some(ListQuery::default())
        );
    }

    #[test]
    fn text_is_bounded_by_its_characters() {
        let long = format!("prefix={}", "%c3%a4".repeat(MAX_TEXT));
        assert!(ListQuery::parse(&long).is_ok());
        assert!(ListQuery::parse(&format!("{long}x")).is_err());
    }

    #[test]
    fn a_bad_field_is_named() {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=", "limit"),
            ("limit=10001", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("prefix=%FF", "prefix"),
            ("after=%", "after"),
            ("prefix=a&prefix=b", "prefix"),
        ] {
            let failure = ListQuery::parse(query).expect_err(query);
            assert_eq!(failure.code, Code::InvalidRequest);
            assert!(
                failure.detail.expect("a detail").starts_with(field),
                "{query}"
            );
        }
    }
}
