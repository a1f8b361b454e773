//! The examples of the document: the file, the answers and the numbers that the page of
//! the REST API shows, which a test compares with them.

use super::error_cases::ErrorCase;
use super::schemas::Shape;
use serde_json::{Value, json};

/// The bytes of the file that the examples are about.
const HELLO: &str = "Hello, world!\n";
const HELLO_BASE64: &str = "SGVsbG8sIHdvcmxkIQo=";
const HELLO_NAME: &str = "hello.txt";
const HELLO_ID: &str = "01a210eb-4e12-73ea-91ea-c90301660f8e";
const HELLO_SHA256: &str = "d9014c4624844aa5bac314773d6b689ad467fa4e1d1a50a1b8a99d5a95f72ff5";
const CREATED: &str = "2026-11-25T04:16:26.130Z";
const LINK: &str = "http://127.0.0.1:8000/file/hello.txt?link=3bfdf9062e979c00\
                    &by=af2380e100cdc4b4&id=01a210eb-4e12-73ea-91ea-c90301660f8e\
                    &expires=1795583786\
                    &signature=041b7dfa335b49e2bbe57b89b5e2f60ccd8bc1bca2c7ee39daa3bf68b48cc718";

/// What an error's body is.
pub(super) fn of_error(case: &ErrorCase) -> Value {
    let mut body = json!({"code": case.code.number(), "message": case.code.message()});
    if let Some(detail) = case.detail {
        body["detail"] = detail.into();
    }
    body
}

/// What a body of a shape may be.
pub(super) fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Abandon => json!({"node": "node-2"}),
        Shape::Abandoned => json!({
            "node": "node-2", "volume": "5c0f6a0e-6f5f-4f6e-9d3c-0a9b1c2d3e4f",
            "abandoned": false, "files": 1, "bytes": HELLO.len(), "names": [HELLO_NAME],
            "unfinished": 0,
        }),
        Shape::Adoption => json!({
            "node": "node-2", "id": HELLO_ID, "generation": 1, "filename": HELLO_NAME,
            "adopted": true,
        }),
        Shape::Adoptions => json!({"node": "node-2"}),
        Shape::Copy => json!({
            "node": "node-2", "id": HELLO_ID, "generation": 1, "filename": HELLO_NAME,
            "size": HELLO.len(), "created": CREATED, "sha256": HELLO_SHA256,
            "reason": "no record lists it, found at 1795600665177",
        }),
        Shape::CopyName => json!({"node": "node-2", "id": HELLO_ID, "generation": 1}),
        Shape::NamedFile => json!({"filename": HELLO_NAME}),
        Shape::DrainOrder => json!({"nodes": ["node-2"]}),
        Shape::Drains => json!({"drains": [drain(Some(0))]}),
        Shape::Finding => json!({
            "kind": "missing-bytes", "node": "node-2", "filename": HELLO_NAME, "id": HELLO_ID,
            "generation": 1, "detail": "its node denies it",
        }),
        Shape::Created => json!({
            "filename": HELLO_NAME, "id": HELLO_ID, "size": HELLO.len(), "created": CREATED,
            "sha256": HELLO_SHA256,
        }),
        Shape::Error => json!({"code": 2, "message": "File does not exist"}),
        Shape::File => json!({
            "filename": HELLO_NAME, "id": HELLO_ID, "size": HELLO.len(), "file": HELLO_BASE64,
        }),
        Shape::Line => line(),
        Shape::LinkRequest => json!({"method": "GET", "expires": "1h"}),
        Shape::NewLink => json!({
            "url": LINK, "method": "GET", "filename": HELLO_NAME,
            "expires": "2026-11-25T05:16:26.000Z", "link": "3bfdf9062e979c00",
        }),
        Shape::Page => json!({"files": [line()], "next": HELLO_NAME}),
        Shape::Status => status(),
        Shape::Upload => json!({"filename": HELLO_NAME, "file": HELLO_BASE64}),
        Shape::UploadParts => json!({"filename": HELLO_NAME, "file": HELLO}),
        Shape::Bytes => HELLO.into(),
        Shape::Events => format!("event: status\ndata: {}\n\n", status()).into(),
        Shape::Text => "<!DOCTYPE html><html lang=\"en\">…</html>".into(),
        Shape::Any => json!({
            "openapi": "3.1.0",
            "info": {"title": "Distributed file server", "version": env!("CARGO_PKG_VERSION")},
            "paths": {},
        }),
    }
}

fn line() -> Value {
    json!({
        "filename": HELLO_NAME, "id": HELLO_ID, "size": HELLO.len(), "created": CREATED,
        "node": "node-1", "sha256": HELLO_SHA256,
    })
}

/// A drain; with the records that are left where they are counted.
fn drain(records_left: Option<u64>) -> Value {
    let mut drain = json!({
        "node": "node-2", "ordered": true, "sealed": true, "files_left": 0, "quarantined": 0,
        "rate": 0.0,
    });
    if let Some(records) = records_left {
        drain["records_left"] = records.into();
    }
    drain
}

/// Two nodes, of which one holds the file and one is being drained.
fn status() -> Value {
    let node = |id: &str, state: &str, files: u64, bytes: usize| {
        json!({
            "id": id, "pool": "standalone", "state": state, "files": files, "bytes": bytes,
            "free": 57_703_116_800_u64, "capacity": 270_486_065_152_u64, "quarantined": 0,
            "read_only": false, "disk_silent_seconds": 0.0, "corrupt": 0, "merged": true,
            "scrub": {
                "bytes_per_second": 10_485_760, "begun": "2026-11-25T04:16:20.000Z",
                "ended": "2026-11-25T04:16:20.000Z", "done": 0.0, "files": 0, "bytes": 0,
            },
        })
    };
    json!({
        "cluster_id": "ddefb35d-a73f-4949-bfdd-ade2cef88561", "leader": true,
        "nodes": [node("node-1", "available", 1, HELLO.len()), node("node-2", "draining", 0, 0)],
        "files": 1, "bytes": HELLO.len(), "counted_seconds_ago": 0, "skew": 0, "moves": [],
        "moved_files": 0, "moved_bytes": 0, "stuck": {"files": 0, "first": []}, "unsettled": 0,
        "drains": [drain(None)],
        "quarantined": 0, "missing": {"files": 0, "names": []},
        "corrupt": {"files": 0, "names": []},
    })
}

#[cfg(test)]
mod tests {
    use super::super::error_cases::{GONE, TAKEN};
    use super::*;

    /// What the session on the page shows, which is typed against a real service.
    fn shown() -> Vec<Value> {
        let page = include_str!("../../../docs/rest.md");
        let whole = |line: &&str| line.starts_with('{') && !line.contains('…');
        let lines = page.lines().filter(whole);
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn examples_are_what_the_page_shows() {
        let shown = shown();
        for shape in [Shape::Created, Shape::File, Shape::Page] {
            assert!(shown.contains(&of_shape(shape)), "{shape:?}");
        }
        for case in [GONE, TAKEN] {
            assert!(shown.contains(&of_error(&case)), "{case:?}");
        }
        let page = include_str!("../../../docs/rest.md");
        assert!(page.contains(&format!(
            "-d '{}'",
            r#"{"filename":"hello.txt","file":"SGVsbG8sIHdvcmxkIQo="}"#
        )));
        assert!(page.contains(HELLO));
    }

    #[test]
    fn a_status_has_the_fields_of_one() {
        let mut schemas = super::super::schemas::Schemas::new();
        schemas.of(Shape::Status);
        let components = schemas.components();
        let of = |name: &str, value: &Value| {
            let known = components[name]["properties"].as_object().expect("fields");
            let required = components[name]["required"].as_array().expect("a list");
            let fields = value.as_object().expect("an object");
            for field in fields.keys() {
                assert!(known.contains_key(field), "{name} has no {field}");
            }
            for field in required {
                assert!(
                    fields.contains_key(field.as_str().expect("a name")),
                    "{name}: {field}"
                );
            }
        };
        let status = status();
        of("Status", &status);
        of("NodeStatus", &status["nodes"][0]);
        of("ScrubStatus", &status["nodes"][0]["scrub"]);
        of("DrainLine", &status["drains"][0]);
    }
}
