//! The resource that describes a pool of file-server nodes, the one that is named for
//! rights on files, and the YAML that is made of them. Version `v1alpha1` only ever gains optional fields.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type within its own"
)]

mod autoscaling;
mod files;
mod pool;
mod scheduling;
mod schema;
mod status;
mod storage;

pub use autoscaling::Autoscaling;
pub use pool::{
    DeletionPolicy, FileServerPool, FileServerPoolSpec, PodSecurity, PullPolicy, Scrub,
};
pub use scheduling::Scheduling;
pub use status::{DrainProgress, FileServerPoolStatus, NodeLine};
pub use storage::Storage;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};
use serde::ser::Error;

/// The group of everything that is ours in a cluster.
pub const GROUP: &str = "fileserver.dev";

/// The annotation with the release that a definition came with.
pub const RELEASE: &str = "fileserver.dev/release";

/// Both definitions, of pools and of `files`. They name their release, so that no release
/// replaces those of a newer one, however these came to the cluster.
///
/// # Errors
/// When one is malformed, which a test rules out.
pub fn definitions() -> Result<[CustomResourceDefinition; 2], serde_json::Error> {
    let mut definitions = [FileServerPool::crd(), files::definition()?];
    for definition in &mut definitions {
        let release = env!("CARGO_PKG_VERSION").to_owned();
        let annotations = definition.annotations_mut();
        annotations.insert(RELEASE.to_owned(), release);
    }
    Ok(definitions)
}

/// A definition as YAML, as `operator crd` prints it and the chart carries it.
///
/// # Errors
/// When it can't be written down, which a test rules out.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_json::Error> {
    let definition = serde_json::to_value(definition)?;
    serde_saphyr::to_string(&definition).map_err(Error::custom)
}
