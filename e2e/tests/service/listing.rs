//! `GET /files`: pages in name order that stay right while files come and go.

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::wire::{Client, encode_name};
use http::Method;
use std::collections::BTreeSet;

async fn fill(client: &Client, names: impl IntoIterator<Item = String>) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for name in names {
        let client = client.clone();
        tasks.spawn(async move { client.put(&name, "x").await?.expect(201) });
        if tasks.len() >= 16 {
            tasks.join_next().await.context("sixteen tasks")???;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn page(client: &Client, query: &str) -> Result<(Vec<String>, Option<String>)> {
    let answer = client
        .call(Method::GET, &format!("/files?{query}"))
        .await?
        .expect(200)?
        .json()?;
    let files = answer["files"].as_array().context("no files")?;
    let names = files
        .iter()
        .map(|file| file["filename"].as_str().unwrap().to_owned())
        .collect();
    Ok((names, answer["next"].as_str().map(str::to_owned)))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_in_name_order() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let names: Vec<String> = (0..95).map(|i| format!("f{i:03}")).collect();
    fill(&client, names.clone()).await?;
    let (mut seen, mut pages, mut query) = (Vec::new(), 0, "limit=10".to_owned());
    loop {
        let (part, next) = page(&client, &query).await?;
        pages += 1;
        assert!(part.len() <= 10);
        seen.extend(part);
        let Some(next) = next else { break };
        query = format!("limit=10&after={}", encode_name(&next));
    }
    assert_eq!((seen, pages), (names, 10));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_described() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let id = client.put("f", "12345").await?.expect(201)?.json()?["id"].clone();
    let answer = client
        .call(Method::GET, "/files")
        .await?
        .expect(200)?
        .json()?;
    let file = &answer["files"][0];
    assert_eq!(
        (&file["filename"], &file["size"], &file["id"]),
        (&"f".into(), &5.into(), &id)
    );
    assert!(!file["created"].is_null(), "{file}");
    assert_eq!(file["node"], "node-1", "{file}");
    assert!(
        answer.get("next").is_none(),
        "missing on the last page: {answer}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_narrows_the_listing() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let names = ["a", "ab", "abc", "b", "ä", "äb", "a%", "a b"];
    fill(&client, names.map(str::to_owned)).await?;
    for (prefix, wanted) in [
        ("ab", vec!["ab", "abc"]),
        ("ä", vec!["ä", "äb"]),
        ("a%", vec!["a%"]),
        ("a ", vec!["a b"]),
        ("abc", vec!["abc"]),
        ("zz", vec![]),
    ] {
        let (names, next) = page(&client, &format!("prefix={}", encode_name(prefix))).await?;
        assert_eq!(
            (names, next),
            (wanted.iter().map(|n| n.to_string()).collect(), None),
            "{prefix}"
        );
    }
    let (first, next) = page(&client, "prefix=ab&limit=1").await?;
    assert_eq!(
        (first.as_slice(), next.is_some()),
        (&["ab".to_owned()][..], true)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_survives_the_deletion_of_what_it_points_at() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let names: Vec<String> = (0..200).map(|i| format!("f{i:03}")).collect();
    fill(&client, names.clone()).await?;
    let (mut seen, mut query) = (Vec::new(), "limit=7".to_owned());
    let mut gone = BTreeSet::new();
    while let (part, Some(next)) = page(&client, &query).await? {
        // The page's last file, which the cursor names, and one that comes later.
        let last = part.last().context("an empty page with a cursor")?;
        if let Some(number) = last.strip_prefix('f') {
            let last: usize = number.parse()?;
            for index in [last, (last + 5) % 200] {
                if gone.insert(names[index].clone()) {
                    client.delete(&names[index]).await?.expect(204)?;
                }
            }
            client
                .put(&format!("g{number}"), "new, and after all others")
                .await?
                .expect(201)?;
        }
        seen.extend(part);
        query = format!("limit=7&after={}", encode_name(&next));
    }
    let (part, _) = page(&client, &query).await?;
    seen.extend(part);
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "none twice");
    assert!(seen.is_sorted());
    for name in names.iter().filter(|name| !gone.contains(*name)) {
        assert!(unique.contains(name), "{name} stayed all the time");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_is_one_file_a_line() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    fill(&client, (0..20).map(|i| format!("f{i:02}"))).await?;
    let headers = [("accept", "application/x-ndjson")];
    let answer = client
        .call_with(Method::GET, "/files", &headers)
        .await?
        .expect(200)?;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/x-ndjson"),
        "{answer:?}"
    );
    let text = String::from_utf8(answer.body.to_vec())?;
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let names: Vec<_> = lines
        .iter()
        .filter_map(|line| line["filename"].as_str())
        .collect();
    assert_eq!(names.len(), 20, "{text}");
    assert!(names.is_sorted());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_query_is_code_6() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let client = cluster.wire();
    for query in [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=99999999999999999999",
        "prefix=%FF",
    ] {
        let answer = client.call(Method::GET, &format!("/files?{query}")).await?;
        assert_eq!(answer.outcome(), (400, Some(6)), "{query} {answer:?}");
    }
    Ok(())
}
