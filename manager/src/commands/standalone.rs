//! `manager standalone`: the whole service in one process, for a laptop. The
//! manager and its nodes talk over real loopback gRPC, as they do in a cluster.

use crate::config::StandaloneArgs;
use crate::serve::{Config, Manager};
use anyhow::Context;
use kit::inner::Inner;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the nodes may take to join before the service says it is ready.
const JOIN: Duration = Duration::from_secs(60);
/// How often it checks whether they have.
const LOOK: Duration = Duration::from_millis(20);
/// The pool of the nodes.
const POOL: &str = "standalone";

/// `manager standalone`.
///
/// # Errors
/// When the data directory is in use or a listener can't be had.
pub async fn run(args: StandaloneArgs) -> anyhow::Result<()> {
    let shutdown = kit::signals::shutdown()?;
    // Manager and nodes are one process: no certificate says which of them it is.
    let inner = Inner::of_token(args.token.load()?);
    std::fs::create_dir_all(&args.data)
        .with_context(|| format!("--data {}", args.data.display()))?;
    let store = manager_store::open(&format!("embedded:{}", args.data.join("store").display()))
        .await
        .with_context(|| format!("--data {}", args.data.display()))?;
    let traces = args.otlp.start("dfs-manager")?;
    let of_nodes = args.otlp.start("dfs-node")?;
    let config = Config {
        http: args.http,
        tls: args.tls,
        grpc: args.grpc,
        ops: args.ops,
        inner: inner.clone(),
        limits: args.limits,
        rest: args.rest,
        auth: args.auth,
        console: args.console.console,
        tracer: traces.tracer(),
    };
    let manager = Manager::bind(store, config).await?;
    let at = manager.addresses()?;
    let core = manager.core();
    let mut serving = tokio::spawn(manager.run(shutdown.clone()));

    // Nodes outlive the manager's last request.
    let leaving = CancellationToken::new();
    let mut nodes = JoinSet::new();
    let managers = vec![format!("http://{}", at.grpc).parse().context("--grpc")?];
    let dirs = node_dirs(&args.data, args.nodes)?;
    let count = dirs.len();
    for (number, dir) in dirs {
        let id = node_id(number)?;
        let config = node::Config {
            pool: POOL.to_owned(),
            inner: inner.clone(),
            tracer: of_nodes.tracer(),
            reserve: args.reserve,
            ..node::Config::local(dir, id, managers.clone())
        };
        // The manager knows when the nodes have joined, and nothing less is waited for.
        let (ready, _) = oneshot::channel();
        nodes.spawn(node::run(config, leaving.clone(), ready));
    }
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        Some(failed) = nodes.join_next() => return Err(node_failure(failed)),
        () = joined(&core, count) => None,
    };
    if ended.is_none() {
        println!("ready {at}");
    }
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::select! {
            ended = &mut serving => ended,
            // No node ends before it is asked to.
            Some(failed) = nodes.join_next() => return Err(node_failure(failed)),
        },
    };
    leaving.cancel();
    while nodes.join_next().await.is_some() {}
    tokio::join!(traces.end(), of_nodes.end());
    ended?
}

/// Why the service can't go on after a node's end.
fn node_failure(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Err(error)) => error.context("a node failed"),
        Err(error) => anyhow::Error::new(error).context("a node failed"),
        Ok(Ok(())) => anyhow::anyhow!("a node left by itself"),
    }
}

async fn joined(core: &manager_protocol::core::Core, count: usize) {
    let until = tokio::time::Instant::now() + JOIN;
    while core.nodes.all_available().len() < count && tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
}

fn node_id(number: u16) -> anyhow::Result<proto::NodeId> {
    Ok(proto::NodeId::new(&format!("node-{number}"))?)
}

/// The nodes' directories: as many as asked for, and any that an earlier start
/// made, since they may hold files.
fn node_dirs(data: &Path, wanted: u16) -> anyhow::Result<Vec<(u16, PathBuf)>> {
    let mut numbers: Vec<u16> = (1..=wanted).collect();
    for entry in std::fs::read_dir(data)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|n| n.strip_prefix("node-")?.parse().ok());
        if let Some(number) = number
            && number > wanted
        {
            tracing::warn!(
                number,
                wanted,
                "an earlier start had this node: it runs as well"
            );
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers
        .into_iter()
        .map(|n| (n, data.join(format!("node-{n}"))))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_an_earlier_start_is_never_left_out() {
        let data = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(data.path().join("node-5")).expect("made");
        let dirs = node_dirs(data.path(), 2).expect("listed");
        assert_eq!(dirs.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 5]);
    }
}
