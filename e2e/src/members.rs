//! Certificates of the inner ports, for services of tests.

use crate::cluster::{Cluster, Options};
use anyhow::{Context, Result};
use authority::{Authority, Pair};
use proto::identity::{Identity, Role};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A life that no test sees the end of.
pub const LONG: Duration = Duration::from_secs(86_400);
/// The release of these services.
pub const RELEASE: &str = "files";

/// An authority of a release.
///
/// # Errors
/// Where none can be made.
pub fn authority_of(release: &str) -> Result<Authority> {
    Ok(Authority::new(release, 10 * LONG, SystemTime::now())?)
}

/// A role of a node.
pub fn node_of(pool: &str) -> Role {
    Role::Node {
        pool: pool.to_owned(),
    }
}

/// A certificate for a role of the release.
///
/// # Errors
/// Where none can be made.
pub fn member(authority: &Authority, role: Role) -> Result<Pair> {
    member_until(authority, RELEASE, role, SystemTime::now(), LONG)
}

/// A certificate for a role of a release, with a life that begins at a time.
///
/// # Errors
/// Where none can be made.
pub fn member_until(
    authority: &Authority,
    release: &str,
    role: Role,
    from: SystemTime,
    life: Duration,
) -> Result<Pair> {
    Ok(authority.sign(&Identity::new(release, role)?, life, from)?)
}

/// Writes what a program is given as `--certs`, and trusts these authorities.
///
/// # Errors
/// Where it can't be written.
pub fn write(folder: &Path, pair: &Pair, trusted: &[&Authority]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let trust: String = trusted.iter().map(|authority| authority.cert()).collect();
    for (name, text) in [
        ("ca.crt", &trust),
        ("tls.key", &pair.key),
        ("tls.crt", &pair.cert),
    ] {
        let new = folder.join("new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, folder.join(name)).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// The folder with the certificate of the manager, of the commands, or of nodes.
pub fn folder(cluster: &Cluster, of: &str) -> PathBuf {
    cluster.folder().join("certs").join(of)
}

/// Gives the members of a service new certificates of an authority.
///
/// # Errors
/// Where they can't be written.
pub fn issue(cluster: &Cluster, signs: &Authority, trusted: &[&Authority]) -> Result<()> {
    let mut roles = vec![
        ("manager".to_owned(), Role::Manager),
        ("operator".to_owned(), Role::Operator),
    ];
    for pool in cluster.nodes.iter().map(|node| &node.pool) {
        roles.push((format!("node-{pool}"), node_of(pool)));
    }
    roles.dedup();
    for (of, role) in roles {
        write(&folder(cluster, &of), &member(signs, role)?, trusted)?;
    }
    Ok(())
}

/// Makes manager and nodes start with the certificates in their folders.
pub fn secure(cluster: &mut Cluster) {
    let of = |cluster: &Cluster, of: &str| {
        let folder = folder(cluster, of).display().to_string();
        ("DFS_CERTS".to_owned(), folder)
    };
    cluster.manager_env.push(of(cluster, "manager"));
    for index in 0..cluster.nodes.len() {
        let pool = cluster.nodes[index].pool.clone();
        let certs = of(cluster, &format!("node-{pool}"));
        cluster.nodes[index].env.push(certs);
    }
}

/// A service of nodes of one pool, whose members have certificates and no token.
///
/// # Errors
/// Where it does not start.
pub async fn secured(nodes: usize, signs: &Authority) -> Result<Cluster> {
    let options = Options {
        nodes,
        ..Options::default()
    };
    secured_with(options, signs).await
}

/// The same as `options` say.
///
/// # Errors
/// Where it does not start.
pub async fn secured_with(options: Options, signs: &Authority) -> Result<Cluster> {
    let nodes = options.nodes;
    let cluster = started_with(options, signs).await?;
    cluster.wait_available(nodes).await?;
    Ok(cluster)
}

/// The same, and whether its nodes have joined is not waited for.
///
/// # Errors
/// Where it does not start.
pub async fn started_with(options: Options, signs: &Authority) -> Result<Cluster> {
    let nodes = options.nodes;
    let mut cluster = Cluster::prepare(options)?;
    for _ in 0..nodes {
        cluster.new_node()?;
    }
    issue(&cluster, signs, &[signs])?;
    secure(&mut cluster);
    cluster.start_manager().await?;
    for index in 0..nodes {
        cluster.start_node(index).await?;
    }
    Ok(cluster)
}
