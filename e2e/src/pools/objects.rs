//! The objects of the run: pools, and stand-ins for what a cluster would make of them.

use crate::kube::ApiServer;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The revision of every pod.
const REVISION: &str = "pretended-1";
/// The class of their volumes.
const CLASS: &str = "pretended";

/// The pools that were made, with their namespaces.
pub(super) struct Pools(Vec<(String, String)>);

impl Pools {
    /// Makes namespaces, and pools of one node, which are spread over them in turn.
    pub(super) fn make(server: &ApiServer, namespaces: &[&str], number: usize) -> Result<Self> {
        let pools = namespaces.iter().cycle().take(number).enumerate();
        let pools = pools.map(|(n, namespace)| ((*namespace).to_owned(), format!("pool-{n:03}")));
        let pools: Vec<_> = pools.collect();
        let mut objects: Vec<Value> = namespaces
            .iter()
            .map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
            .collect();
        objects.push(json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": { "name": CLASS },
            "provisioner": "example.org/none",
            "allowVolumeExpansion": true,
        }));
        objects.extend(pools.iter().map(|(namespace, name)| {
            json!({
                "apiVersion": "fileserver.dev/v1alpha1",
                "kind": "FileServerPool",
                "metadata": { "namespace": namespace, "name": name },
                "spec": {
                    "replicas": 1,
                    "storage": { "size": "1Gi", "storageClassName": CLASS },
                },
            })
        }));
        write(server, &["create"], objects)?;
        Ok(Self(pools))
    }

    /// Their names, as managers know them.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |(namespace, name): &(String, String)| format!("{namespace}/{name}");
        self.0.iter().map(name).collect()
    }

    /// Whether a condition of all pools has this status.
    pub(super) fn all(&self, server: &ApiServer, condition: &str, status: &str) -> Result<()> {
        let has = |pool: &&Value| {
            let all = pool["status"]["conditions"].as_array();
            let told = all.and_then(|all| all.iter().find(|one| one["type"] == condition));
            told.is_some_and(|told| told["status"] == status)
        };
        let pools = list(server, "fsp")?;
        let other = pools.iter().find(|pool| !has(pool));
        let count = pools.iter().filter(has).count();
        ensure!(
            count == self.0.len(),
            "{count} of {} are {condition}={status}, but not {}",
            self.0.len(),
            other.map_or(Value::Null, |pool| pool["status"].clone()),
        );
        Ok(())
    }

    /// Binds the claims, and makes a pod of each pool, which is ready.
    pub(super) fn pretend_volumes_and_pods(&self, server: &ApiServer) -> Result<()> {
        let mut claims = list(server, "persistentvolumeclaims")?;
        for claim in &mut claims {
            let capacity = claim["spec"]["resources"]["requests"].clone();
            claim["status"] = json!({ "phase": "Bound", "capacity": capacity });
        }
        write(server, &["replace", "--subresource=status"], claims)?;
        let sets = list(server, "statefulsets")?;
        let pods = sets.iter().map(pod);
        write(server, &["create"], pods.collect())?;
        let mut pods = list(server, "pods")?;
        for pod in &mut pods {
            pod["status"] = json!({
                "phase": "Running",
                "conditions": [
                    { "type": "PodScheduled", "status": "True" },
                    { "type": "Ready", "status": "True" },
                ],
            });
        }
        write(server, &["replace", "--subresource=status"], pods)
    }

    /// Lets StatefulSets that have changed report that their pods exist, as a
    /// controller would.
    pub(super) fn pretend_controller(&self, server: &ApiServer) -> Result<()> {
        let mut sets = list(server, "statefulsets")?;
        sets.retain(|set| set["status"]["observedGeneration"] != set["metadata"]["generation"]);
        if sets.is_empty() {
            return Ok(());
        }
        for set in &mut sets {
            set["status"] = json!({
                "observedGeneration": set["metadata"]["generation"],
                "replicas": 1,
                "readyReplicas": 1,
                "availableReplicas": 1,
                "currentReplicas": 1,
                "updatedReplicas": 1,
                "currentRevision": REVISION,
                "updateRevision": REVISION,
            });
        }
        write(server, &["replace", "--subresource=status"], sets)
    }
}

/// The pod of a StatefulSet with one replica.
fn pod(set: &Value) -> Value {
    let template = &set["spec"]["template"];
    let mut labels = template["metadata"]["labels"].clone();
    labels["controller-revision-hash"] = json!(REVISION);
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": set["metadata"]["namespace"],
            "name": format!("{name}-0"),
            "labels": labels,
        },
        "spec": {
            "serviceAccountName": name,
            "automountServiceAccountToken": false,
            "containers": [{ "name": "node", "image": "node:test" }],
        },
    })
}

/// All objects of a kind.
fn list(server: &ApiServer, kind: &str) -> Result<Vec<Value>> {
    let told = server.kubectl(&["get", kind, "--all-namespaces", "-o", "json"], "")?;
    let text = told.expect(kind)?;
    let mut all: Value = serde_json::from_str(&text).context("a list as JSON")?;
    match all["items"].take() {
        Value::Array(items) => Ok(items),
        other => anyhow::bail!("no list of {kind}: {other}"),
    }
}

fn write(server: &ApiServer, verb: &[&str], objects: Vec<Value>) -> Result<()> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let args = [verb, &["-f", "-"]].concat();
    let told = server.kubectl(&args, &list.to_string())?;
    // kubectl prints a line for each object that it wrote, and then what failed.
    let end = told
        .text
        .lines()
        .rev()
        .take(5)
        .collect::<Vec<_>>()
        .join("\n");
    ensure!(told.ok, "kubectl {}: {end}", verb.join(" "));
    Ok(())
}
