//! `Idempotency-Key`: a client that lost the answer gets it again.

use anyhow::Result;
use e2e::cluster::Cluster;
use e2e::content;
use e2e::wire::{Answer, Client, Route};

async fn upload(
    client: &Client,
    route: Route,
    name: &str,
    key: &str,
    data: &str,
) -> Result<Answer> {
    let mut request = route.request(name, &data.to_owned().into())?;
    request
        .headers_mut()
        .insert("idempotency-key", key.parse()?);
    client.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_gets_the_first_answer_on_every_route() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let mut names = Vec::new();
    for (i, route) in Route::ALL.into_iter().enumerate() {
        let name = format!("f{i}");
        let first = upload(&client, route, &name, "\"key-1\"", "abc")
            .await?
            .expect(201)?;
        let again = upload(&client, route, &name, "\"key-1\"", "abc")
            .await?
            .expect(201)?;
        assert_eq!(first.json()?, again.json()?, "{route:?}");
        names.push((name, first.json()?));
    }
    // The key lies in the record, so another manager knows it.
    cluster.kill_manager().await?;
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;
    for (name, first) in &names {
        let again = upload(&client, Route::Put, name, "\"key-1\"", "abc")
            .await?
            .expect(201)?;
        assert_eq!(&again.json()?["id"], &first["id"]);
    }
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    cluster.wait_only(&names).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_or_none_is_a_name_in_use() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    upload(&client, Route::Put, "f", "\"one\"", "abc")
        .await?
        .expect(201)?;
    let other = upload(&client, Route::Put, "f", "\"two\"", "abc").await?;
    assert_eq!(other.outcome(), (409, Some(3)), "{other:?}");
    assert_eq!(client.put("f", "abc").await?.outcome(), (409, Some(3)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_with_another_body_is_code_6() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    upload(&client, Route::Put, "f", "\"one\"", "abc")
        .await?
        .expect(201)?;
    for other in ["abd", "abcd", ""] {
        for route in Route::ALL {
            let answer = upload(&client, route, "f", "\"one\"", other).await?;
            assert_eq!(
                answer.outcome(),
                (400, Some(6)),
                "{route:?} {other:?} {answer:?}"
            );
        }
    }
    assert_eq!(client.get("f").await?.body, "abc");
    cluster.wait_only(&["f"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lives_as_long_as_its_file() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let first = upload(&client, Route::Put, "f", "\"one\"", "abc")
        .await?
        .expect(201)?;
    client.delete("f").await?.expect(204)?;
    let second = upload(&client, Route::Put, "f", "\"one\"", "other")
        .await?
        .expect(201)?;
    assert_ne!(first.json()?["id"], second.json()?["id"]);
    assert_eq!(client.get("f").await?.body, "other");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_repetitions_at_once_store_one_file_and_all_get_its_answer() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        tasks.spawn(async move { upload(&client, Route::Put, "f", "\"k\"", "same").await });
    }
    let mut ids = std::collections::BTreeSet::new();
    while let Some(answer) = tasks.join_next().await {
        ids.insert(
            answer??.expect(201)?.json()?["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(
        content::hex(&client.get("f").await?.body),
        content::hex(b"same")
    );
    cluster.wait_only(&["f"]).await
}
