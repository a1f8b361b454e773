//! The file's name in a request's path, decoded by hand: a slash in it, escaped
//! or not, is refused as such, where a router would see another route.

use http::Uri;
use manager_protocol::failure::Failure;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use proto::{Code, FileName};
use std::borrow::Cow;

/// What the path of every file begins with.
pub(super) const FILE: &str = "/file/";

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The name that a path under [`FILE`] stands for.
///
/// # Errors
/// Code 6 with the rule that it breaks.
pub(super) fn in_path(uri: &Uri) -> Result<FileName, Failure> {
    let segment = uri.path().strip_prefix(FILE).unwrap_or_default();
    let invalid = |why: &dyn std::fmt::Display| Failure::new(Code::InvalidRequest).because(why);
    if !well_escaped(segment.as_bytes()) {
        return Err(invalid(
            &"filename: % must be followed by two hex digits, as in %25",
        ));
    }
    match Cow::from(percent_decode(segment.as_bytes())) {
        Cow::Borrowed(_) => FileName::new(segment).map_err(|e| invalid(&e)),
        Cow::Owned(bytes) => FileName::from_bytes(&bytes).map_err(|e| invalid(&e)),
    }
}

/// A name given in a body.
///
/// # Errors
/// Code 6 with the rule that it breaks.
pub(super) fn in_body(name: &str) -> Result<FileName, Failure> {
    FileName::new(name).map_err(|e| Failure::new(Code::InvalidRequest).because(e))
}

/// The path of a file.
pub(super) fn path_of(name: &FileName) -> String {
    format!("{FILE}{}", escaped(name.as_str()))
}

/// Text as it stands in a path segment or a query's value.
pub(super) fn escaped(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

/// Whether each `%` has its two hex digits.
pub(super) fn well_escaped(text: &[u8]) -> bool {
    text.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            text.get(at + 1..at + 3)
                .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(path: &str) -> Result<String, String> {
        let uri: Uri = path.parse().expect("a path");
        match in_path(&uri) {
            Ok(name) => Ok(name.to_string()),
            Err(failure) => {
                assert_eq!(failure.code, Code::InvalidRequest);
                Err(failure.detail.unwrap_or_default())
            }
        }
    }

    #[test]
    fn names_are_decoded_once() {
        for (path, name) in [
            ("/file/a", "a"),
            ("/file/a%20b", "a b"),
            ("/file/a+b", "a+b"),
            ("/file/%2541", "%41"),
            ("/file/100%25", "100%"),
            ("/file/%252F", "%2F"),
            ("/file/%c3%a4", "ä"),
            ("/file/a%3Fb%23c", "a?b#c"),
            ("/file/...", "..."),
            ("/file/a?query=1", "a"),
        ] {
            assert_eq!(decoded(path), Ok(name.to_owned()), "{path}");
        }
    }

    #[test]
    fn what_is_no_name_is_told_by_its_fault() {
        let long = format!("/file/{}", "x".repeat(256));
        for (path, why) in [
            ("/file/", "empty"),
            ("/file/.", "\"..\""),
            ("/file/..", "\"..\""),
            ("/file/%2e%2E", "\"..\""),
            ("/file/a/b", "\"/\""),
            ("/file/a/", "\"/\""),
            ("/file/a%2Fb", "\"/\""),
            ("/file/a%00b", "U+0000"),
            ("/file/%0A", "U+000A"),
            ("/file/%7f", "U+007F"),
            ("/file/%C2%85", "U+0085"),
            ("/file/%FF", "UTF-8"),
            ("/file/%C0%AF", "UTF-8"),
            ("/file/%ED%A0%80", "UTF-8"),
            ("/file/100%", "%25"),
            ("/file/%zz", "%25"),
            (long.as_str(), "255"),
        ] {
            let detail = decoded(path).expect_err(path);
            assert!(detail.contains(why), "{path}: {detail}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_path_that_leads_back(name in "\\PC{1,60}") {
            if let Ok(name) = FileName::new(&name) {
                prop_assert_eq!(decoded(&path_of(&name)), Ok(name.to_string()));
            }
        }
    }
}
