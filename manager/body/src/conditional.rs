//! Conditional requests: evaluation of the preconditions in the order of
//! RFC 9110, section 13.2.2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderName, Method};

/// What the current representation can be compared by.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// The strong entity tags with their quotes, as in the `ETag` field: one for a
    /// read; for a change, which concerns all forms of the file, one for each form.
    pub etags: &'a [&'a str],
    /// When the file was made; parts of a second don't count.
    pub last_modified: SystemTime,
}

/// What the preconditions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Go on with the method.
    Proceed {
        /// Whether a `Range` field, if there is one, is to be honoured. Only a
        /// GET has ranges.
        range_applies: bool,
    },
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates the preconditions of a request. `current` is `None` when there is
/// no such file.
pub fn evaluate(method: &Method, headers: &HeaderMap, current: Option<Validators<'_>>) -> Outcome {
    let reading = matches!(*method, Method::GET | Method::HEAD);
    // Steps 1 and 2.
    if headers.contains_key(IF_MATCH) {
        if !matches_any(headers, IF_MATCH, current, strong) {
            return Outcome::PreconditionFailed;
        }
    } else if let (Some(date), Some(current)) = (date(headers, IF_UNMODIFIED_SINCE), current)
        && seconds(current.last_modified) > seconds(date)
    {
        return Outcome::PreconditionFailed;
    }
    // Steps 3 and 4.
    if headers.contains_key(IF_NONE_MATCH) {
        if matches_any(headers, IF_NONE_MATCH, current, weak) {
            return if reading {
                Outcome::NotModified
            } else {
                Outcome::PreconditionFailed
            };
        }
    } else if let (true, Some(date), Some(current)) =
        (reading, date(headers, IF_MODIFIED_SINCE), current)
        && seconds(current.last_modified) <= seconds(date)
    {
        return Outcome::NotModified;
    }
    // Step 5.
    let range_applies = *method == Method::GET
        && headers.contains_key(RANGE)
        && current.is_some_and(|current| if_range(headers, current));
    Outcome::Proceed { range_applies }
}

/// Whether the parts that the client has come from this very representation. A
/// date never proves that: a name may be deleted and given to another file
/// within one second, so that no date is a strong validator (section 8.8.2.2).
fn if_range(headers: &HeaderMap, current: Validators<'_>) -> bool {
    let Some(value) = headers.get(IF_RANGE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    current.etags.iter().any(|own| strong(value.trim(), own))
}

fn matches_any(
    headers: &HeaderMap,
    name: HeaderName,
    current: Option<Validators<'_>>,
    same: fn(&str, &str) -> bool,
) -> bool {
    let Some(current) = current else { return false };
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| {
            list.trim() == "*"
                || entity_tags(list).any(|tag| current.etags.iter().any(|own| same(tag, own)))
        })
}

/// The entity tags of a list. A tag may hold commas, so it is cut at quotes;
/// the list ends where it is malformed.
fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let open = if rest.starts_with("W/") { 2 } else { 0 };
        let opaque = rest.get(open..)?.strip_prefix('"')?;
        let end = open + 1 + opaque.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

fn strong(given: &str, own: &str) -> bool {
    !given.starts_with("W/") && given == own
}

fn weak(given: &str, own: &str) -> bool {
    given.trim_start_matches("W/") == own.trim_start_matches("W/")
}

/// A malformed or repeated date counts as none.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const PROCEED: Outcome = Outcome::Proceed {
        range_applies: false,
    };
    const RANGED: Outcome = Outcome::Proceed {
        range_applies: true,
    };

    fn ask(method: &Method, fields: &[(&str, &str)], exists: bool) -> Outcome {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let current = Validators {
            etags: &["\"a,b\"", "\"json\""],
            last_modified: httpdate::parse_http_date(SAME).unwrap() + Duration::from_millis(900),
        };
        evaluate(method, &headers, exists.then_some(current))
    }

    #[test]
    fn preconditions_of_a_get() {
        for (fields, outcome) in [
            (&[][..], PROCEED),
            (&[("if-match", "\"a,b\"")], PROCEED),
            (&[("if-match", "\"x\", \"a,b\"")], PROCEED),
            (&[("if-match", "*")], PROCEED),
            (&[("if-match", "\"x\"")], Outcome::PreconditionFailed),
            (&[("if-match", "W/\"a,b\"")], Outcome::PreconditionFailed),
            (&[("if-match", "garbage")], Outcome::PreconditionFailed),
            (&[("if-unmodified-since", SAME)], PROCEED),
            (&[("if-unmodified-since", AFTER)], PROCEED),
            (
                &[("if-unmodified-since", BEFORE)],
                Outcome::PreconditionFailed,
            ),
            (&[("if-unmodified-since", "yesterday")], PROCEED),
            // If-Match takes precedence.
            (
                &[("if-match", "*"), ("if-unmodified-since", BEFORE)],
                PROCEED,
            ),
            (&[("if-none-match", "\"a,b\"")], Outcome::NotModified),
            (&[("if-none-match", "W/\"a,b\"")], Outcome::NotModified),
            (&[("if-none-match", "*")], Outcome::NotModified),
            (&[("if-none-match", "\"x\",\"y\"")], PROCEED),
            (
                &[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")],
                Outcome::NotModified,
            ),
            (&[("if-modified-since", SAME)], Outcome::NotModified),
            (&[("if-modified-since", AFTER)], Outcome::NotModified),
            (&[("if-modified-since", BEFORE)], PROCEED),
            (
                &[("if-modified-since", SAME), ("if-modified-since", SAME)],
                PROCEED,
            ),
            // If-None-Match takes precedence.
            (
                &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
                PROCEED,
            ),
            // 412 comes before 304.
            (
                &[("if-match", "\"x\""), ("if-none-match", "*")],
                Outcome::PreconditionFailed,
            ),
        ] {
            assert_eq!(ask(&Method::GET, fields, true), outcome, "{fields:?}");
            assert_eq!(ask(&Method::HEAD, fields, true), outcome, "HEAD {fields:?}");
        }
    }

    #[test]
    fn preconditions_of_other_methods() {
        for (method, fields, exists, outcome) in [
            (
                Method::PUT,
                ("if-none-match", "*"),
                true,
                Outcome::PreconditionFailed,
            ),
            (Method::PUT, ("if-none-match", "*"), false, PROCEED),
            (
                Method::PUT,
                ("if-match", "*"),
                false,
                Outcome::PreconditionFailed,
            ),
            (Method::DELETE, ("if-match", "\"a,b\""), true, PROCEED),
            (Method::DELETE, ("if-match", "\"json\""), true, PROCEED),
            (
                Method::DELETE,
                ("if-match", "\"x\""),
                true,
                Outcome::PreconditionFailed,
            ),
            (Method::DELETE, ("if-modified-since", AFTER), true, PROCEED),
            (
                Method::DELETE,
                ("if-unmodified-since", BEFORE),
                true,
                Outcome::PreconditionFailed,
            ),
        ] {
            assert_eq!(
                ask(&method, &[fields], exists),
                outcome,
                "{method} {fields:?}"
            );
        }
    }

    #[test]
    fn a_range_applies_only_to_the_same_representation() {
        let range = ("range", "bytes=0-1");
        assert_eq!(ask(&Method::GET, &[range], true), RANGED);
        assert_eq!(ask(&Method::HEAD, &[range], true), PROCEED);
        for (value, outcome) in [
            ("\"a,b\"", RANGED),
            ("\"x\"", PROCEED),
            ("W/\"a,b\"", PROCEED),
            (SAME, PROCEED),
            (AFTER, PROCEED),
            (BEFORE, PROCEED),
            ("garbage", PROCEED),
        ] {
            assert_eq!(
                ask(&Method::GET, &[range, ("if-range", value)], true),
                outcome,
                "{value}"
            );
        }
        assert_eq!(
            ask(&Method::GET, &[range, ("if-none-match", "*")], true),
            Outcome::NotModified
        );
    }
}
