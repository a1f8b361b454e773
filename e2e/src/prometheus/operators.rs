//! Operators on a real API server, each for a namespace of its own.

use super::chart::{Chart, RELEASE};
use crate::cluster::{Launch, Process};
use crate::kube::ApiServer;
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// How long an operator may take until a pool has its StatefulSet.
const MADE: Duration = Duration::from_secs(60);
/// The name of each pool.
pub(super) const POOL: &str = "files";
/// The Secret of its authorities, where it makes certificates.
pub(super) const AUTHORITY: &str = "authority";

/// An operator that runs.
pub(super) struct Operator(Process);

impl Operator {
    /// Makes a namespace, and starts its operator.
    pub(super) async fn start(
        server: &ApiServer,
        namespace: &str,
        manager: SocketAddr,
        certificates: bool,
    ) -> Result<Self> {
        let told = server.kubectl(&["create", "namespace", namespace], "")?;
        told.expect("a namespace")?;
        let process = launch(server, namespace, manager, certificates)?;
        Ok(Self(process.start().await?))
    }

    /// Starts another one in a namespace whose operator has gone.
    pub(super) async fn again(
        server: &ApiServer,
        namespace: &str,
        manager: SocketAddr,
    ) -> Result<Self> {
        let process = launch(server, namespace, manager, false)?;
        Ok(Self(process.start().await?))
    }

    /// kill -9.
    pub(super) async fn kill(self) -> Result<()> {
        self.0.kill().await
    }

    /// Where its metrics are.
    pub(super) fn ops(&self) -> Result<SocketAddr> {
        self.0.address("ops")
    }
}

fn launch(
    server: &ApiServer,
    namespace: &str,
    manager: SocketAddr,
    certificates: bool,
) -> Result<Launch> {
    let mut env = vec![
        ("DFS_NAMESPACE", namespace.to_owned()),
        ("DFS_RELEASE", RELEASE.to_owned()),
        ("DFS_MANAGER", format!("http://{manager}")),
        ("DFS_NODE_IMAGE", "node:test".to_owned()),
        ("DFS_TOKEN_SECRET", "token".to_owned()),
        ("DFS_KEYS_SECRET", "nodes".to_owned()),
        ("DFS_LEASE", "operator".to_owned()),
        ("DFS_IDENTITY", "operator-0".to_owned()),
        ("DFS_OPS", "127.0.0.1:0".to_owned()),
    ];
    if certificates {
        env.push(("DFS_AUTHORITY_SECRET", AUTHORITY.to_owned()));
        env.push(("DFS_MANAGERS_SECRET", "managers".to_owned()));
    }
    let mut launch = server.launch("operator", &["run"], &env)?;
    launch
        .stderr
        .set_file_name(format!("operator-{namespace}.log"));
    Ok(launch)
}

/// Makes a pool of one node in a namespace.
pub(super) fn make_pool(server: &ApiServer, namespace: &str) -> Result<()> {
    let pool = json!({
        "apiVersion": "fileserver.dev/v1alpha1",
        "kind": "FileServerPool",
        "metadata": { "namespace": namespace, "name": POOL },
        "spec": { "replicas": 1, "storage": { "size": "1Gi" } },
    });
    apply(server, &pool)
}

/// Writes an object.
pub(super) fn apply(server: &ApiServer, object: &Value) -> Result<()> {
    let told = server.kubectl(&["apply", "-f", "-"], &object.to_string())?;
    told.expect("kubectl apply").map(drop)
}

/// The pods that an operator has made for a pool are those that the PodMonitor of the
/// chart reads.
pub(super) async fn nodes_are_read(
    server: &ApiServer,
    namespace: &str,
    chart: &Chart,
) -> Result<()> {
    let job = chart.nodes()?;
    let set = format!("{POOL}-node");
    let args = [
        "--namespace",
        namespace,
        "get",
        "statefulset",
        &set,
        "-o",
        "json",
    ];
    let set = wait::until(MADE, async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kubectl(&args, "")?.expect("its StatefulSet")
    })
    .await?;
    let set: Value = serde_json::from_str(&set).context("a StatefulSet")?;
    let pod = &set["spec"]["template"];
    ensure!(
        job.selects(pod),
        "{:?} selects no pod as {pod}",
        job.selects
    );
    Ok(())
}
