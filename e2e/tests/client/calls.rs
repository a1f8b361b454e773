//! What the library does where nothing goes wrong, and where there is nobody to answer.

use anyhow::{Context, Result, ensure};
use client::{Client, Code, Error, NodeState, Upload};
use e2e::certificates::Authority;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::secure::Secure;
use e2e::wire::encode_name;
use e2e::{content, wait};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const NAMES: [&str; 7] = ["a b", "100%", "%2F", "ü", "名前", "a?b#c&d=e+f", "..."];

fn of(cluster: &Cluster) -> Result<Client> {
    Ok(Client::builder(&format!("http://{}", cluster.http()))?.build()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_and_size_come_back() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = of(&cluster)?;
    for (seed, name) in NAMES.into_iter().enumerate() {
        for size in [0, 1, 70_000, 3_000_000] {
            let data = content::bytes(seed as u64, size);
            let upload = Upload::bytes(data.clone()).content_type("text/x-test");
            let stored = client.put(name, upload).await?;
            ensure!(stored.filename == name && stored.size == size as u64);
            let told = client.stat(name).await?;
            ensure!((told.id, told.sha256, told.size) == (stored.id, stored.sha256, stored.size));
            ensure!(told.content_type == "text/x-test", "{told:?}");
            let download = client.get(name).await?;
            ensure!(*download.info() == told);
            ensure!(download.bytes().await? == data, "{name}, {size} bytes");
            let raw = cluster.wire().get(name).await?.expect(200)?;
            ensure!(raw.body == data, "{}", encode_name(name));
            client.delete(name).await?;
            let gone = client.stat(name).await.unwrap_err();
            ensure!(gone.code() == Some(Code::FileDoesNotExist), "{gone}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = of(&cluster)?;
    client.put("here", Upload::bytes("1")).await?;
    let error = client.put("here", Upload::bytes("2")).await.unwrap_err();
    ensure!(error.code() == Some(Code::FileNameExists), "{error}");
    for error in [
        client.get("none").await.map(drop).unwrap_err(),
        client.delete("none").await.unwrap_err(),
    ] {
        ensure!(error.code() == Some(Code::FileDoesNotExist), "{error}");
    }
    let other = client.put("other", Upload::bytes("3")).await?;
    let error = client.delete_exactly("here", other.id).await.unwrap_err();
    let Error::Refused(refusal) = &error else {
        anyhow::bail!("{error}");
    };
    ensure!(
        refusal.status.as_u16() == 412 && refusal.request_id.is_some(),
        "{refusal:?}"
    );
    client.delete_exactly("other", other.id).await?;
    for name in ["", "a/b", ".."] {
        let error = client.put(name, Upload::bytes("")).await.unwrap_err();
        ensure!(matches!(error, Error::Name(_)), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_has_each_file_once() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = of(&cluster)?;
    let names: Vec<String> = (0..2100).map(|i| format!("list +%{i:05}")).collect();
    stream::iter(&names)
        .map(|name| client.put(name, Upload::bytes(name.clone())))
        .buffer_unordered(32)
        .try_for_each(async |_| Ok(()))
        .await?;
    client.put("other", Upload::bytes("")).await?;
    let listed: Vec<String> = client
        .list("list +%")
        .map_ok(|file| file.file.filename)
        .try_collect()
        .await?;
    ensure!(listed == names);
    let after: Vec<_> = client
        .list_after("list +%", &names[1999])
        .try_collect()
        .await?;
    ensure!(after.len() == 100 && after[0].filename == names[2000]);
    let all: Vec<_> = client.list("").try_collect().await?;
    ensure!(all.len() == 2101);
    let status = client.status().await?;
    ensure!(
        status.nodes.len() == 1 && status.nodes[0].state == NodeState::Available,
        "{status:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_a_node_until_its_deadline() -> Result<()> {
    let mut cluster = Cluster::start_with(Options {
        nodes: 0,
        ..Options::default()
    })
    .await?;
    let url = format!("http://{}", cluster.http());
    let impatient = Client::builder(&url)?.deadline(Duration::ZERO).build()?;
    let error = impatient.put("a", Upload::bytes("1")).await.unwrap_err();
    ensure!(error.code() == Some(Code::ServersUnavailable), "{error}");
    let retries = Arc::new(AtomicUsize::new(0));
    let counted = retries.clone();
    let bounded = Client::builder(&url)?
        .deadline(Duration::from_secs(4))
        .on_retry(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .build()?;
    let error = wait::at_most(SOON, bounded.put("a", Upload::bytes("1"))).await?;
    let error = error.unwrap_err();
    ensure!(error.code() == Some(Code::ServersUnavailable), "{error}");
    ensure!(
        retries.load(Ordering::Relaxed) > 0,
        "it was not tried again"
    );
    let patient = Client::builder(&url)?.deadline(SOON).build()?;
    let waits = tokio::spawn(async move { patient.put("a", Upload::bytes("1")).await });
    cluster.add_node().await?;
    let stored = wait::at_most(SOON, waits).await???;
    ensure!(stored.size == 1);
    Ok(())
}

#[tokio::test]
async fn whoever_never_answers_is_given_up() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", silent.local_addr()?);
    let client = Client::builder(&url)?
        .silence(Duration::from_millis(200))
        .deadline(Duration::ZERO)
        .build()?;
    let begun = Instant::now();
    let error = client.get("a").await.map(drop).unwrap_err();
    ensure!(matches!(error, Error::Silent { .. }), "{error}");
    ensure!(begun.elapsed() < SOON);
    drop(silent);
    let error = client.get("a").await.map(drop).unwrap_err();
    ensure!(matches!(error, Error::NoAnswer { .. }), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_the_given_authority_is_trusted() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, secure.authority.pem())?;
    let url = format!("https://{}", secure.cluster.http());
    let client = Client::builder(&url)?.ca_file(&ca).build()?;
    client.put("a", Upload::bytes("1")).await?;
    ensure!(client.get("a").await?.bytes().await? == "1");
    // At once, as nothing else could help later.
    std::fs::write(&ca, Authority::new("another")?.pem())?;
    let distrusts = Client::builder(&url)?
        .ca_file(&ca)
        .deadline(10 * SOON)
        .build()?;
    let error = wait::at_most(SOON, distrusts.get("a")).await?;
    let error = error.map(drop).unwrap_err();
    let error = anyhow::Error::from(error);
    ensure!(format!("{error:#}").contains("certificate"), "{error:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_where_one_is_asked_for() -> Result<()> {
    let clients = Authority::new("clients")?;
    let mut secure = Secure::prepare(&[])?;
    secure.ask_clients_for(&clients.pem())?;
    secure.run().await?;
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, secure.authority.pem())?;
    let [cert, key] = clients.client()?.place(folder.path())?;
    let builder = || -> Result<_> {
        let url = format!("https://{}", secure.cluster.http());
        Ok(Client::builder(&url)?.ca_file(&ca).deadline(SOON))
    };
    let known = builder()?.identity(cert, key).build()?;
    known
        .put("a", Upload::bytes("1"))
        .await
        .context("with a certificate")?;
    let unknown = builder()?.deadline(Duration::ZERO).build()?;
    ensure!(unknown.get("a").await.is_err());
    Ok(())
}
