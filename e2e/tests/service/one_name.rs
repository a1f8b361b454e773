//! One name, many uploads at once (invariant 4).

use anyhow::Result;
use e2e::cluster::{Cluster, Options};
use e2e::wire::{Client, NameAt, Route};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn of_1000_concurrent_posts_one_is_201_and_999_are_code_3() -> Result<()> {
    let cluster = Cluster::start_with(Options {
        nodes: 3,
        ..Options::default()
    })
    .await?;
    let client = cluster.wire();
    for round in 0..3 {
        let name = format!("one-{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1000 {
            // Connections of their own, so that all are under way at once.
            let (client, name) = (Client::new(client.address()), name.clone());
            tasks.spawn(async move {
                let data = format!("content {number}");
                let route = Route::Json(if number % 2 == 0 {
                    NameAt::First
                } else {
                    NameAt::Last
                });
                let answer = client.upload(route, &name, data.clone()).await?;
                anyhow::Ok((answer.outcome(), data))
            });
        }
        let mut outcomes = BTreeMap::new();
        let mut winner = None;
        while let Some(done) = tasks.join_next().await {
            let (outcome, data) = done??;
            *outcomes.entry(outcome).or_insert(0) += 1;
            if outcome.0 == 201 {
                winner = Some(data);
            }
        }
        let wanted = BTreeMap::from([((201, None), 1), ((409, Some(3)), 999)]);
        assert_eq!(outcomes, wanted);
        assert_eq!(client.get(&name).await?.body, winner.unwrap());
    }
    cluster.wait_only(&["one-0", "one-1", "one-2"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_deletes_of_one_name_leave_one_file_or_none() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.wire();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let client = client.clone();
        tasks.spawn(async move {
            let (mut uploads, mut deletes) = (0_i64, 0_i64);
            for step in 0..100 {
                if (number + step) % 2 == 0 {
                    let answer = client.put("hot", format!("{number}-{step}")).await?;
                    match answer.outcome() {
                        (201, None) => uploads += 1,
                        (409, Some(3)) => {}
                        other => anyhow::bail!("an upload: {other:?} {answer:?}"),
                    }
                } else {
                    let answer = client.delete("hot").await?;
                    match answer.outcome() {
                        (204, None) => deletes += 1,
                        (404, Some(2)) => {}
                        other => anyhow::bail!("a delete: {other:?} {answer:?}"),
                    }
                }
            }
            Ok((uploads, deletes))
        });
    }
    let (mut uploads, mut deletes) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let (more_uploads, more_deletes) = done??;
        uploads += more_uploads;
        deletes += more_deletes;
    }
    let left = match client.get("hot").await?.outcome() {
        (200, None) => 1,
        (404, Some(2)) => 0,
        other => anyhow::bail!("{other:?}"),
    };
    // Each 201 made a file that was not there, each 204 ended one that was.
    assert_eq!(
        uploads - deletes,
        left,
        "{uploads} uploads, {deletes} deletes"
    );
    cluster
        .wait_only(if left == 1 { &["hot"] } else { &[] })
        .await
}
