//! The programs of a Kubernetes control plane, built from source once and kept
//! outside of the checkout by their version.

use crate::cluster::binaries::workspace;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The version of Kubernetes, as `e2e/kube/kubernetes/go.mod` requires it.
const KUBERNETES: &str = "1.36.3";
/// The version of etcd, as `e2e/kube/etcd/go.mod` requires it.
const ETCD: &str = "3.6.16";

/// The oldest Go that fetches a newer toolchain by itself: 1.21.
const OLDEST_GO: u32 = 21;

/// A program, and where it comes from.
struct Source {
    module: &'static str,
    version: &'static str,
    package: String,
    ldflags: String,
}

fn source(program: &str) -> Source {
    if program == "etcd" {
        return Source {
            module: "etcd",
            version: ETCD,
            package: "go.etcd.io/etcd/server/v3".to_owned(),
            ldflags: "-s -w".to_owned(),
        };
    }
    let version = |of: &str| format!("-X k8s.io/{of}.gitVersion=v{KUBERNETES}");
    Source {
        module: "kubernetes",
        version: KUBERNETES,
        package: format!("k8s.io/kubernetes/cmd/{program}"),
        ldflags: format!(
            "-s -w {} {}",
            version("component-base/version"),
            version("client-go/pkg/version")
        ),
    }
}

/// A program of the control plane, built if it is not there yet: minutes for the
/// API server, and only the first time.
///
/// # Errors
/// Where Go is missing or can't build it.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let source = source(name);
    let folder = format!("{}-{}", source.module, source.version);
    let folder = tools::cache()?.join(folder);
    let file = folder.join(name);
    if file.is_file() {
        return Ok(file);
    }
    let go = go()?;
    std::fs::create_dir_all(&folder)?;
    eprintln!("building {name} {} (once)", source.version);
    let next = folder.join(format!("{name}.new"));
    let mut command = Command::new(go);
    command
        .current_dir(workspace().join("e2e/kube").join(source.module))
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags"])
        .arg(&source.ldflags)
        .arg("-o")
        .arg(&next)
        .arg(&source.package)
        .stdin(Stdio::null());
    let status = command.status().context("starting go")?;
    ensure!(status.success(), "go could not build {name}: {status}");
    std::fs::rename(next, &file)?;
    Ok(file)
}

/// Go, where a person has it, or Debian's. One that is not too old fetches the
/// toolchain that the modules ask for.
fn go() -> Result<PathBuf> {
    let usual = PathBuf::from("/usr/local/go/bin/go");
    let go = match usual.is_file() {
        true => usual,
        false => {
            tools::require(&[("go", "golang-go")])?;
            tools::which("go")?
        }
    };
    let output = Command::new(&go).arg("version").output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        minor(&told).is_some_and(|minor| minor >= OLDEST_GO),
        "missing: Go 1.{OLDEST_GO} or newer, found {}",
        told.trim()
    );
    Ok(go)
}

/// The 26 of `go version go1.26.8 linux/amd64`.
fn minor(told: &str) -> Option<u32> {
    let version = told.split_whitespace().nth(2)?;
    version
        .strip_prefix("go1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_go_is_understood() {
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.19 linux/amd64"), Some(19));
        assert_eq!(minor("go version devel"), None);
    }
}
