//! Downloads as RFC 9110 and RFC 9530 describe them.

use anyhow::Result;
use e2e::cluster::Cluster;
use e2e::content;
use e2e::wire::{Client, Pieces, encode_name};
use http::{Method, Request};

async fn put_with(
    client: &Client,
    name: &str,
    data: &str,
    headers: &[(&str, &str)],
) -> Result<e2e::wire::Answer> {
    let mut request = Request::put(format!("/file/{}", encode_name(name)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client
        .send(request.body(Pieces::new([data.to_owned().into()]).into())?)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_what_get_would_without_a_body() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f.txt", "0123456789").await?.expect(201)?;
    let get = client.get("f.txt").await?.expect(200)?;
    let head = client.head_with("f.txt", &[]).await?.expect(200)?;
    assert!(head.body.is_empty());
    let told = [
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
        "content-disposition",
        "x-content-type-options",
        "vary",
    ];
    for name in told {
        assert!(!get.header(name).is_empty(), "{name} is missing: {get:?}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(get.header("content-length"), "10");
    assert_eq!(get.header("accept-ranges"), "bytes");
    assert_eq!(get.header("x-content-type-options"), "nosniff");
    assert_eq!(client.head_with("none", &[]).await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_range_gives_its_bytes() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let large = content::bytes(1, 1_000_000);
    client.put("small", "0123456789").await?.expect(201)?;
    client.put("large", large.clone()).await?.expect(201)?;
    let cases = [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("-3", 7, 9),
        ("4-", 4, 9),
        ("8-100", 8, 9),
        ("-100", 0, 9),
    ];
    for (range, first, last) in cases {
        let answer = client
            .get_with("small", &[("range", &format!("bytes={range}"))])
            .await?;
        let answer = answer.expect(206)?;
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {first}-{last}/10"),
            "{range}"
        );
        assert_eq!(answer.body, &b"0123456789"[first..=last], "{range}");
    }
    for (first, last) in [
        (0, 65_535),
        (65_536, 65_536),
        (262_143, 262_145),
        (999_999, 999_999),
    ] {
        let range = format!("bytes={first}-{last}");
        let answer = client
            .get_with("large", &[("range", &range)])
            .await?
            .expect(206)?;
        assert!(answer.body == large[first..=last], "{range}");
        let head = client.head_with("large", &[("range", &range)]).await?;
        assert!(head.body.is_empty(), "{range}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_outside_is_416_and_a_malformed_one_is_ignored() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f", "0123456789").await?.expect(201)?;
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let answer = client
            .get_with("f", &[("range", range)])
            .await?
            .expect(416)?;
        assert_eq!(answer.header("content-range"), "bytes */10", "{range}");
    }
    for range in [
        "bytes=a-b",
        "lines=1-2",
        "bytes=5-4",
        "bytes",
        "bytes=",
        "bytes=--1",
    ] {
        let answer = client
            .get_with("f", &[("range", range)])
            .await?
            .expect(200)?;
        assert_eq!(answer.body, "0123456789", "{range}");
    }
    client.put("empty", "").await?.expect(201)?;
    assert_eq!(
        client
            .get("empty")
            .await?
            .expect(200)?
            .header("content-length"),
        "0"
    );
    assert_eq!(
        client
            .get_with("empty", &[("range", "bytes=0-")])
            .await?
            .status,
        416
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_come_as_multipart_byteranges() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f.txt", "0123456789").await?.expect(201)?;
    let answer = client
        .get_with("f.txt", &[("range", "bytes=0-1,4-5,-1")])
        .await?
        .expect(206)?;
    let kind = answer.header("content-type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap()
        .trim_matches('"');
    let text = String::from_utf8(answer.body.to_vec())?;
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{text}");
    for (part, (range, body)) in
        parts[1..4]
            .iter()
            .zip([("0-1", "01"), ("4-5", "45"), ("9-9", "9")])
    {
        let (head, content) = part.split_once("\r\n\r\n").unwrap();
        assert!(
            head.to_lowercase()
                .contains(&format!("content-range: bytes {range}/10")),
            "{head}"
        );
        assert_eq!(content.trim_end_matches("\r\n"), body);
    }
    assert!(parts[4].starts_with("--"), "{text}");
    assert_eq!(answer.header("content-length"), text.len().to_string());
    let one = client
        .get_with("f.txt", &[("range", "bytes=0-1,50-60")])
        .await?
        .expect(206)?;
    assert!(
        String::from_utf8_lossy(&one.body).contains("01"),
        "the satisfiable one is served"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_spare_what_the_client_has() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f", "0123456789").await?.expect(201)?;
    let get = client.get("f").await?.expect(200)?;
    let (tag, date) = (
        get.header("etag").to_owned(),
        get.header("last-modified").to_owned(),
    );
    assert!(
        tag.starts_with('"') && tag.ends_with('"'),
        "a strong tag: {tag}"
    );
    for value in [
        tag.as_str(),
        "*",
        &format!("\"x\", {tag}"),
        &format!("W/{tag}"),
    ] {
        let answer = client
            .get_with("f", &[("if-none-match", value)])
            .await?
            .expect(304)?;
        assert_eq!(
            (answer.header("etag"), answer.body.len()),
            (tag.as_str(), 0),
            "{value}"
        );
        assert_eq!(
            client
                .head_with("f", &[("if-none-match", value)])
                .await?
                .status,
            304
        );
    }
    client
        .get_with("f", &[("if-none-match", "\"x\"")])
        .await?
        .expect(200)?;
    client
        .get_with("f", &[("if-modified-since", &date)])
        .await?
        .expect(304)?;
    let old = "Sat, 01 Jan 2000 00:00:00 GMT";
    client
        .get_with("f", &[("if-modified-since", old)])
        .await?
        .expect(200)?;
    // RFC 9110, 13.2.2: If-None-Match goes first.
    client
        .get_with(
            "f",
            &[("if-none-match", "\"x\""), ("if-modified-since", &date)],
        )
        .await?
        .expect(200)?;
    assert_eq!(
        client
            .get_with("none", &[("if-none-match", "*")])
            .await?
            .outcome(),
        (404, Some(2))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn if_range_gives_a_part_only_of_the_file_that_it_names() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f", "0123456789").await?.expect(201)?;
    let get = client.get("f").await?.expect(200)?;
    let tag = get.header("etag").to_owned();
    let range = ("range", "bytes=0-1");
    client
        .get_with("f", &[range, ("if-range", &tag)])
        .await?
        .expect(206)?;
    let other = client
        .get_with("f", &[range, ("if-range", "\"x\"")])
        .await?
        .expect(200)?;
    assert_eq!(other.body, "0123456789");
    client
        .get_with("f", &[range, ("if-range", &format!("W/{tag}"))])
        .await?
        .expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_tells_its_digest_and_a_wrong_one_refuses_an_upload() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let digest = |data: &str| {
        format!(
            "sha-256=:{}:",
            content::base64(&content::sha256(data.as_bytes()))
        )
    };
    let right = digest("abc");
    put_with(&client, "c", "abc", &[("content-digest", &right)])
        .await?
        .expect(201)?;
    put_with(&client, "r", "abc", &[("repr-digest", &right)])
        .await?
        .expect(201)?;
    let get = client.get("c").await?.expect(200)?;
    assert_eq!(get.header("repr-digest"), right);
    let range = client
        .get_with("c", &[("range", "bytes=0-0")])
        .await?
        .expect(206)?;
    assert_eq!(range.header("repr-digest"), right, "of the whole file");
    for header in ["content-digest", "repr-digest"] {
        for wrong in [digest("abd").as_str(), "sha-256=:AAAA:", "sha-256=abc"] {
            let answer = put_with(&client, "w", "abc", &[(header, wrong)]).await?;
            assert_eq!(
                answer.outcome(),
                (400, Some(6)),
                "{header}: {wrong} {answer:?}"
            );
        }
    }
    cluster.wait_only(&["c", "r"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_comes_back_or_is_guessed() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    put_with(
        &client,
        "given",
        "x",
        &[("content-type", "image/x-own; a=b")],
    )
    .await?
    .expect(201)?;
    put_with(&client, "page.html", "x", &[])
        .await?
        .expect(201)?;
    put_with(&client, "picture.png", "x", &[])
        .await?
        .expect(201)?;
    put_with(&client, "unknown", "x", &[]).await?.expect(201)?;
    let kinds = [
        ("given", "image/x-own; a=b"),
        ("page.html", "text/html"),
        ("picture.png", "image/png"),
        ("unknown", "application/octet-stream"),
    ];
    for (name, kind) in kinds {
        let answer = client.get(name).await?.expect(200)?;
        assert!(
            answer.header("content-type").starts_with(kind),
            "{name}: {answer:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disposition_carries_any_name() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for name in ["plain.txt", "ä €.txt", "q\"uo\\te.txt"] {
        client.put(name, "x").await?.expect(201)?;
        let answer = client.get(name).await?.expect(200)?;
        let disposition = answer.header("content-disposition").to_owned();
        if name == "plain.txt" {
            assert!(
                disposition.contains("filename=\"plain.txt\""),
                "{disposition}"
            );
        } else if !name.is_ascii() {
            let encoded = format!("filename*=UTF-8''{}", encode_name(name));
            assert!(disposition.contains(&encoded), "{disposition}");
        } else {
            assert!(disposition.contains("filename"), "{disposition}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_answered_where_it_is_asked_for() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for size in [0, 1, 2, 3, 1000, 70_000, 1_000_001] {
        let name = format!("f{size}");
        let data = content::bytes(3, size);
        let id = client.put(&name, data.clone()).await?.expect(201)?.json()?["id"].clone();
        let answer = client
            .get_with(&name, &[("accept", "application/json")])
            .await?
            .expect(200)?;
        assert!(
            answer
                .header("content-type")
                .starts_with("application/json")
        );
        assert!(answer.header("vary").to_lowercase().contains("accept"));
        let json = answer.json()?;
        assert_eq!(json["filename"], name.as_str());
        assert_eq!((&json["size"], &json["id"]), (&size.into(), &id));
        assert!(json["file"] == content::base64(&data).as_str(), "{size}");
        let raw = client
            .get_with(&name, &[("accept", "*/*")])
            .await?
            .expect(200)?;
        assert_ne!(
            raw.header("etag"),
            answer.header("etag"),
            "two representations"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_three_codes_carry_their_messages() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let client = cluster.wire();
    let answer = client.put("f", "x").await?;
    assert_eq!(answer.outcome(), (503, Some(1)), "{answer:?}");
    assert_eq!(answer.json()?["message"], "Servers unavailable");
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for method in [Method::GET, Method::DELETE] {
        let answer = client.call(method, "/file/none").await?;
        assert_eq!(answer.outcome(), (404, Some(2)), "{answer:?}");
        assert_eq!(answer.json()?["message"], "File does not exist");
    }
    client.put("f", "x").await?.expect(201)?;
    for route in e2e::wire::Route::ALL {
        let answer = client.upload(route, "f", "y").await?;
        assert_eq!(answer.outcome(), (409, Some(3)), "{route:?} {answer:?}");
        assert_eq!(answer.json()?["message"], "File name already exists");
    }
    assert_eq!(client.get("f").await?.body, "x");
    Ok(())
}
