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
mod tests;
