//! When a part that a service can't do without ends, its process ends too, with a message
//! and an exit status: a restart heals more than a node that answers and does nothing.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library;

const PANICS: (&str, &str) = ("FAILPOINTS", "node::committer_panics=return");

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_committer_ended_ends_too_and_says_so() -> Result<()> {
    let mut cluster = Cluster::start_with(Options {
        nodes: 2,
        ..Options::default()
    })
    .await?;
    cluster.kill_node(0).await?;
    cluster.nodes[0].env = vec![(PANICS.0.to_owned(), PANICS.1.to_owned())];
    cluster.start_node(0).await?;
    cluster.wait_available(2).await?;
    let client = cluster.client()?;
    for i in 0..4 {
        // One of the uploads meets the panic; the others go to the other node.
        let stored = client.put(&format!("f{i}"), "x").await;
        ensure!(
            stored.is_ok() || stored.is_err_and(|error| error.refusal().is_some()),
            "no answer"
        );
    }
    let node = cluster.nodes[0].process.take().unwrap();
    let log = cluster.folder().join("node-1.log");
    let status = node.wait(SOON).await?;
    let text = std::fs::read_to_string(log)?;
    ensure!(status.code() == Some(1), "{status}: {text}");
    ensure!(text.contains("node: the committer has ended"), "{text}");
    client.put("after", "x").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_service_whose_node_ended_ends_too_and_says_so() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let data = cluster.folder().join("data");
    let mut args = vec!["standalone".into(), "--data".into(), data.into()];
    for flag in ["--http", "--grpc", "--ops"] {
        args.extend([flag.into(), "127.0.0.1:0".into()]);
    }
    args.extend(["--nodes".into(), "1".into()]);
    let mut launch = cluster.manager_command::<std::ffi::OsString>(args);
    launch.env.push((PANICS.0.to_owned(), PANICS.1.to_owned()));
    let process = launch.start().await?;
    let client = library::once(process.address("http")?, None)?;
    let _ = client.put("f", "x").await;
    let status = process.wait(SOON).await?;
    let text = std::fs::read_to_string(&launch.stderr)?;
    ensure!(!status.success(), "{status}: {text}");
    ensure!(text.contains("the committer has ended"), "{text}");
    Ok(())
}
