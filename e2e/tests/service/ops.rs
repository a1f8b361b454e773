//! How people and machines watch the service.

use anyhow::{Result, ensure};
use client::NodeState;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::metrics::Metrics;
use e2e::wire::Client;
use http::Method;

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_tell_that_they_live_are_ready_and_their_metrics() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.client()?.put("f", "x").await?;
    cluster.client()?.get("f").await?.bytes().await?;
    let node = cluster.node(0)?.address("metrics")?;
    for address in [cluster.ops(), node] {
        let ops = Client::new(address);
        ops.call(Method::GET, "/livez").await?.expect(200)?;
        e2e::wait::until(SOON, async || {
            ops.call(Method::GET, "/readyz")
                .await?
                .expect(200)
                .map(drop)
        })
        .await?;
        let answer = ops.call(Method::GET, "/metrics").await?.expect(200)?;
        let text = String::from_utf8(answer.body.to_vec())?;
        ensure!(text.contains("# TYPE"), "{text}");
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            let words: Vec<&str> = line.split(' ').collect();
            let name = words[2];
            ensure!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()),
                "{line}"
            );
        }
    }
    Ok(())
}

/// Waits until the manager's metrics say whether a node is available.
async fn shown(cluster: &Cluster, node: &str, available: f64) -> Result<()> {
    let series = format!("dfs_manager_node_available{{node=\"{node}\"}}");
    e2e::wait::until(SOON, async || {
        let value = Metrics::of(cluster.ops()).await?.get(&series);
        ensure!(value == Some(available), "{series} is {value:?}");
        Ok(())
    })
    .await
}

/// An alert can only be about a series that there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_keeps_the_series_that_says_so() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    shown(&cluster, "node-1", 1.0).await?;
    cluster.kill_node(0).await?;
    shown(&cluster, "node-1", 0.0).await?;
    // Also with a manager that it never joined.
    cluster.kill_manager().await?;
    cluster.start_manager().await?;
    shown(&cluster, "node-2", 1.0).await?;
    shown(&cluster, "node-1", 0.0).await?;
    cluster.start_node(0).await?;
    shown(&cluster, "node-1", 1.0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself_and_loads_nothing_from_elsewhere() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let client = cluster.wire();
    let api = client
        .call(Method::GET, "/openapi.json")
        .await?
        .expect(200)?
        .json()?;
    ensure!(
        api["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3.1")),
        "{}",
        api["openapi"]
    );
    for path in ["/file", "/file/{filename}", "/files", "/status"] {
        ensure!(
            api["paths"].get(path).is_some(),
            "{path} is missing: {}",
            api["paths"]
        );
    }
    let docs = client.call(Method::GET, "/docs").await?.expect(200)?;
    ensure!(docs.header("content-type").starts_with("text/html"));
    let text = String::from_utf8(docs.body.to_vec())?;
    for from in [
        "src=\"http",
        "href=\"http",
        "src=\"//",
        "@import",
        "url(http",
    ] {
        ensure!(!text.contains(from), "{from} in /docs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_nodes_totals_and_skew() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client()?;
    for i in 0..31 {
        client.put(&format!("f{i}"), "12345").await?;
    }
    let status = cluster
        .wait_status("counts of all nodes", SOON, |status| {
            status.nodes.iter().map(|node| node.files).sum::<u64>() == 31
        })
        .await?;
    ensure!(
        (status.files, status.bytes, status.skew) == (31, 155, 1),
        "{status:?}"
    );
    for node in &status.nodes {
        ensure!(
            node.state == NodeState::Available && node.pool == "default" && node.free > 0,
            "{node:?}"
        );
        ensure!(node.files == 10 || node.files == 11, "{node:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_suffice() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    for args in [
        &["--version"][..],
        &["--help"],
        &["serve", "--help"],
        &["standalone", "--help"],
        &["fsck", "--help"],
    ] {
        let (status, out, log) = cluster
            .manager_command(args.iter().copied())
            .output(SOON)
            .await?;
        ensure!(status.success(), "{args:?}: {log}");
        if args[0] == "serve" {
            for flag in [
                "--http",
                "--grpc",
                "--ops",
                "--store",
                "DFS_STORE",
                "--token-file",
            ] {
                ensure!(out.contains(flag), "{flag} is not in {out}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_route_is_refused_with_a_code() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let client = cluster.wire();
    for (method, path) in [
        (Method::GET, "/nonsense"),
        (Method::DELETE, "/file"),
        (Method::POST, "/files"),
    ] {
        let answer = client.call(method.clone(), path).await?;
        ensure!(
            answer.status.is_client_error(),
            "{method} {path}: {answer:?}"
        );
        ensure!(answer.code() == Some(6), "{method} {path}: {answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requests_id_runs_through_the_logs_of_manager_and_node() -> Result<()> {
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        env: vec![("RUST_LOG".to_owned(), "debug".to_owned())],
        ..Options::default()
    })
    .await?;
    let id = "00c0ffee00c0ffee";
    let headers = [("x-request-id", id)];
    let client = cluster.wire();
    client.put("f", "x").await?.expect(201)?;
    let got = client.get_with("f", &headers).await?.expect(200)?;
    ensure!(got.header("x-request-id") == id, "{got:?}");
    let drawn = client.get("f").await?.expect(200)?;
    ensure!(drawn.header("x-request-id").len() == 16, "{drawn:?}");
    for log in ["manager.log", "node-1.log"] {
        let text = std::fs::read_to_string(cluster.folder().join(log))?;
        ensure!(text.contains(id), "{id} is not in {log}");
    }
    Ok(())
}
