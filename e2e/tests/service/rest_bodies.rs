//! Upload bodies: everything that is allowed is understood on all four routes;
//! everything else is code 6, names what is wrong, and leaves nothing behind.

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::cluster::{Cluster, SOON};
use e2e::wire::{Answer, Client, Pieces, Route, encode_name};
use e2e::{content, raw};
use http::Request;

async fn post(client: &Client, kind: &str, body: impl Into<Bytes>) -> Result<Answer> {
    let request = Request::post("/file").header("content-type", kind);
    client
        .send(request.body(Pieces::new([body.into()]).into())?)
        .await
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=XX";

#[tokio::test(flavor = "multi_thread")]
async fn every_size_comes_back_over_every_route() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let sizes = [
        0,
        1,
        2,
        3,
        4,
        1000,
        65_535,
        65_536,
        65_537,
        262_144,
        1 << 20,
        (3 << 20) + 1,
    ];
    for route in Route::ALL {
        for size in sizes {
            let name = format!("{route:?}-{size}");
            let data = content::bytes(size as u64, size);
            let answer = client.upload(route, &name, data.clone()).await?;
            let answer = answer.expect(201).with_context(|| name.clone())?;
            assert_eq!(answer.json()?["filename"], name.as_str());
            assert!(answer.json()?["id"].is_string(), "{answer:?}");
            let back = client.get(&name).await?.expect(200)?;
            assert!(back.body == data, "{name}: other bytes");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_a_length_are_taken_too() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for (i, route) in Route::ALL.into_iter().enumerate() {
        let name = format!("chunked-{i}");
        let data = content::bytes(5, 300_000);
        let bytes: Bytes = route.pieces(&name, &data).concat().into();
        // Cut at odd places, so that no decoder may rely on whole groups.
        let pieces: Vec<_> = bytes
            .chunks(10_007)
            .map(|c| Ok(Bytes::copy_from_slice(c)))
            .collect();
        let body = e2e::wire::Body::stream(futures::stream::iter(pieces));
        client
            .send(route.request_with(&name, body)?)
            .await?
            .expect(201)?;
        assert!(client.get(&name).await?.body == data, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_ignored() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let json = r#" {"x":{"file":"no","filename":["no"]},"filename":"j","y":[1,{"file":2}],"file":"YWJj","z":null,"n":-1.5e3} "#;
    post(&client, JSON, json).await?.expect(201)?;
    post(&client, FORM, "a=b&filename=f&c&file=YWJj&d=%FF")
        .await?
        .expect(201)?;
    let part = |head: &str, body: &str| {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
    };
    let body = part("name=\"other\"", "x") + &part("name=\"filename\"", "m");
    let body = body + &part("name=\"upload\"; filename=\"u\"", "no");
    let body = body + &part("name=\"file\"; filename=\"ignored\"", "abc") + "--XX--\r\n";
    post(&client, MULTIPART, body).await?.expect(201)?;
    for name in ["j", "f", "m"] {
        assert_eq!(client.get(name).await?.body, "abc", "{name}");
    }
    cluster.wait_only(&["j", "f", "m"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multipart_file_without_a_filename_field_bears_its_own_name() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let body = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"own.txt\"\r\n\r\nabc\r\n--XX--\r\n";
    post(&client, MULTIPART, body).await?.expect(201)?;
    assert_eq!(client.get("own.txt").await?.body, "abc");
    let body = "--XX\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\ntext\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nYWJj\r\n--XX--\r\n";
    post(&client, MULTIPART, body).await?.expect(201)?;
    assert_eq!(
        client.get("text").await?.body,
        "abc",
        "without a filename it is base64"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_alphabets_with_or_without_padding_and_line_breaks_are_base64() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let data: &[u8] = &[0xfb, 0xff, 0xbf, 0xfe];
    let texts = [
        "+/+//g==",
        "-_-__g==",
        "+/+//g",
        "-_-__g",
        "+/+/\n/g==",
        "+\r\n/+//g=\r\n=",
    ];
    for (i, text) in texts.into_iter().enumerate() {
        let json = serde_json::json!({"filename": format!("j{i}"), "file": text}).to_string();
        post(&client, JSON, json)
            .await?
            .expect(201)
            .with_context(|| text.to_owned())?;
        let form = format!("filename=f{i}&file={}", encode_name(text));
        post(&client, FORM, form)
            .await?
            .expect(201)
            .with_context(|| text.to_owned())?;
        for kind in ["j", "f"] {
            assert_eq!(
                client.get(&format!("{kind}{i}")).await?.body,
                data,
                "{text:?}"
            );
        }
    }
    // JSON may escape any character.
    let json = r#"{"\u0066ilename":"e\u0073c","file":"\u002b\/+\/\/g=="}"#;
    post(&client, JSON, json).await?.expect(201)?;
    assert_eq!(client.get("esc").await?.body, data);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_field_is_named() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let cases = [
        (JSON, r#"{"file":"YWJj"}"#, "filename"),
        (JSON, r#"{"filename":"a"}"#, "file"),
        (JSON, r#"{"filename":1,"file":"YWJj"}"#, "filename"),
        (JSON, r#"{"file":"YWJj","filename":null}"#, "filename"),
        (JSON, r#"{"filename":"a","file":[]}"#, "file"),
        (JSON, "{}", "filename"),
        (FORM, "file=YWJj", "filename"),
        (FORM, "filename=a", "file"),
        (
            MULTIPART,
            "--XX\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\na\r\n--XX--\r\n",
            "file",
        ),
        (
            MULTIPART,
            "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nYWJj\r\n--XX--\r\n",
            "filename",
        ),
    ];
    for (kind, body, field) in cases {
        let answer = post(&client, kind, body).await?;
        assert_eq!(answer.outcome(), (400, Some(6)), "{body} {answer:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let named = text.contains(&format!("`{field}`"))
            || text.contains(&format!("\\\"{field}\\\""))
            || text.contains(&format!("'{field}'"))
            || text.contains(&format!("{field} "));
        assert!(named, "{body}: {text} does not name {field}");
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_code_6_and_leaves_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let field = "--XX\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\na\r\n";
    let file = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\nabc";
    let base64 = "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nYW!j\r\n--XX--\r\n";
    let cases: Vec<(&str, String)> = vec![
        (JSON, String::new()),
        (JSON, "null".into()),
        (JSON, "[]".into()),
        (JSON, "\"a\"".into()),
        (JSON, r#"{"filename":"a","file":"YW!j"}"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJjZ"}"#.into()),
        (JSON, r#"{"filename":"a","file":"YW=j"}"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj===="}"#.into()),
        (JSON, r#"{"file":"YW*j","filename":"a"}"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj"} x"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj"}{"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj""#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj"#.into()),
        (JSON, r#"{"filename":"a","file":"YWJj",}"#.into()),
        (JSON, r#"{"filename":"a" "file":"YWJj"}"#.into()),
        (JSON, r#"{'filename':'a','file':'YWJj'}"#.into()),
        (JSON, r#"{"filename":"a\x","file":"YWJj"}"#.into()),
        (JSON, r#"{"filename":"\ud800","file":"YWJj"}"#.into()),
        (
            JSON,
            format!("{{\"filename\":\"a\",\"x\":{}", "[".repeat(100_000)),
        ),
        (FORM, "filename=a&file=YW!j".into()),
        (FORM, "filename=a&file=YWJjZ".into()),
        (FORM, "filename=a&file=YW%".into()),
        (FORM, "filename=a&file=YW%zz".into()),
        (MULTIPART, format!("{field}{file}")),
        (MULTIPART, format!("{field}{file}\r\n--XX")),
        (MULTIPART, format!("{field}{base64}")),
        (MULTIPART, "no multipart at all".into()),
        (
            "multipart/form-data",
            format!("{field}{file}\r\n--XX--\r\n"),
        ),
        ("text/plain", r#"{"filename":"a","file":"YWJj"}"#.into()),
    ];
    for (kind, body) in cases {
        let shown = body[..body.len().min(200)].to_owned();
        let answer = post(&client, kind, body).await?;
        // A content type that is not accepted is refused whatever the body holds.
        let status = if kind == "text/plain" { 415 } else { 400 };
        assert_eq!(
            answer.outcome(),
            (status, Some(6)),
            "{kind} {shown} {answer:?}"
        );
        assert_eq!(answer.json()?["message"], "Invalid request");
    }
    cluster.wait_only(&[]).await
}

/// The request of a route as bytes, with another Content-Length.
fn with_length(route: Route, name: &str, data: &Bytes, lie: i64) -> (String, Vec<u8>) {
    let body = route.pieces(name, data).concat();
    let (method, path, kind) = route.head(name);
    let length = body.len() as i64 + lie;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    (head, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_length_that_promises_too_much_leaves_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    for size in [100, 200_000] {
        let data = content::bytes(1, size);
        for route in Route::ALL {
            let (head, body) = with_length(route, "liar", &data, 10);
            let bytes = [head.as_bytes(), &body].concat();
            // The half-closed connection may be answered or just closed.
            if let Ok(answer) = raw::exchange(cluster.http(), &bytes, true, SOON).await {
                assert_eq!(
                    (answer.status, answer.code()),
                    (400, Some(6)),
                    "{route:?} {answer:?}"
                );
            }
        }
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_length_that_promises_too_little_is_code_6_where_the_body_has_an_end()
-> Result<()> {
    let cluster = Cluster::start(1).await?;
    for size in [100, 200_000] {
        let data = content::bytes(1, size);
        for route in Route::ALL {
            if matches!(route, Route::Put | Route::Form(_)) {
                // Such a body has no end of its own: fewer bytes are another file.
                continue;
            }
            let (head, body) = with_length(route, "liar", &data, -10);
            let bytes = [head.as_bytes(), &body].concat();
            let answer = raw::exchange(cluster.http(), &bytes, false, SOON).await?;
            assert_eq!(
                (answer.status, answer.code()),
                (400, Some(6)),
                "{route:?} {answer:?}"
            );
        }
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_bodies_that_break_off_or_lie_leave_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let head = "PUT /file/broken HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5\r\nab",
        "5\r\nabcde\r\n",
        "5\r\nabcdefgh\r\n0\r\n\r\n",
        "zz\r\nabc\r\n0\r\n\r\n",
    ] {
        let bytes = format!("{head}{body}");
        if let Ok(answer) = raw::exchange(cluster.http(), bytes.as_bytes(), true, SOON).await {
            assert_eq!(answer.status, 400, "{body:?} {answer:?}");
        }
    }
    let both = "PUT /file/broken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
    let answer = raw::exchange(cluster.http(), both.as_bytes(), true, SOON).await?;
    assert_eq!(answer.status, 400, "two lengths: {answer:?}");
    cluster.wait_only(&[]).await
}
