//! `operator leave`: before a release is uninstalled. The operator is stopped, and
//! takes no pool's finalizer back; then no pool has one that nobody is left to
//! release. Pools, claims and files stay.

use crate::config::OfRelease;
use crate::delete::release_all;
use anyhow::{Context, Result, bail};
use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long the operator's pods may take to stop.
const STOPPING: Duration = Duration::from_secs(90);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(500);

/// The flags of `operator leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Which release goes
    #[command(flatten)]
    pub of: OfRelease,
    /// Deployment of the operator, which is scaled to nothing
    #[arg(long, env = "DFS_OPERATOR", value_name = "DEPLOYMENT")]
    pub operator: String,
    /// Labels of its pods
    #[arg(long, env = "DFS_OPERATOR_LABELS", value_name = "SELECTOR")]
    pub operator_labels: String,
}

/// Stops the operator and releases its pools.
///
/// # Errors
/// Where the operator does not stop, or the API server does not answer.
pub async fn run(args: LeaveArgs) -> Result<()> {
    let client = Client::try_default().await.context("the cluster's API")?;
    stop(&client, &args).await?;
    let owner = format!("{}/{}", args.of.namespace, args.of.release);
    let mut failed = None;
    for namespace in args.of.namespaces() {
        match release_all(&client, &namespace, &owner).await {
            Ok(released) => {
                for name in released {
                    writeln!(std::io::stdout(), "{} is released", name.at_manager())?;
                }
            }
            // Gone, or nobody's any more who may ask: nothing there is ours to release,
            // and no reason to hold up the others.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                eprintln!(
                    "pools of {namespace} are left as they are: {}",
                    status.message
                );
            }
            Err(error) => failed = Some((namespace, error)),
        }
    }
    match failed {
        Some((namespace, error)) => Err(error).with_context(|| format!("pools of {namespace}")),
        None => Ok(()),
    }
}

async fn stop(client: &Client, args: &LeaveArgs) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &args.of.namespace);
    let none = json!({ "spec": { "replicas": 0 } });
    let scaled = deployments
        .patch_scale(&args.operator, &PatchParams::default(), &Patch::Merge(none))
        .await;
    match scaled {
        // It went before.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        done => {
            done.with_context(|| format!("Deployment {}", args.operator))?;
        }
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &args.of.namespace);
    let theirs = ListParams::default().labels(&args.operator_labels);
    let begun = Instant::now();
    while !pods.list(&theirs).await.context("pods")?.items.is_empty() {
        if begun.elapsed() > STOPPING {
            bail!("the operator has not stopped after {STOPPING:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
