//! TLS of the inner ports: certificates of the release open them, each to what its role is
//! for, and are replaced while the service runs.

use anyhow::{Context, Result, ensure};
use authority::{Authority, Pair};
use client::{Client, Status};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::members::{
    LONG, RELEASE, authority_of, folder, issue, member, member_until, node_of, secure, secured,
    write,
};
use futures::StreamExt;
use kit::inner::Inner;
use kit::tls::Mutual;
use proto::identity::Role;
use proto::v1::admin_client::AdminClient;
use proto::v1::handover_client::HandoverClient;
use proto::v1::registry_client::RegistryClient;
use proto::v1::storage_client::StorageClient;
use proto::v1::{
    Hello, IdentifyRequest, ListNodesRequest, NodeMessage, ResumeRequest, node_message,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

const TOKEN: &str = "correct-horse-battery-staple";
/// Longer than it takes until files are read again.
const READ_AGAIN: Duration = Duration::from_secs(7);

/// What a process with a certificate is to others.
fn with(pair: &Pair, trusted: &[&Authority]) -> Result<Inner> {
    let trust = trusted.iter().map(|authority| authority.cert()).collect();
    let texts = [pair.cert.clone(), pair.key.clone(), trust];
    Ok(Inner::of_certificates(Some(Mutual::of(&texts)?)))
}

fn endpoint(address: SocketAddr) -> Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.connect_timeout(SOON))
}

async fn to_manager(inner: &Inner, cluster: &Cluster) -> Result<Channel> {
    let way = inner.way_of_commands();
    Ok(way.connect(&endpoint(cluster.grpc())?).await?)
}

async fn to_node(inner: &Inner, cluster: &Cluster, index: usize) -> Result<Channel> {
    let way = inner.way_between_nodes("");
    Ok(way.connect(&endpoint(cluster.inner_of(index))?).await?)
}

async fn commands(channel: &Channel) -> Code {
    let request = ListNodesRequest {
        pool: String::new(),
    };
    let asked = AdminClient::new(channel.clone()).list_nodes(request).await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn join(channel: &Channel) -> Code {
    let nothing = futures::stream::empty::<NodeMessage>();
    let asked = RegistryClient::new(channel.clone()).join(nothing).await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn identify(channel: &Channel) -> Code {
    let mut client = StorageClient::new(channel.clone());
    let asked = client.identify(IdentifyRequest {}).await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn resume(channel: &Channel) -> Code {
    let mut client = HandoverClient::new(channel.clone());
    let asked = client.resume_file(ResumeRequest::default()).await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn put_and_get(client: &Client, names: impl Iterator<Item = usize>) -> Result<()> {
    for n in names {
        let (name, data) = (format!("f-{n}"), format!("data of {n}"));
        client.put(&name, data.clone()).await?;
        ensure!(
            client.get(&name).await?.bytes().await? == data.as_bytes(),
            "{name}"
        );
    }
    Ok(())
}

/// The exit status and output of a command, with the certificate in that folder.
async fn ask(cluster: &Cluster, command: &str, of: &str) -> Result<(i32, String)> {
    let certs = folder(cluster, of).display().to_string();
    cluster.ask(&[command, "--certs", &certs]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_certificates_and_no_token_does_all_that_another_does() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let mut cluster = secured(2, &authority).await?;
    let client = cluster.client()?;
    put_and_get(&client, 0..40).await?;
    let large = e2e::content::bytes(7, 3 << 20);
    client.put("large", large.clone()).await?;
    // Files move to it straight from the others.
    let third = cluster.new_node()?;
    let certs = folder(&cluster, "node-default").display().to_string();
    cluster.nodes[third].env = vec![("DFS_CERTS".to_owned(), certs)];
    cluster.start_node(third).await?;
    cluster.wait_available(3).await?;
    cluster
        .wait_status("a balanced service", SOON, Status::is_balanced)
        .await?;
    ensure!(cluster.tree(third)?.files.len() >= 13);
    ensure!(client.get("large").await?.bytes().await? == large);
    for n in 0..40 {
        let got = client.get(&format!("f-{n}")).await?.bytes().await?;
        ensure!(got == format!("data of {n}").as_bytes());
    }
    let (code, out) = ask(&cluster, "fsck", "operator").await?;
    ensure!(code == 0, "{out}");
    for n in 0..40 {
        client.delete(&format!("f-{n}")).await?;
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_opens_only_what_its_role_is_for() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let cluster = secured(1, &authority).await?;
    for (role, opens) in [
        (Role::Manager, [true, false, true, false]),
        (Role::Operator, [true, false, false, false]),
        (node_of("default"), [false, true, false, true]),
        (node_of("other"), [false, true, false, true]),
    ] {
        let inner = with(&member(&authority, role.clone())?, &[&authority])?;
        let manager = to_manager(&inner, &cluster).await?;
        let node = to_node(&inner, &cluster, 0).await?;
        let codes = [
            commands(&manager).await,
            join(&manager).await,
            identify(&node).await,
            resume(&node).await,
        ];
        for (n, (code, opens)) in codes.into_iter().zip(opens).enumerate() {
            let refused = code == Code::PermissionDenied;
            ensure!(refused != opens, "{role}: call {n} is {code:?}");
        }
        // Among nodes it is the manager's ticket that lets a copy in.
        ensure!(!opens[3] || codes[3] == Code::Unauthenticated, "{codes:?}");
    }
    let denied = ask(&cluster, "nodes", "node-default").await;
    let denied = format!("{:#}", denied.unwrap_err());
    ensure!(denied.contains("an operator's"), "{denied}");
    let bare = format!("{:#}", cluster.ask(&["nodes"]).await.unwrap_err());
    ensure!(bare.contains("may want --certs"), "{bare}");
    let (code, out) = ask(&cluster, "nodes", "operator").await?;
    ensure!(code == 0 && out.contains("node-1"), "{out}");
    let url = format!("https://{}", cluster.grpc());
    let certs = folder(&cluster, "operator").display().to_string();
    let with = ["nodes", "--manager", &url, "--certs", &certs];
    let (status, out, log) = cluster.manager_command(with).output(SOON).await?;
    ensure!(status.success() && out.contains("node-1"), "{out}{log}");
    let without = cluster.manager_command(["nodes", "--manager", &url]);
    let (status, _, log) = without.output(SOON).await?;
    ensure!(!status.success() && log.contains("needs --certs"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_certificate_of_the_release_gets_in_nowhere() -> Result<()> {
    let (authority, another) = (authority_of(RELEASE)?, authority_of(RELEASE)?);
    let mut cluster = secured(1, &authority).await?;
    let now = SystemTime::now();
    let of_release = |signs: &Authority, release: &str, from: SystemTime, life: Duration| {
        member_until(signs, release, Role::Operator, from, life)
    };
    let long_ago = now - 2 * LONG;
    let old = Authority::new(RELEASE, 10 * LONG, now - 3 * LONG)?;
    for (pair, why) in [
        (
            of_release(&another, RELEASE, now, LONG)?,
            "another authority",
        ),
        (
            of_release(&authority, "files.b", now, LONG)?,
            "another release",
        ),
        (of_release(&old, RELEASE, long_ago, LONG)?, "expired"),
    ] {
        let inner = with(&pair, &[&authority, &another, &old])?;
        if let Ok(channel) = to_manager(&inner, &cluster).await {
            ensure!(commands(&channel).await != Code::Ok, "{why}: a manager");
            ensure!(
                join(&channel).await != Code::InvalidArgument,
                "{why}: a manager"
            );
        }
        if let Ok(channel) = to_node(&inner, &cluster, 0).await {
            ensure!(
                resume(&channel).await != Code::Unauthenticated,
                "{why}: a node"
            );
        }
    }
    for address in [cluster.grpc(), cluster.inner_of(0)] {
        // HTTP/2 without TLS is not answered in kind.
        let mut socket = TcpStream::connect(address).await?;
        socket
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        let _ = tokio::time::timeout(SOON, read).await?;
        // An alert of TLS at the most.
        ensure!(answer.len() <= 7 && answer.first().is_none_or(|first| *first == 21));
    }
    // A node of another authority, one that has none, and one that says it is of a pool
    // that its certificate does not name.
    let strange = [
        ("strange", Some(member(&another, node_of("default"))?)),
        ("bare", None),
        ("posing", Some(member(&authority, node_of("other"))?)),
    ];
    for (name, pair) in strange {
        let index = cluster.new_node()?;
        if let Some(pair) = pair {
            let certs = folder(&cluster, name);
            write(&certs, &pair, &[&authority, &another])?;
            let certs = certs.display().to_string();
            cluster.nodes[index].env = vec![("DFS_CERTS".to_owned(), certs)];
        }
        cluster.start_node(index).await?;
        let node = cluster.node(index)?;
        e2e::wait::until(SOON, async || {
            let log = node.log();
            ensure!(log.contains("not joined"), "{name}: {log}");
            Ok(())
        })
        .await?;
    }
    ensure!(cluster.client()?.status().await?.nodes.len() == 1);
    put_and_get(&cluster.client()?, 0..3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_nobody_but_a_manager_of_its_release() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let mut cluster = Cluster::prepare(Options::default())?;
    let index = cluster.new_node()?;
    issue(&cluster, &authority, &[&authority])?;
    // A node's certificate is stolen, and used to pose as a manager.
    let stolen = member(&authority, node_of("default"))?;
    write(&folder(&cluster, "manager"), &stolen, &[&authority])?;
    secure(&mut cluster);
    cluster.start_manager().await?;
    cluster.start_node(index).await?;
    let node = cluster.node(index)?;
    e2e::wait::until(SOON, async || {
        let log = node.log();
        let said = "spiffe://files/node/default answers there";
        ensure!(log.contains(said), "{log}");
        Ok(())
    })
    .await?;
    ensure!(cluster.client()?.status().await?.nodes.is_empty());
    Ok(())
}

/// What a manager answers to a node that introduces itself so.
async fn hello(channel: &Channel, hello: Hello) -> tonic::Status {
    let kind = Some(node_message::Kind::Hello(hello));
    let said = futures::stream::iter([NodeMessage { kind }]).chain(futures::stream::pending());
    let joined = RegistryClient::new(channel.clone()).join(said).await;
    match joined {
        Err(status) => status,
        Ok(answers) => match answers.into_inner().message().await {
            Err(status) => status,
            Ok(answer) => tonic::Status::ok(format!("{answer:?}")),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_nowhere_leaves_nothing_and_learns_nothing() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let cluster = secured(1, &authority).await?;
    let volume = e2e::wait::until(SOON, async || {
        let (_, lines) = ask(&cluster, "nodes", "operator").await?;
        let volume = lines.split_once("volume=").context("no volume")?.1;
        let volume = volume.split_whitespace().next();
        Ok(volume.context("no volume")?.to_owned())
    })
    .await?;
    let inner = with(&member(&authority, node_of("default"))?, &[&authority])?;
    let channel = to_manager(&inner, &cluster).await?;
    let nowhere = "127.0.0.1:9".to_owned();
    let real = cluster.inner_of(0).to_string();
    let says = |node_id: &str, endpoint: &str| Hello {
        node_id: node_id.to_owned(),
        volume_id: vec![7; 16].into(),
        session: 7,
        pool: "default".to_owned(),
        endpoint: endpoint.to_owned(),
        protocol_min: proto::PROTOCOL_MIN,
        protocol_max: proto::PROTOCOL,
        beat_seen: 1 << 63,
        ticket_key: vec![7; 32].into(),
        ..Hello::default()
    };
    let mut refused = Vec::new();
    for n in 0..20 {
        refused.push(hello(&channel, says(&format!("invented-{n}"), &nowhere)).await);
    }
    for endpoint in [&nowhere, &real] {
        refused.push(hello(&channel, says("node-1", endpoint)).await);
    }
    for status in refused {
        ensure!(status.code() != Code::Ok, "{status:?}");
        let told = status.message();
        ensure!(!told.contains(&volume), "it learns the volume: {told}");
    }
    let status = cluster.client()?.status().await?;
    ensure!(status.nodes.len() == 1, "{status:?}");
    let log = cluster.manager()?.log();
    ensure!(!log.contains("was set back"), "{log}");
    put_and_get(&cluster.client()?, 0..3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_never_join_hold_no_connection() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let cluster = secured(1, &authority).await?;
    let inner = with(&member(&authority, node_of("default"))?, &[&authority])?;
    let begun = std::time::Instant::now();
    let mut calls = Vec::new();
    for _ in 0..2 * kit::accept::STRANGERS {
        let channel = to_manager(&inner, &cluster).await?;
        calls.push(tokio::spawn(async move {
            let silent = futures::stream::pending::<NodeMessage>();
            let joined = RegistryClient::new(channel).join(silent).await;
            joined.map_or_else(|status| status.code(), |_| Code::Ok)
        }));
    }
    let first = calls.swap_remove(0).await?;
    ensure!(first != Code::Ok, "{first:?}");
    // Before the manager's own patience with it ends.
    ensure!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    let (code, out) = ask(&cluster, "nodes", "operator").await?;
    ensure!(code == 0, "{out}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_authority_are_replaced_under_load() -> Result<()> {
    let (old, new) = (authority_of(RELEASE)?, authority_of(RELEASE)?);
    let mut cluster = secured(2, &old).await?;
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let traffic = {
        let (client, stop, done) = (cluster.client()?, stop.clone(), done.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let n = done.fetch_add(1, Ordering::Relaxed);
                put_and_get(&client, std::iter::once(n)).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, anyhow::Error>(())
        })
    };
    for (signs, trusted) in [
        (&old, &[&old, &new][..]),
        (&new, &[&new, &old]),
        (&new, &[&new]),
    ] {
        issue(&cluster, signs, trusted)?;
        tokio::time::sleep(READ_AGAIN).await;
    }
    // Whoever comes now meets the new ones, in both directions.
    let third = cluster.new_node()?;
    let certs = folder(&cluster, "node-default").display().to_string();
    cluster.nodes[third].env = vec![("DFS_CERTS".to_owned(), certs)];
    cluster.start_node(third).await?;
    cluster.wait_available(3).await?;
    let late = with(&member(&old, Role::Operator)?, &[&old, &new])?;
    let late = to_manager(&late, &cluster).await;
    let refused = match late {
        Ok(channel) => commands(&channel).await != Code::Ok,
        Err(_) => true,
    };
    ensure!(refused, "the old authority is still trusted");
    stop.store(true, Ordering::Relaxed);
    traffic.await??;
    ensure!(done.load(Ordering::Relaxed) > 100, "there was no load");
    ensure!(
        !cluster.logs().contains("was not read again"),
        "{}",
        cluster.logs()
    );
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_changes_from_a_token_to_certificates_node_by_node() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let token = ("DFS_TOKEN".to_owned(), TOKEN.to_owned());
    let mut cluster = Cluster::start_with(Options {
        nodes: 2,
        env: vec![token],
        ..Options::default()
    })
    .await?;
    let client = cluster.client()?;
    put_and_get(&client, 0..10).await?;
    issue(&cluster, &authority, &[&authority])?;
    secure(&mut cluster);
    cluster.stop_manager().await?;
    cluster.options.manager_args = vec!["--accept-plain".to_owned()];
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;
    put_and_get(&client, 10..20).await?;
    for index in 0..2 {
        let node = cluster.nodes[index].process.take();
        node.context("it runs")?.terminate(SOON).await?;
        cluster.start_node(index).await?;
        cluster.wait_available(2).await?;
        put_and_get(&client, (index + 2) * 10..(index + 3) * 10).await?;
    }
    let (code, _) = cluster.ask(&["nodes"]).await?;
    ensure!(
        code == 0,
        "the token opens the managers' commands until then"
    );
    cluster.stop_manager().await?;
    cluster.options.manager_args.clear();
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;
    for n in 0..40 {
        client.get(&format!("f-{n}")).await?.bytes().await?;
    }
    ensure!(cluster.ask(&["nodes"]).await.is_err());
    let (code, _) = ask(&cluster, "nodes", "operator").await?;
    ensure!(code == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_refused_at_the_start() -> Result<()> {
    let authority = authority_of(RELEASE)?;
    let cluster = Cluster::prepare(Options::default())?;
    let store = format!("embedded:{}", cluster.store().display());
    let certs = cluster.folder().join("certs");
    let (own, other) = (
        member(&authority, Role::Manager)?,
        member(&authority, Role::Manager)?,
    );
    let mixed = Pair {
        cert: own.cert.clone(),
        key: other.key,
    };
    let plain = Pair {
        cert: authority.cert().to_owned(),
        key: authority.key().to_owned(),
    };
    write(&certs.join("good"), &own, &[&authority])?;
    write(&certs.join("mixed"), &mixed, &[&authority])?;
    write(&certs.join("plain"), &plain, &[&authority])?;
    write(&certs.join("untrusting"), &own, &[])?;
    let at = |name: &str| certs.join(name).display().to_string();
    for (flags, said) in [
        (vec!["--certs".to_owned(), at("none")], "tls.crt"),
        (
            vec!["--certs".to_owned(), at("mixed")],
            "does not belong to",
        ),
        (
            vec!["--certs".to_owned(), at("plain")],
            "whose URI is no identity",
        ),
        (
            vec!["--certs".to_owned(), at("untrusting")],
            "ca.crt: no certificate",
        ),
        (
            vec!["--accept-plain".to_owned()],
            "--accept-plain: needs certificates",
        ),
        (
            vec![
                "--certs".to_owned(),
                at("good"),
                "--accept-plain".to_owned(),
            ],
            "--accept-plain: needs a token",
        ),
    ] {
        let args = ["serve", "--http", "127.0.0.1:0", "--grpc", "0.0.0.0:0"];
        let args = args.into_iter().map(str::to_owned);
        let rest = ["--ops", "127.0.0.1:0", "--store", &store].map(str::to_owned);
        let launch = cluster.manager_command(args.chain(rest).chain(flags.clone()));
        let (status, log) = launch.refused(SOON).await?;
        ensure!(!status.success() && log.contains(said), "{flags:?}: {log}");
    }
    Ok(())
}
