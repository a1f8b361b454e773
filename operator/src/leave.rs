//! `operator leave`: before a release is uninstalled. Its pools are let go, so that
//! none keeps a finalizer that nobody is left to remove. Pools, claims, files and the
//! operator itself stay: where the release stays as well, since the uninstall failed
//! or this ran from a plain manifest, the operator goes on after a while. After an
//! upgrade, pools in namespaces that the release no longer watches are let go too.

use crate::config::OfRelease;
use crate::delete::{FINALIZER, let_go, let_go_of};
use crate::names::PoolName;
use crate::raw::RawPool;
use crate::released::RELEASED_FOR;
use crate::unserved::{Unserved, is_told_otherwise};
use anyhow::{Context, Result, bail};
use clap::Args;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

/// How often a namespace's pools are tried; others may change them at the same time.
const TRIES: usize = 10;
/// The pause between a try that failed and the next one.
const PAUSE: Duration = Duration::from_millis(500);

/// The flags of `operator leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Which release goes
    #[command(flatten)]
    of: OfRelease,
    /// Let go of its pools in namespaces that it does not watch any more, and of no others
    #[arg(long)]
    unwatched: bool,
}

/// Lets go of the release's pools, in each namespace by itself.
///
/// # Errors
/// Where the pools of a namespace that is there could not be let go.
pub async fn run(args: LeaveArgs) -> Result<()> {
    let client = Client::try_default().await.context("the cluster's API")?;
    if args.unwatched {
        // This runs after an upgrade that is done, which must not fail because of it.
        let said = unwatched(&client, &args.of).await.unwrap_or_else(|error| {
            format!("pools that are not watched any more say still what they said: {error:#}")
        });
        return Ok(writeln!(std::io::stdout(), "{said}")?);
    }
    let owner = args.of.owner();
    let mut failed = Vec::new();
    for namespace in args.of.namespaces() {
        match of_namespace(&client, &namespace, &owner).await {
            Ok(said) => writeln!(std::io::stdout(), "{said}")?,
            Err(error) => failed.push(format!("pools of {namespace}: {error:#}")),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{}", failed.join("; ")),
    }
}

async fn of_namespace(client: &Client, namespace: &str, owner: &str) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(namespace).await?.is_none() {
        return Ok(format!("{namespace} is gone"));
    }
    let mut tries = 0;
    loop {
        let until = Timestamp::now() + RELEASED_FOR;
        tries += 1;
        match let_go(client, namespace, owner, until).await {
            Ok(names) => {
                let names: Vec<_> = names.iter().map(|name| name.name.as_str()).collect();
                return Ok(format!("{namespace}: let go: {}", names.join(", ")));
            }
            // We may no longer ask there, or it is gone: nothing there is ours to release,
            // and the other namespaces must not wait for it.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                return Ok(format!("{namespace} is left as it is: {}", status.message));
            }
            Err(error) if tries == TRIES => return Err(error.into()),
            Err(error) => tracing::info!(namespace, %error, tries, "tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lets go of pools whose status names the release, in namespaces that it does not
/// serve.
async fn unwatched(client: &Client, of: &OfRelease) -> Result<String> {
    let (owner, served) = (of.owner(), of.namespaces());
    let pools: Api<RawPool> = Api::all(client.clone());
    let mut tries = 0;
    loop {
        tries += 1;
        let all = pools.list(&ListParams::default()).await.context("pools")?;
        // Those that were let go are not tried again.
        let left = all.iter().filter(|pool| is_left(pool, &owner, &served));
        let until = Timestamp::now() + RELEASED_FOR;
        match let_go_of(client, left, until, Unserved::Unwatched(&owner)).await {
            Ok(names) => {
                let names: Vec<_> = names.iter().map(PoolName::at_manager).collect();
                return Ok(format!("not watched any more: {}", names.join(", ")));
            }
            Err(error) if tries == TRIES => return Err(error.into()),
            Err(error) => tracing::info!(%error, tries, "tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a pool was the release's, and nobody has let go of it yet; pure.
fn is_left(pool: &RawPool, owner: &str, served: &BTreeSet<String>) -> bool {
    let is_served = served.contains(&pool.namespace().unwrap_or_default());
    let holds = pool.finalizers().iter().any(|f| f == FINALIZER);
    pool.managed_by() == Some(owner) && !is_served && (holds || is_told_otherwise(pool))
}

#[cfg(test)]
mod tests;
