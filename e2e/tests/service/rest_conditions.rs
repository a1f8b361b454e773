//! Conditions of requests that change files (RFC 9110, section 13): one that
//! does not hold is 412, and nothing is changed.

use anyhow::{Result, ensure};
use e2e::cluster::Cluster;
use e2e::wire::{Answer, Client, Pieces, encode_name};
use http::{Method, Request};

async fn put(client: &Client, name: &str, field: (&str, &str), data: &str) -> Result<Answer> {
    put_with(client, name, &[field], data).await
}

async fn put_with(
    client: &Client,
    name: &str,
    fields: &[(&str, &str)],
    data: &str,
) -> Result<Answer> {
    let mut request = Request::put(format!("/file/{}", encode_name(name)));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let body = Pieces::new([data.to_owned().into()]);
    client.send(request.body(body.into())?).await
}

async fn delete(client: &Client, name: &str, field: (&str, &str)) -> Result<Answer> {
    let path = format!("/file/{}", encode_name(name));
    client.call_with(Method::DELETE, &path, &[field]).await
}

const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_condition_does_not_hold_deletes_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let stored = client.put("a", "one").await?.expect(201)?;
    let tag = stored.header("etag").to_owned();
    for field in [
        ("if-match", "\"old\""),
        ("if-match", format!("W/{tag}").as_str()),
        ("if-none-match", tag.as_str()),
        ("if-none-match", "*"),
        ("if-unmodified-since", LONG_AGO),
    ] {
        let answer = delete(&client, "a", field).await?;
        ensure!(answer.outcome() == (412, Some(6)), "{field:?} {answer:?}");
        ensure!(client.get("a").await?.expect(200)?.body == "one");
    }
    // Without a file there is nothing to compare the condition with.
    let answer = delete(&client, "b", ("if-match", "*")).await?;
    ensure!(answer.outcome() == (404, Some(2)), "{answer:?}");
    let json = client
        .get_with("a", &[("accept", "application/json")])
        .await?;
    let tags = format!("\"other\", {}", json.header("etag"));
    delete(&client, "a", ("if-match", &tags))
        .await?
        .expect(204)?;
    // The next file of that name is not the one that the condition names.
    client.put("a", "two").await?.expect(201)?;
    let answer = delete(&client, "a", ("if-match", &tag)).await?;
    ensure!(answer.outcome() == (412, Some(6)), "{answer:?}");
    delete(&client, "a", ("if-none-match", &tag))
        .await?
        .expect(204)?;
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_condition_does_not_hold_stores_nothing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for field in [("if-match", "*"), ("if-match", "\"x\"")] {
        let answer = put(&client, "a", field, "x").await?;
        ensure!(answer.outcome() == (412, Some(6)), "{field:?} {answer:?}");
    }
    let free = ("if-none-match", "*");
    let keyed = [free, ("idempotency-key", "\"k\"")];
    let stored = put_with(&client, "a", &keyed, "one").await?.expect(201)?;
    let answer = put(&client, "a", free, "two").await?;
    ensure!(answer.outcome() == (412, Some(6)), "{answer:?}");
    let answer = put(&client, "a", ("if-unmodified-since", LONG_AGO), "two").await?;
    ensure!(answer.outcome() == (412, Some(6)), "{answer:?}");
    // The repetition of an upload gets its first answer.
    let again = put_with(&client, "a", &keyed, "one").await?.expect(201)?;
    ensure!(again.body == stored.body);
    // A file is not replaced, even where the condition names it.
    let answer = put(&client, "a", ("if-match", stored.header("etag")), "two").await?;
    ensure!(answer.outcome() == (409, Some(3)), "{answer:?}");
    ensure!(client.get("a").await?.expect(200)?.body == "one");
    cluster.wait_only(&["a"]).await
}
