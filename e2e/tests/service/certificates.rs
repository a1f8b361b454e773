//! `manager certs init`: certificates of the inner ports for processes on machines.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Runs the command and gives what it printed, or why it failed.
async fn init(cluster: &Cluster, dir: &Path, flags: &[&str]) -> Result<Result<String, String>> {
    let dir = dir.display().to_string();
    let args = ["certs", "init", &dir].into_iter();
    let command = cluster.manager_command(args.chain(flags.iter().copied()));
    let (status, out, errors) = command.output(SOON).await?;
    Ok(match status.success() {
        true => Ok(out),
        false => Err(format!("{out}{errors}")),
    })
}

/// Each folder with what happened to it.
fn states(printed: &str) -> Vec<(&str, &str)> {
    let words = printed.lines().map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    words.flatten().collect()
}

/// All files below a folder with what they hold; nobody but their owner may read them.
fn files(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let mode = path.metadata()?.permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        ensure!(mode == wanted, "{}: {mode:o}", path.display());
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => drop(found.insert(path.clone(), std::fs::read(&path)?)),
        }
    }
    Ok(found)
}

/// Verifies the certificate of a folder by its own authorities, as that of a server and as
/// that of a client, and gives its one URI.
fn verified(folder: &Path) -> Result<String> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(folder.join("ca.crt"))? {
        roots.add(root?)?;
    }
    let cert = CertificateDer::from_pem_file(folder.join("tls.crt"))?;
    let (roots, now) = (Arc::new(roots), UnixTime::now());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let all = provider.signature_verification_algorithms.all;
    let parsed = ParsedCertificate::try_from(&cert)?;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, all)?;
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
    clients.verify_client_cert(&cert, &[], now)?;
    // A server takes the pair only if the key is the certificate's.
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"))?;
    let server =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    server
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![cert.clone()], key)?;
    let (_, x509) = X509Certificate::from_der(&cert)?;
    ensure!(!x509.is_ca(), "it could sign others");
    let names = x509.subject_alternative_name()?.context("no names")?;
    match &names.value.general_names[..] {
        [GeneralName::URI(uri)] => Ok((*uri).to_owned()),
        other => anyhow::bail!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_gets_a_folder_whose_certificate_is_its_own() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let dir = cluster.folder().join("certs");
    let flags = ["--release", "files.dfs", "--pool", "fast", "--pool", "a/b"];
    let printed = init(&cluster, &dir, &flags).await?.unwrap();
    let made = ["authority", "manager", "operator", "node-fast", "node-a_b"];
    ensure!(states(&printed) == made.map(|it| (it, "made")), "{printed}");
    for (folder, role) in [
        ("manager", "manager"),
        ("operator", "operator"),
        ("node-fast", "node/fast"),
        ("node-a_b", "node/a/b"),
    ] {
        let uri = verified(&dir.join(folder)).with_context(|| folder)?;
        ensure!(uri == format!("spiffe://files.dfs/{role}"), "{uri}");
    }
    let all = files(&dir)?;
    ensure!(all.len() == 14, "{:?}", all.keys());
    ensure!(!all.contains_key(&dir.join("manager/ca.key")));
    let authority = &all[&dir.join("authority/tls.crt")];
    ensure!(authority == &all[&dir.join("manager/ca.crt")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_keeps_what_is_good_and_renews_what_is_due() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let dir = cluster.folder().join("certs");
    init(&cluster, &dir, &[]).await?.unwrap();
    let before = files(&dir)?;
    let printed = init(&cluster, &dir, &[]).await?.unwrap();
    let all = ["authority", "manager", "operator", "node-default"];
    ensure!(states(&printed) == all.map(|it| (it, "kept")), "{printed}");
    ensure!(files(&dir)? == before, "something changed");
    // That of one pool is due as soon as two of three seconds are over.
    let short = ["--pool", "short", "--life", "3s"];
    let printed = init(&cluster, &dir, &short).await?.unwrap();
    ensure!(printed.contains("node-short   made"), "{printed}");
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let printed = init(&cluster, &dir, &[]).await?.unwrap();
    ensure!(printed.contains("node-short   renewed"), "{printed}");
    ensure!(printed.matches(" kept ").count() == 4, "{printed}");
    verified(&dir.join("node-short"))?;
    for (file, text) in before {
        ensure!(std::fs::read(&file)? == text, "{}", file.display());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_part_programs_that_run_is_refused() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let dir = cluster.folder().join("certs");
    init(&cluster, &dir, &[]).await?.unwrap();
    let before = files(&dir)?;
    let (twice, file) = (
        ["--pool", "a/b", "--pool", "a_b"],
        cluster.folder().join("f"),
    );
    std::fs::write(&file, "")?;
    for (dir, flags, why) in [
        (&dir, &["--release", "other"][..], "of release dfs"),
        (&dir, &["--release", "Other"], "1 to 255 lower-case letters"),
        (&dir, &["--pool", "a b"], "'--pool <NAME>'"),
        (&dir, &["--life", "2years"], "a year at the most"),
        (&dir, &twice, "--pool a_b: would share the folder node-a_b"),
        (&file, &[], "f: must be a folder"),
    ] {
        let refused = init(&cluster, dir, flags).await?.unwrap_err();
        ensure!(refused.contains(why), "{flags:?}: {refused}");
    }
    ensure!(files(&dir)? == before, "something changed");
    let away = cluster.folder().join("away");
    std::fs::rename(dir.join("authority"), &away)?;
    let refused = init(&cluster, &dir, &[]).await?.unwrap_err();
    ensure!(
        refused.contains("there is no authority, but there is manager"),
        "{refused}"
    );
    ensure!(!dir.join("authority").exists());
    Ok(())
}
