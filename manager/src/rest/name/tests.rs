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
