//! A cluster that was there before, which `DFS_TEST_KUBECONFIG` names. A command
//! loads the images onto its nodes, its pods are reached through `kubectl proxy`, and
//! what the scenarios made is removed in the end.

use super::kube::{Kube, Reach};
use super::proxy::Proxy;
use super::scenarios::NAMESPACES;
use super::{Args, EXISTING, images};
use crate::kube::program;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What kind puts before the name of a cluster to name its context.
const KIND: &str = "kind-";
/// The definition of pools.
const DEFINITION: &str = "fileserverpools.fileserver.dev";

/// Kinds of the chart that are in no namespace; their names begin with the release's.
const CLUSTER_WIDE: &str = "clusterroles,clusterrolebindings,validatingadmissionpolicies,\
    validatingadmissionpolicybindings";

/// Loads the images onto the cluster and runs the scenarios on it.
///
/// # Errors
/// At the first thing that is not as it should be.
pub fn run(args: &Args, config: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    let told = || format!("{EXISTING}={}", config.display());
    let config = config.canonicalize().with_context(told)?;
    let environment = [
        ("KUBECONFIG", config.into_os_string()),
        ("PATH", path_with(&["kubectl", "helm"])?),
    ];
    let load = loader(&environment)?;
    let images = images::make_all(true)?;
    for tar in &images.tars {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{load} \"$1\""), "sh"]).arg(tar);
        let status = shell.envs(environment.clone()).status()?;
        ensure!(status.success(), "{load} {}: {status}", tar.display());
    }
    let mut command = Command::new("env");
    command.envs(environment);
    super::hand_over(command, &program, args, images.earlier.as_deref())
}

/// The PATH, and the folders of programs that it lacks, which are built if need be.
fn path_with(programs: &[&str]) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for name in programs {
        if tools::which(name).is_err() {
            let folder = program(name)?;
            folders.extend(folder.parent().map(Path::to_owned));
        }
    }
    Ok(std::env::join_paths(folders)?)
}

/// The command that loads an archive onto the nodes; the archive's path is added to it.
fn loader(environment: &[(&str, OsString)]) -> Result<String> {
    if let Ok(load) = std::env::var("DFS_TEST_LOAD") {
        return Ok(load);
    }
    let output = Command::new("kubectl")
        .args(["config", "current-context"])
        .envs(environment.iter().cloned())
        .stderr(Stdio::inherit())
        .output()
        .context("starting kubectl")?;
    kind(String::from_utf8(output.stdout)?.trim()).context(
        "DFS_TEST_LOAD is not set: the command that has the cluster's nodes take an image's \
         archive, whose path is added to it",
    )
}

fn kind(context: &str) -> Option<String> {
    let name = context.strip_prefix(KIND)?;
    Some(format!("kind load image-archive --name '{name}'"))
}

/// The cluster that the environment names, and what it had before.
pub struct Existing {
    /// The cluster, through a proxy.
    pub kube: Kube,
    had_definition: bool,
    _proxy: Proxy,
}

impl Existing {
    /// Starts the proxy, and makes sure that the scenarios will touch nothing but
    /// what they make.
    ///
    /// # Errors
    /// Where they would, or the cluster does not answer.
    pub async fn reach() -> Result<Self> {
        let proxy = Proxy::start().await?;
        let kube = Kube::new(Reach::Proxy(proxy.address))?;
        for namespace in NAMESPACES {
            let found = kube.kubectl(&["get", "namespace", namespace, "--ignore-not-found"])?;
            ensure!(
                found.is_empty(),
                "the cluster has a namespace {namespace}, in which the scenarios would work"
            );
        }
        let crd = ["get", "crd", DEFINITION, "--ignore-not-found"];
        Ok(Self {
            had_definition: !kube.kubectl(&crd)?.is_empty(),
            kube,
            _proxy: proxy,
        })
    }

    /// Removes what the scenarios made.
    ///
    /// # Errors
    /// Where something is left.
    pub fn clean(&self) -> Result<()> {
        let mut args = vec!["delete", "namespace", "--ignore-not-found"];
        args.extend(NAMESPACES);
        self.kube.kubectl(&args)?;
        // What releases have outside of their namespaces stays when these go.
        let selector = "app.kubernetes.io/name=distributed-file-server";
        let found = ["get", CLUSTER_WIDE, "-l", selector, "-o", "name"];
        let found = self.kube.kubectl(&found)?;
        for object in found.lines().filter(|object| is_ours(object)) {
            self.kube.kubectl(&["delete", object])?;
        }
        if !self.had_definition {
            self.kube
                .kubectl(&["delete", "crd", DEFINITION, "--ignore-not-found"])?;
        }
        Ok(())
    }
}

/// Whether an object, given as kind and name, is of a release in our namespaces.
fn is_ours(object: &str) -> bool {
    let name = object.split_once('/').map_or("", |(_, name)| name);
    let namespace = name.split_once('.').map_or("", |(namespace, _)| namespace);
    NAMESPACES.contains(&namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_releases_have_in_the_cluster_is_not_ours() {
        let role = "clusterrole.rbac.authorization.k8s.io/";
        assert!(is_ours(&format!(
            "{role}files.dfs-distributed-file-server-operator"
        )));
        assert!(!is_ours(&format!(
            "{role}production.files-distributed-file-server-crd"
        )));
        assert!(!is_ours("No resources found"));
    }

    #[test]
    fn clusters_of_kind_are_known_by_their_context() {
        let load = "kind load image-archive --name 'files'";
        assert_eq!(kind("kind-files").as_deref(), Some(load));
        assert_eq!(kind("production"), None);
    }
}
