//! The media type of a file: the one given on upload, checked, or one guessed
//! from the name.

use http::HeaderValue;

use crate::event::BodyError;

/// Bytes of a media type that is given.
pub const MAX_LEN: usize = 255;

/// The media type when nothing is known.
pub const UNKNOWN: &str = "application/octet-stream";

/// The media type that a file's name suggests.
pub fn guess(filename: &str) -> &'static str {
    mime_guess::from_path(filename)
        .first_raw()
        .unwrap_or(UNKNOWN)
}

/// Checks a media type that came with an upload: bounded, `type/subtype` with
/// well-formed parameters, fit for a header field.
pub fn checked(content_type: &str) -> Result<&str, BodyError> {
    let bad = |reason: String| BodyError::Invalid {
        field: "content_type",
        reason,
    };
    let text = content_type.trim();
    if text.len() > MAX_LEN {
        return Err(bad(format!("longer than {MAX_LEN} bytes")));
    }
    let mime: mime::Mime = text
        .parse()
        .map_err(|_| bad("not a media type such as text/plain".to_owned()))?;
    let half = |name: mime::Name<'_>| name == mime::STAR || name.as_str().is_empty();
    let odd = half(mime.type_()) || half(mime.subtype()) || !text.is_ascii();
    if odd || HeaderValue::from_str(text).is_err() {
        return Err(bad("not a media type such as text/plain".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types_are_guessed_from_names() {
        for (name, guessed) in [
            ("a.txt", "text/plain"),
            ("a.b.PNG", "image/png"),
            ("a.json", "application/json"),
            ("noextension", UNKNOWN),
            (".hidden", UNKNOWN),
            ("a.unknown-extension", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(guess(name), guessed, "{name}");
        }
    }

    #[test]
    fn given_types_are_checked() {
        for good in [
            "text/plain",
            "text/plain; charset=utf-8",
            " image/svg+xml ",
            "multipart/x; boundary=\"a b\"",
        ] {
            assert_eq!(checked(good).unwrap(), good.trim(), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "*/*",
            "text/plain\r\nX: y",
            "text/plä",
            "a/b; c",
            "a b/c",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert!(checked(&format!("text/{}", "x".repeat(251))).is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_a_header_value(text in "\\PC{0,40}|[a-z]{1,4}/[a-z]{1,4}(; ?[a-z]=\\PC{0,9})?") {
            if let Ok(text) = checked(&text) {
                prop_assert!(HeaderValue::from_str(text).is_ok());
            }
        }
    }
}
