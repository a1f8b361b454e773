//! `operator crd`: the definition of FileServerPool, printed or brought to the
//! cluster.

use anyhow::{Context, Result};
use clap::Args;
use crds::FileServerPool;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use std::io::Write;

/// The release that the definition came with.
const RELEASE: &str = "fileserver.dev/release";

/// The flags of `operator crd`.
#[derive(Debug, Args)]
pub struct CrdArgs {
    /// Bring it to the cluster instead, unless a newer one is there
    #[arg(long)]
    pub apply: bool,
}

/// Prints the definition, or applies it.
///
/// # Errors
/// Where the cluster does not take it.
pub async fn run(args: CrdArgs) -> Result<()> {
    if !args.apply {
        return Ok(std::io::stdout().write_all(crds::yaml()?.as_bytes())?);
    }
    let client = Client::try_default().await.context("the cluster's API")?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    let mut wanted = FileServerPool::crd();
    let name = wanted.name_any();
    let own = env!("CARGO_PKG_VERSION");
    if let Some(there) = definitions.get_opt(&name).await?
        && let Some(newer) = there.annotations().get(RELEASE)
        && is_newer(newer, own)
    {
        println!("{name} is of release {newer}, which is newer than {own}: it stays");
        return Ok(());
    }
    wanted
        .annotations_mut()
        .insert(RELEASE.to_owned(), own.to_owned());
    let params = PatchParams::apply(crate::names::FIELD_MANAGER).force();
    let patch = Patch::Apply(&wanted);
    definitions
        .patch(&name, &params, &patch)
        .await
        .context(name.clone())?;
    println!("{name} is of release {own}");
    Ok(())
}

/// Whether a release comes after another; pure. What is no version is older.
fn is_newer(other: &str, own: &str) -> bool {
    let parts = |text: &str| -> Option<Vec<u64>> {
        let core = text.split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    match (parts(other), parts(own)) {
        (Some(other), Some(own)) => other > own,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_never_set_back() {
        for (other, own, newer) in [
            ("0.2.0", "0.1.9", true),
            ("0.1.0", "0.1.0", false),
            ("0.9.0", "0.10.0", false),
            ("1.0.0", "0.10.0", true),
            ("x", "0.1.0", false),
        ] {
            assert_eq!(is_newer(other, own), newer, "{other} {own}");
        }
    }
}
