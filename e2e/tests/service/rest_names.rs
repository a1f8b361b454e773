//! File names: a valid one is accepted on every route; an invalid one is
//! refused with code 6 on every route and leaves nothing behind.

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::library;
use e2e::wire::{Body, NameAt, Pieces, Route, encode_name};
use http::Request;

fn request(method: &str, path: &str, body: &'static str) -> Request<Body> {
    let body = Pieces::new([body.into()]).into();
    Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .unwrap()
}

fn longest() -> String {
    format!("{}a", "ä".repeat(127))
}

fn good_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a",
        "...",
        ".hidden",
        "-rf",
        "100%",
        "%41",
        "a%2Fb",
        "%",
        " ",
        " a ",
        "a+b",
        "a&b=c",
        "a?b#c;d",
        "\"quoted\"",
        "back\\slash",
        "文件.txt",
        "👩‍👩‍👧",
        "a:b",
        "~",
        "*",
        "C:\\x",
        "{}",
        "'",
        "e\u{301}",
        "é",
        "Case",
        "case",
        "CASE",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(255));
    names.push(longest());
    assert_eq!(longest().len(), 255);
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_is_taken_as_it_is_on_every_route() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    for route in Route::ALL {
        for name in good_names() {
            let data = format!("{route:?} {name}");
            let answer = client.upload(route, &name, data.clone()).await?;
            let answer = answer
                .expect(201)
                .with_context(|| format!("{route:?} {name:?}"))?;
            assert_eq!(answer.json()?["filename"], name.as_str(), "{route:?}");
            let back = client.get(&name).await?.expect(200)?;
            assert_eq!(back.body, data, "{route:?} {name:?}");
        }
        let mut names = good_names();
        names.sort();
        let listed = library::names(&cluster.client()?).await?;
        assert_eq!(listed, names, "in the order of bytes");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // On the disks each file has its own name, by which an administrator finds it.
        cluster.wait_only(&names).await?;
        for name in names {
            client.delete(name).await?.expect(204)?;
        }
        cluster.wait_only(&[]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_name_is_refused_on_every_route_and_leaves_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let mut bad: Vec<String> = [
        "", ".", "..", "/", "a/b", "/a", "a/", "../a", "a\0b", "\0", "a\nb", "\t", "\u{1f}",
        "\u{7f}", "\u{85}",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.push("x".repeat(256));
    bad.push(longest() + "b");
    for route in Route::ALL {
        for name in &bad {
            // A multipart field can't carry every name; the others can.
            let line_break = name.contains('\n') && matches!(route, Route::Multipart(_));
            if line_break {
                continue;
            }
            let answer = client.upload(route, name, "content").await?;
            assert_eq!(
                answer.outcome(),
                (400, Some(6)),
                "{route:?} {name:?} {answer:?}"
            );
        }
    }
    for name in &bad {
        let path = format!("/file/{}", encode_name(name));
        for method in ["GET", "DELETE"] {
            let answer = client.send(request(method, &path, "")).await?;
            assert_eq!(
                answer.outcome(),
                (400, Some(6)),
                "{method} {name:?} {answer:?}"
            );
        }
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_slashes_and_dots_in_the_path_are_no_names() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for path in [
        "/file/a/b",
        "/file/a/",
        "/file/.",
        "/file/..",
        "/file/%2e%2e",
        "/file/a%2fb",
    ] {
        let answer = client.send(request("PUT", path, "x")).await?;
        assert_eq!(answer.outcome(), (400, Some(6)), "{path} {answer:?}");
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_not_utf8_are_refused_on_every_route() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for path in ["/file/%FF", "/file/a%C3", "/file/%ED%A0%80", "/file/%C0%AF"] {
        for method in ["PUT", "GET", "DELETE"] {
            let answer = client.send(request(method, path, "")).await?;
            assert_eq!(
                answer.outcome(),
                (400, Some(6)),
                "{method} {path} {answer:?}"
            );
        }
    }
    for order in [NameAt::First, NameAt::Last] {
        for route in [Route::Json(order), Route::Multipart(order)] {
            let body = route.pieces("NAME", &"x".into()).concat();
            let text = String::from_utf8(body).unwrap();
            let (before, after) = text.split_once("NAME").unwrap();
            let pieces = [
                before.to_owned().into(),
                vec![0xff].into(),
                after.to_owned().into(),
            ];
            let request = route.request_with("NAME", Pieces::new(pieces).into())?;
            let answer = client.send(request).await?;
            assert_eq!(answer.outcome(), (400, Some(6)), "{route:?} {answer:?}");
        }
        let route = Route::Form(order);
        let body = String::from_utf8(route.pieces("NAME", &"x".into()).concat()).unwrap();
        let body = Pieces::new([body.replace("NAME", "%FF").into()]);
        let answer = client
            .send(route.request_with("NAME", body.into())?)
            .await?;
        assert_eq!(answer.outcome(), (400, Some(6)), "{route:?} {answer:?}");
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_in_case_or_normalisation_are_two_files() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for (one, other) in [("File", "file"), ("é", "e\u{301}"), ("a", "a ")] {
        client.put(one, "one").await?.expect(201)?;
        client.put(other, "other").await?.expect(201)?;
        assert_eq!(client.get(one).await?.body, "one");
        assert_eq!(client.get(other).await?.body, "other");
    }
    Ok(())
}
