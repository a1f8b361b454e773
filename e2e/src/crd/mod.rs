//! `crd`: the definition of FileServerPool on a real API server, which refuses
//! malformed pools by itself and says what is wrong with them.

mod bad;

use crate::cluster::binaries;
use crate::kube::ApiServer;
use crate::wait;
use anyhow::{Context, Result, ensure};
use bad::BAD;
use std::process::Command;
use std::time::Duration;

/// How long the API server may take to serve a new definition.
const SERVED: Duration = Duration::from_secs(30);

/// Does the run and prints what came of it.
///
/// # Errors
/// At the first thing that is not as it should be.
pub async fn run() -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("crd-")
        .tempdir_in(binaries::scratch()?)?;
    let server = ApiServer::start(folder.path()).await?;
    let definition = definition()?;
    install(&server, &definition).await?;
    refused(&server)?;
    served(&server)?;
    unchangeable(&server)?;
    scaled(&server)?;
    applied_again(&server, &definition)?;
    only_named(&server)?;
    println!("{} bad pools refused, each with its reason", BAD.len());
    Ok(())
}

/// The definition as the operator prints it, which is what people install.
pub(crate) fn definition() -> Result<String> {
    let program = binaries::find()?.manager.with_file_name("operator");
    let output = Command::new(program).arg("crd").output()?;
    ensure!(output.status.success(), "operator crd: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Installs the definition, and waits until it is served.
pub(crate) async fn install(server: &ApiServer, definition: &str) -> Result<()> {
    let told = server.kubectl(&["apply", "--server-side", "-f", "-"], definition)?;
    ensure!(told.ok, "{}", told.text);
    wait::until(SERVED, async || {
        let told = server.kubectl(&["get", "fsp"], "")?;
        ensure!(
            told.ok && told.text.contains("No resources"),
            "{}",
            told.text
        );
        Ok(())
    })
    .await
}

fn pool(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"fileserver.dev/v1alpha1","kind":"FileServerPool","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
    )
}

fn refused(server: &ApiServer) -> Result<()> {
    for case in BAD {
        let told = server.kubectl(
            &["create", "--dry-run=server", "--validate=strict", "-f", "-"],
            &pool(case.name, case.spec),
        )?;
        let what = format!("{} {}", case.name, case.spec);
        ensure!(!told.ok, "{what} is taken");
        ensure!(told.text.contains(case.told), "{what}: {}", told.text);
        println!(
            "{what}\n    {}",
            told.text.lines().next().unwrap_or_default()
        );
    }
    Ok(())
}

fn expect(server: &ApiServer, args: &[&str], input: &str, part: &str) -> Result<()> {
    let told = server.kubectl(args, input)?;
    let text = told.text.trim().to_owned();
    ensure!(text.contains(part), "kubectl {args:?}: {text}");
    println!("kubectl {}\n{text}", args.join(" "));
    Ok(())
}

/// A small pool is accepted, with its defaults, and shows its columns.
fn served(server: &ApiServer) -> Result<()> {
    let small = r#"{"storage":{"size":"1Gi","storageClassName":"fast"}}"#;
    expect(
        server,
        &["create", "-f", "-"],
        &pool("small", small),
        "created",
    )?;
    let told = server.kubectl(&["get", "fsp", "small", "-o", "json"], "")?;
    let stored: serde_json::Value = serde_json::from_str(&told.text).context("JSON")?;
    let spec = &stored["spec"];
    ensure!(
        spec["replicas"] == 3
            && spec["deletionPolicy"] == "Protect"
            && spec["storage"]["reserve"] == "64Mi"
            && spec["security"]["runAsUser"] == 10_001
            && spec["scrub"]["everyHours"] == 168,
        "defaults: {spec}"
    );
    let unset = r#"{"storage":{"size":"1Gi"},"security":{"runAsUser":null,"fsGroup":null}}"#;
    expect(
        server,
        &["create", "-f", "-"],
        &pool("unset", unset),
        "created",
    )?;
    left_to_the_cluster(server)?;
    expect(server, &["get", "fsp", "small"], "", "DESIRED")
}

/// `assignedByCluster` stays set, however often and with whichever tool it is
/// applied: a null would be lost in an apply, and the default would come back.
fn left_to_the_cluster(server: &ApiServer) -> Result<()> {
    let spec = r#"{"storage":{"size":"1Gi"},"security":{"assignedByCluster":true}}"#;
    let pool = pool("assigned", spec);
    let get = "jsonpath={.spec.security.assignedByCluster}";
    let get = ["get", "fsp", "assigned", "-o", get];
    for (verb, told) in [
        (&["create", "-f", "-"][..], "created"),
        (&["apply", "-f", "-"], "configured"),
        (&["apply", "-f", "-"], "unchanged"),
        (&["apply", "--server-side", "-f", "-"], "serverside-applied"),
    ] {
        expect(server, verb, &pool, told)?;
        expect(server, &get, "", "true")?;
    }
    Ok(())
}

fn unchangeable(server: &ApiServer) -> Result<()> {
    let patch = r#"{"spec":{"storage":{"storageClassName":"slow"}}}"#;
    let change = ["patch", "fsp", "small", "--type=merge", "-p", patch];
    expect(server, &change, "", "make a pool of the new class")?;
    let patch = r#"{"spec":{"storage":{"storageClassName":null}}}"#;
    let removal = ["patch", "fsp", "small", "--type=merge", "-p", patch];
    expect(server, &removal, "", "can't be changed")?;
    let patch = r#"{"spec":{"storage":{"size":"2Gi"}}}"#;
    let growth = ["patch", "fsp", "small", "--type=merge", "-p", patch];
    expect(server, &growth, "", "patched")?;
    expect(server, &change, "", "storage.storageClassName")
}

fn scaled(server: &ApiServer) -> Result<()> {
    expect(
        server,
        &["scale", "fsp/small", "--replicas=5"],
        "",
        "scaled",
    )?;
    let args = ["get", "fsp", "small", "-o", "jsonpath={.spec.replicas}"];
    expect(server, &args, "", "5")
}

/// `files` can be named in roles, as kubectl makes them, and asked about; it has no object.
fn only_named(server: &ApiServer) -> Result<()> {
    let role = "--resource=files.fileserver.dev";
    let create = ["create", "role", "reader", "--verb=get,list", role];
    expect(server, &create, "", "created")?;
    let account = "--serviceaccount=default:reader";
    let bind = ["create", "rolebinding", "reader", "--role=reader", account];
    expect(server, &bind, "", "created")?;
    for (verb, wanted) in [("get", "yes"), ("create", "no"), ("admin", "no")] {
        let account = "--as=system:serviceaccount:default:reader";
        let ask = ["auth", "can-i", verb, "files.fileserver.dev", account];
        let told = server.kubectl(&ask, "")?.text;
        // Of a verb that it does not know itself kubectl warns.
        ensure!(told.lines().next() == Some(wanted), "{verb}: {told}");
    }
    let file = r#"{"apiVersion":"fileserver.dev/v1alpha1","kind":"File","metadata":{"name":"a"}}"#;
    let told = server.kubectl(&["create", "-f", "-"], file)?;
    ensure!(!told.ok && told.text.contains("REST API"), "{}", told.text);
    println!("{}", told.text.trim());
    Ok(())
}

/// Applying the definition again changes nothing: a second release does no harm.
fn applied_again(server: &ApiServer, definition: &str) -> Result<()> {
    let path = "jsonpath={.metadata.generation}";
    let args = ["get", "crd", "fileserverpools.fileserver.dev", "-o", path];
    let before = server.kubectl(&args, "")?.text;
    let apply = ["apply", "--server-side", "-f", "-"];
    expect(server, &apply, definition, "serverside-applied")?;
    let after = server.kubectl(&args, "")?.text;
    ensure!(before == after, "generation {before}, then {after}");
    Ok(())
}
