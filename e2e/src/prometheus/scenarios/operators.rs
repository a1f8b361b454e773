//! What happens to operators, each in a namespace of its own.

use super::super::World;
use super::super::operators::{AUTHORITY, Operator, apply, make_pool};
use super::super::watched::Watched;
use crate::cluster::Cluster;
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// How often a pool is touched.
const TOUCH: Duration = Duration::from_secs(1);

/// A service of one node with an operator of its own.
async fn with_operator<'a>(
    world: &'a World,
    namespace: &str,
    certificates: bool,
) -> Result<Watched<'a>> {
    let cluster = Cluster::start(1).await?;
    let operator = Operator::start(&world.server, namespace, cluster.grpc(), certificates);
    let operator = operator.await?;
    Watched::of(world, cluster, Some(operator)).await
}

/// The operator that follows finds the lease of one that was killed, and waits for its end.
pub(super) async fn down<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = with_operator(world, "down", false).await?;
    let operator = watched.operator.take().context("an operator")?;
    operator.kill().await?;
    watched.fires(alerts).await?;
    let next = Operator::again(&world.server, "down", watched.cluster.grpc()).await?;
    watched.operator = Some(next);
    watched.look()?;
    watched.calm().await?;
    Ok(watched)
}

/// A pass that failed is repeated after 1, 2, 4 s and so on, up to a minute. The window of
/// the alert is shorter here, by the factor of all times, so the pool is touched each
/// second: each time the operator passes over it anew, and fails anew.
pub(super) async fn errors<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let namespace = "errors";
    let watched = with_operator(world, namespace, false).await?;
    for object in refusal(namespace) {
        apply(&world.server, &object)?;
    }
    // The API server takes a moment until it knows a policy.
    tokio::time::sleep(2 * TOUCH).await;
    make_pool(&world.server, namespace)?;
    let touching = async {
        for number in 0.. {
            let set = format!("touched={number}");
            let args = ["--namespace", namespace, "annotate", "--overwrite", "fsp"];
            let args = [&args[..], &[super::super::operators::POOL, &set]].concat();
            world.server.kubectl(&args, "")?.expect("a touch")?;
            tokio::time::sleep(TOUCH).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        fired = watched.fires(alerts) => fired?,
        touched = touching => touched?,
    }
    let args = ["delete", "validatingadmissionpolicybinding", "refuses"];
    world.server.kubectl(&args, "")?.expect("the policy")?;
    watched.calm().await?;
    Ok(watched)
}

/// A policy that refuses StatefulSets in a namespace.
fn refusal(namespace: &str) -> [serde_json::Value; 2] {
    let version = "admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "refuses" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["statefulsets"],
            }]},
            "validations": [{ "expression": "false", "message": "not in this cluster" }],
        },
    });
    let binding = json!({
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "refuses" },
        "spec": {
            "policyName": "refuses",
            "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": {
                "kubernetes.io/metadata.name": namespace,
            }}},
        },
    });
    [policy, binding]
}

pub(super) async fn certificates<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let namespace = "certificates";
    let watched = with_operator(world, namespace, true).await?;
    let delete = ["--namespace", namespace, "delete", "secret", AUTHORITY];
    world.server.kubectl(&delete, "")?.expect("the Secret")?;
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "namespace": namespace, "name": AUTHORITY },
        "stringData": { "password": "somebody else's" },
    });
    apply(&world.server, &foreign)?;
    watched.fires(alerts).await?;
    world.server.kubectl(&delete, "")?.expect("the Secret")?;
    watched.calm().await?;
    Ok(watched)
}
