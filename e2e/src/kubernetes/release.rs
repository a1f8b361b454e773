//! An installed release of the chart, and its pools.

use super::kube::Kube;
use crate::cluster::binaries::workspace;
use crate::wait;
use crate::wire;
use anyhow::{Context, Result, ensure};
use client::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The port of the REST API.
const PORT: u16 = 8000;
/// How long a pool may take until it is as it should be.
pub const SETTLE: Duration = Duration::from_secs(120);

/// A release, by its namespace and name.
#[derive(Debug, Clone)]
pub struct Release {
    /// The cluster.
    pub kube: Kube,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The values of a run: images that are on the machines already.
pub fn values() -> Value {
    let image = |tag: &str| json!({ "registry": "localhost", "tag": tag, "pullPolicy": "Never" });
    json!({
        "images": {
            "manager": image("test"),
            "operator": image("test"),
            "node": image("test"),
        },
        "persistence": { "size": "1Gi" },
        "operator": { "replicas": 2 },
        // The tests call from outside of the pods' network; earlier charts know no other way
        // to say so.
        "networkPolicy": { "http": { "from": [
            { "ipBlock": { "cidr": "0.0.0.0/0" } },
            { "ipBlock": { "cidr": "::/0" } },
        ] } },
    })
}

impl Release {
    /// One that may not be installed yet.
    pub fn new(kube: &Kube, namespace: &str, name: &str) -> Self {
        Self {
            kube: kube.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The prefix of its objects' names.
    pub fn full_name(&self) -> String {
        format!("{}-distributed-file-server", self.name)
    }

    /// Makes its namespace, which enforces the restricted pod security.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn make_namespace(&self) -> Result<()> {
        self.kube.apply(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.namespace,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        }))
    }

    /// Runs a verb of helm on it, with values.
    ///
    /// # Errors
    /// With what helm said where it failed.
    pub fn helm(&self, verb: &str, values: &Value) -> Result<String> {
        let chart = workspace().join("charts/distributed-file-server");
        self.helm_chart(verb, &chart, values)
    }

    /// The same with another chart.
    ///
    /// # Errors
    /// With what helm said where it failed.
    pub fn helm_chart(&self, verb: &str, chart: &Path, values: &Value) -> Result<String> {
        let chart = chart.to_string_lossy();
        let args = [verb, &self.name, &chart, "-n", &self.namespace, "-f", "-"];
        self.kube.helm(&args, &values.to_string())
    }

    /// `helm rollback` to the revision before the last one. Helm keeps only the last ten,
    /// so that the first one may be gone.
    ///
    /// # Errors
    /// What Helm says where it fails.
    pub fn roll_back(&self) -> Result<()> {
        let args = ["rollback", &self.name, "-n", &self.namespace];
        self.kube.helm(&args, "").map(drop)
    }

    /// Removes it, and waits until its pods have gone.
    ///
    /// # Errors
    /// What Helm says where it fails.
    pub fn uninstall(&self) -> Result<()> {
        let args = ["uninstall", &self.name, "-n", &self.namespace, "--wait"];
        self.kube.helm(&args, "").map(drop)
    }

    /// Waits until one of its objects, such as `sts` of `manager`, runs what it is to run.
    ///
    /// # Errors
    /// Where that takes longer.
    pub fn rolled_out(&self, kind: &str, component: &str, within: Duration) -> Result<()> {
        let object = format!("{kind}/{}-{component}", self.full_name());
        let timeout = format!("--timeout={}s", within.as_secs());
        let args = ["rollout", "status", &object, &timeout];
        let args = [&["-n", self.namespace.as_str()][..], &args].concat();
        self.kube.kubectl(&args).map(drop)
    }

    /// A client of its REST API.
    ///
    /// # Errors
    /// Where it has no Service.
    pub fn client(&self) -> Result<Client> {
        self.kube.client(&self.namespace, &self.service(), PORT)
    }

    /// What sends requests to its REST API as they are written.
    ///
    /// # Errors
    /// Where it has no Service.
    pub fn wire(&self) -> Result<wire::Client> {
        self.kube.wire(&self.namespace, &self.service(), PORT)
    }

    fn service(&self) -> String {
        format!("{}-manager", self.full_name())
    }

    /// Applies a pool.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn apply_pool(&self, name: &str, spec: Value) -> Result<()> {
        let mut spec = spec;
        if spec["storage"].is_null() {
            spec["storage"] = json!({ "size": "1Gi", "reserve": "16Mi" });
        }
        self.kube.apply(&json!({
            "apiVersion": "fileserver.dev/v1alpha1",
            "kind": "FileServerPool",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": spec,
        }))
    }

    /// Changes a pool's spec.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn patch_pool(&self, name: &str, spec: &Value) -> Result<String> {
        let patch = json!({ "spec": spec }).to_string();
        let args = [
            "-n",
            &self.namespace,
            "patch",
            "fsp",
            name,
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kube.kubectl(&args)
    }

    /// `kubectl scale`, as people and autoscalers do it.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn scale(&self, pool: &str, replicas: i32) -> Result<()> {
        let (fsp, to) = (format!("fsp/{pool}"), format!("--replicas={replicas}"));
        self.kube
            .kubectl(&["-n", &self.namespace, "scale", &fsp, &to])
            .map(drop)
    }

    /// A pool's status.
    ///
    /// # Errors
    /// Where there is no such pool.
    pub fn status(&self, pool: &str) -> Result<Value> {
        Ok(self.kube.get(&self.namespace, "fsp", pool)?["status"].take())
    }

    /// A condition of a pool: whether it holds, its reason and its message.
    ///
    /// # Errors
    /// Where it has none of that type.
    pub fn condition(&self, pool: &str, type_: &str) -> Result<(bool, String, String)> {
        let status = self.status(pool)?;
        let all = status["conditions"].as_array().context("conditions")?;
        let found = all.iter().find(|c| c["type"] == type_);
        let found = found.with_context(|| format!("no condition {type_}"))?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Ok((found["status"] == "True", text("reason"), text("message")))
    }

    /// Waits until a condition has this status and reason, and gives its message.
    ///
    /// # Errors
    /// With the condition as it was last.
    pub async fn told(&self, pool: &str, type_: &str, holds: bool, reason: &str) -> Result<String> {
        wait::until(SETTLE, async || {
            let told = self.condition(pool, type_)?;
            let wanted = told.0 == holds && (reason.is_empty() || told.1 == reason);
            ensure!(wanted, "{type_}: {told:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(told.2)
        })
        .await
    }

    /// Waits until a pool has this many nodes, all of which serve, and reports Ready
    /// for its newest generation.
    ///
    /// # Errors
    /// With its status where that takes too long.
    pub async fn ready(&self, pool: &str, nodes: i32) -> Result<()> {
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let found = self.kube.get(&self.namespace, "fsp", pool)?;
            let status = &found["status"];
            let current = status["observedGeneration"] == found["metadata"]["generation"];
            let whole = status["replicas"] == nodes && status["readyReplicas"] == nodes;
            let ready = self.condition(pool, "Ready")?;
            ensure!(current && whole && ready.0, "{ready:?} {status}");
            Ok(())
        })
        .await
    }

    /// Waits until every node of a pool runs an image.
    ///
    /// # Errors
    /// With the pool's status where that takes too long.
    pub async fn runs(&self, pool: &str, image: &str) -> Result<()> {
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let status = self.status(pool)?;
            let all = status["currentImage"] == image && status["targetImage"] == image;
            ensure!(all, "{status}");
            Ok(())
        })
        .await
    }

    /// Files of a pool's nodes as the manager counts them, by pod.
    ///
    /// # Errors
    /// Where the manager does not answer.
    pub async fn files_per_node(&self, pool: &str) -> Result<BTreeMap<String, u64>> {
        let status = self.client()?.status().await?;
        let of_pool = format!("{}/{pool}", self.namespace);
        let own = status.nodes.iter().filter(|node| node.pool == of_pool);
        let short = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(own.map(|node| (short(&node.id), node.files)).collect())
    }

    /// Waits until the nodes of a pool differ by one file at most.
    ///
    /// # Errors
    /// With their counts where that takes too long.
    pub async fn balanced(&self, pool: &str) -> Result<Vec<u64>> {
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let counts: Vec<u64> = self.files_per_node(pool).await?.into_values().collect();
            let skew = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
            ensure!(skew <= 1, "{counts:?}");
            Ok(counts)
        })
        .await
    }

    /// The leading operator's pod.
    ///
    /// # Errors
    /// Where nobody leads.
    pub fn leader(&self) -> Result<String> {
        let name = format!("{}-operator", self.full_name());
        let lease = self.kube.get(&self.namespace, "lease", &name)?;
        let holder = lease["spec"]["holderIdentity"].as_str();
        Ok(holder.context("nobody leads")?.to_owned())
    }

    /// Deletes a StatefulSet's pod and its claim: both come back, with an empty volume.
    ///
    /// # Errors
    /// Where they do not.
    pub async fn lose_volume(&self, pod: &str) -> Result<()> {
        let namespace = &self.namespace;
        let claim = format!("data-{pod}");
        let before = self.kube.get(namespace, "pvc", &claim)?;
        for thing in [&["pvc", &claim, "--wait=false"][..], &["pod", pod]] {
            let args = [&["-n", namespace, "delete"], thing].concat();
            self.kube.kubectl(&args)?;
        }
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let after = self.kube.get(namespace, "pvc", &claim)?;
            ensure!(
                after["metadata"]["uid"] != before["metadata"]["uid"],
                "the same claim"
            );
            Ok(())
        })
        .await?;
        if !self.kube.is_own() {
            return Ok(());
        }
        // Our own cluster has no volume to spare.
        let volume = before["spec"]["volumeName"].as_str().context("a volume")?;
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.kube.cluster(&["pv-wipe", volume]).map(drop)
        })
        .await
    }
}
