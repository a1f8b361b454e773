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
    in_segment(uri.path().strip_prefix(FILE).unwrap_or_default())
}

fn in_segment(segment: &str) -> Result<FileName, Failure> {
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

/// What follows a file's path where a link to it is asked for.
const LINK: &str = "/link";

/// Whether a path asks for a link: no name has a slash.
pub(super) fn asks_for_link(path: &str) -> bool {
    let segment = path
        .strip_prefix(FILE)
        .and_then(|rest| rest.strip_suffix(LINK));
    segment.is_some_and(|segment| !segment.contains('/'))
}

/// The name in a path that asks for a link.
///
/// # Errors
/// As [`in_path`].
pub(super) fn in_link_path(uri: &Uri) -> Result<FileName, Failure> {
    let path = uri.path().strip_suffix(LINK).unwrap_or_default();
    in_segment(path.strip_prefix(FILE).unwrap_or_default())
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
