use super::*;
use crate::Verb;

fn line(name: &str, token: &str, rest: &str) -> String {
    let digest = serde_json::to_value(Digest::of(token)).expect("JSON");
    format!(r#"{{"name":"{name}","sha256":{digest},{rest}}}"#)
}

#[test]
fn a_new_token_is_let_in_by_its_line_and_by_no_other() {
    let (token, own) = new("ci", vec![Verb::Create, Verb::Get], Some("ci-".into())).expect("good");
    let (other, _) = new("ci", vec![Verb::Get], None).expect("good");
    assert!(token.starts_with("dfs_") && token != other);
    assert!(!own.contains(&token), "the line does not hold the token");
    let tokens = Tokens::parse(&format!("# callers\n\n{own}\n")).expect("a file");
    let found = tokens.find(&token).expect("its caller");
    assert_eq!(found.identity.to_string(), "token:ci");
    assert_eq!(found.identity.prefix(), Some("ci-"));
    assert_eq!(
        found.rights,
        [Verb::Create, Verb::Get].into_iter().collect()
    );
    for wrong in [other.as_str(), "", &token[..token.len() - 1], &own] {
        assert!(tokens.find(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn a_caller_may_have_two_tokens_while_one_is_replaced() {
    let rest = r#""rights":["get"]"#;
    let (old, new) = (line("ci", "old", rest), line("ci", "new", rest));
    let tokens = Tokens::parse(&old).expect("a file");
    tokens.replace(&format!("{old}\n{new}")).expect("a file");
    assert!(tokens.find("old").is_some() && tokens.find("new").is_some());
    tokens.replace(&new).expect("a file");
    assert!(tokens.find("old").is_none() && tokens.find("new").is_some());
    assert!(tokens.replace("").is_err());
    assert!(tokens.find("new").is_some(), "a bad file changes nothing");
}

#[test]
fn a_bad_line_is_named_and_not_repeated() {
    let good = line("a", "token-a", r#""rights":["get"]"#);
    let long = format!(r#""rights":["get"],"prefix":"{}""#, "x".repeat(256));
    let rights = r#""rights":["get"]"#;
    let of = |rest: &str| line("b", "token-b", rest);
    for (bad, wanted) in [
        (of(r#""rights":[]"#), "`rights` must"),
        (line("b b", "token-b", rights), "`name` must"),
        (line("", "token-b", rights), "`name` must"),
        (of(&long), "`prefix` must"),
        (of(r#""rights":["get"],"prefix":"a/b""#), "`prefix` must"),
        (
            of(r#""rights":["get"],"stored_files":1"#),
            "which is missing",
        ),
        (
            of(r#""rights":["get"],"prefix":"","stored_bytes":1"#),
            "which is missing",
        ),
        (
            of(r#""rights":["get"],"prefix":"p","stored_files":-1"#),
            "is not what is wanted",
        ),
        (line("b", "token-a", rights), "same `sha256`"),
        (of(r#""rights":["dfs_secret"]"#), "is not what is wanted"),
        (
            of(r#""rights":["get"],"dfs_secret":true"#),
            "is not what is wanted",
        ),
        (
            of(r#""rights":["get"],"requests_per_second":"dfs_secret""#),
            "is not what is wanted",
        ),
        (of(r#""rights":"dfs_secret""#), "is not what is wanted"),
        (
            r#"{"name":"b","sha256":"dfs_secret","rights":["get"]}"#.to_owned(),
            "64 hex digits",
        ),
        (r#""dfs_secret""#.to_owned(), "is not what is wanted"),
        (r#"["dfs_secret"]"#.to_owned(), "is not what is wanted"),
        ("dfs_secret".to_owned(), "is no JSON object"),
        (r#"{"name":"dfs_secret"#.to_owned(), "is no JSON object"),
    ] {
        let error = Tokens::parse(&format!("{good}\n{bad}")).expect_err(&bad);
        let error = error.to_string();
        assert!(
            error.starts_with("line 2: ") && error.contains(wanted),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
    for empty in ["", "\n# nobody\n"] {
        assert!(Tokens::parse(empty).is_err());
    }
}

#[test]
fn callers_of_a_prefix_share_its_limits() {
    let line = |name: &str, rest: &str| line(name, name, &format!(r#""rights":["get"]{rest}"#));
    let bounded = r#","prefix":"p-","stored_files":7,"stored_bytes":0"#;
    let (a, b) = (line("a", bounded), line("b", r#","prefix":"p-""#));
    let (c, d) = (line("c", r#","prefix":"q-""#), line("d", ""));
    let tokens = Tokens::parse(&[b, a.clone(), c, d].join("\n")).expect("a file");
    let budget = |token| {
        let named = tokens.find(token).expect("known");
        named.identity.budget().cloned()
    };
    let shared = budget("a").expect("a budget");
    assert_eq!((shared.quota.files, shared.quota.bytes), (Some(7), None));
    assert_eq!(budget("b").as_ref(), Some(&shared));
    assert!(&*shared.whose == r#"the prefix "p-""#);
    assert_eq!(tokens.quota(shared.owner), Some(shared.quota));
    let other = budget("c").expect("counted, and not bounded");
    assert!(other.quota.is_none() && other.owner != shared.owner);
    assert_eq!(tokens.quota(other.owner), None);
    assert_eq!(budget("d"), None);
    let again = line("e", bounded);
    assert!(Tokens::parse(&format!("{a}\n{again}")).is_ok());
    let more = line("e", r#","prefix":"p-","stored_files":8"#);
    let refused = Tokens::parse(&format!("{a}\n{more}")).expect_err("two limits");
    assert!(refused.to_string().starts_with("line 2: `stored_files`"));
    let gone = |before: &str, after: &str| {
        let [before, after] = [before, after].map(|text| table(text).expect("a file"));
        unbounded(&before, &after).len()
    };
    let unbound = line("b", r#","prefix":"p-""#);
    assert_eq!(
        [gone(&a, &unbound), gone(&unbound, &a), gone(&a, &a)],
        [1, 0, 0]
    );
}
