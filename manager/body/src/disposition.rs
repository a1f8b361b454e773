//! `Content-Disposition` of a download (RFC 6266), the name in the form of
//! RFC 8187.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the `attr-char` of RFC 8187, section 3.2.1.
const NOT_ATTR_CHAR: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The field's value: always an attachment, so that no browser runs what
/// somebody else uploaded. A name that needs it is given twice: exactly as
/// `filename*`, and in plain ASCII for clients that don't know `filename*`.
///
/// Always a valid field value, whatever the name.
pub fn attachment(filename: &str) -> String {
    // `%` because some browsers decode percent-escapes in the plain form, too.
    let plain = |char: char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\' | '%');
    if filename.chars().all(plain) {
        return format!("attachment; filename=\"{filename}\"");
    }
    let fallback: String = filename
        .chars()
        .map(|char| if plain(char) { char } else { '_' })
        .collect();
    let exact = utf8_percent_encode(filename, &NOT_ATTR_CHAR);
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_given_plainly_or_twice() {
        for (name, value) in [
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            (
                "€ rates",
                "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates",
            ),
            (
                "a\"b",
                "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b",
            ),
            (
                "a\\b",
                "attachment; filename=\"a_b\"; filename*=UTF-8''a%5Cb",
            ),
            (
                "50%25",
                "attachment; filename=\"50_25\"; filename*=UTF-8''50%2525",
            ),
            ("a'*()", "attachment; filename=\"a'*()\""),
            (
                "é'*",
                "attachment; filename=\"_'*\"; filename*=UTF-8''%C3%A9%27%2A",
            ),
        ] {
            assert_eq!(attachment(name), value);
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_a_valid_header_and_comes_back(name in any::<String>()) {
            let value = attachment(&name);
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            let back = match value.split_once("UTF-8''") {
                Some((_, exact)) => {
                    percent_encoding::percent_decode_str(exact).decode_utf8().unwrap().into_owned()
                }
                None => value["attachment; filename=\"".len()..value.len() - 1].to_owned(),
            };
            prop_assert_eq!(back, name);
        }
    }
}
