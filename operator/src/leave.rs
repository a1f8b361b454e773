//! `operator leave`: before a release is uninstalled. Its pools are let go, so that
//! none has a finalizer that nobody is left to release. Pools, claims, files and the
//! operator itself stay: where the release stays as well, since the uninstall failed
//! or this ran from a plain manifest, the operator goes on after a while.

use crate::config::OfRelease;
use crate::delete::{RELEASED_FOR, let_go};
use anyhow::{Context, Result, bail};
use clap::Args;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client};
use std::io::Write;
use std::time::Duration;

/// How often a namespace's pools are tried; others may change them at the same time.
const TRIES: usize = 10;
/// How long after a try that failed the next one is made.
const PAUSE: Duration = Duration::from_millis(500);

/// The flags of `operator leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Which release goes
    #[command(flatten)]
    pub of: OfRelease,
}

/// Lets go of the release's pools, in each namespace by itself.
///
/// # Errors
/// Where the pools of a namespace that is there could not be let go.
pub async fn run(args: LeaveArgs) -> Result<()> {
    let client = Client::try_default().await.context("the cluster's API")?;
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
            // Nobody's any more who may ask: nothing there is ours to release, and no
            // reason to hold up the others.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                return Ok(format!("{namespace} is left as it is: {}", status.message));
            }
            Err(error) if tries == TRIES => return Err(error.into()),
            Err(error) => tracing::info!(namespace, %error, tries, "tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
