use super::*;

fn headers(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())])
}

#[test]
fn json_or_bytes() {
    for (accept, json) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/json, */*;q=0.5", true),
        ("application/json;q=0.5", true),
        ("application/json, */*", false),
        ("application/json, text/plain, */*", false),
        ("application/json, application/octet-stream;q=0.9", true),
        ("application/json;q=0.9, application/octet-stream", false),
        ("application/json, image/png", false),
        ("application/json, image/png;q=0.1", true),
        ("application/json, image/*;q=0.1, */*", false),
        ("application/json;q=0", false),
        ("application/json;q=7", false),
        ("application/*", false),
        ("*/*", false),
        ("text/html,application/xhtml+xml,*/*;q=0.8", false),
        ("text/html", false),
        ("", false),
        ("json", false),
    ] {
        assert_eq!(
            prefers_json(&headers(accept), "image/png"),
            json,
            "{accept:?}"
        );
    }
    assert!(!prefers_json(&HeaderMap::new(), "image/png"));
    assert!(prefers_json(
        &headers("application/json"),
        "application/json"
    ));
}

#[test]
fn json_or_ndjson() {
    for (accept, ndjson) in [
        ("application/x-ndjson", true),
        ("application/ndjson", true),
        ("application/jsonl", true),
        ("application/x-ndjson, */*", true),
        ("application/x-ndjson, application/json", false),
        ("application/x-ndjson, application/json;q=0.9", true),
        ("application/x-ndjson;q=0.1, */*", false),
        ("application/x-ndjson;q=0", false),
        ("application/json", false),
        ("*/*", false),
    ] {
        assert_eq!(prefers_ndjson(&headers(accept)), ndjson, "{accept}");
    }
    assert!(!prefers_ndjson(&HeaderMap::new()));
}

#[test]
fn events_and_pages_only_where_they_are_named() {
    for (accept, events, page) in [
        ("text/event-stream", true, false),
        ("text/event-stream, application/json;q=0.5", true, false),
        ("text/event-stream, application/json", false, false),
        ("text/event-stream;q=0", false, false),
        ("text/html,application/xhtml+xml,*/*;q=0.8", false, true),
        ("text/html;q=0", false, false),
        ("text/*", false, false),
        ("*/*", false, false),
        ("application/json", false, false),
    ] {
        let headers = headers(accept);
        assert_eq!(prefers_events(&headers), events, "{accept}");
        assert_eq!(names_html(&headers), page, "{accept}");
    }
}
