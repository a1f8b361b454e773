//! Where managers, operator and nodes may connect to: what they need, and nothing else.
//! Connections are opened in the networks of their pods, since their images have no shell.

use super::{POOL, World};
use crate::kubernetes::release::{Release, SETTLE, values};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The ops ports of node and manager, which let anyone in: a connection to one that does not
/// open is stopped where it begins.
const OPS: [u16; 2] = [9101, 8001];

/// A pod, by what finds its network.
struct Pod {
    name: String,
    uid: String,
    machine: String,
    address: String,
}

/// What has to open, or not: who connects, where to, and whether it opens.
type Way<'a> = (&'a Pod, &'a str, u16, bool);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let server = release.kube.get("default", "service", "kubernetes")?;
    let server = server["spec"]["clusterIP"].as_str();
    let server = server.context("the API server's Service")?;
    let nodes = pods(&release, &format!("fileserver.dev/pool={POOL}"))?;
    let [node, other, ..] = &nodes[..] else {
        anyhow::bail!("{} nodes", nodes.len());
    };
    let component = |name: &str| {
        let found = pods(&release, &format!("app.kubernetes.io/component={name}"));
        let mut found = found?.into_iter();
        found.next().with_context(|| format!("no {name}"))
    };
    let manager = component("manager")?;
    let [to_manager, to_node, to_other] = [&manager, node, other].map(|pod| pod.address.as_str());
    let operator = component("operator")?;
    let mut ways: Vec<Way<'_>> = vec![
        (node, to_manager, 9000, true),
        (node, to_other, 9100, true),
        (node, server, 443, false),
        // Not the ops port of another node: kube-router takes what a policy lets into a pod
        // for let out of the other pods of that policy.
        (node, to_manager, OPS[1], false),
        (&manager, to_node, 9100, true),
        (&manager, server, 443, false),
        (&manager, to_node, OPS[0], false),
        (&operator, to_manager, 9000, true),
        (&operator, server, 443, true),
        (&operator, to_node, OPS[0], false),
    ];
    all(&release, &ways).await?;
    let closed = ways.iter().filter(|(.., opens)| !opens).count();
    // The same connections open where a rule lets them out: it was the policy that did not.
    let mut more = values();
    more["networkPolicy"]["egress"] = json!({ "extra": [{ "ports": [
        { "port": 443 }, { "port": 6443 }, { "port": OPS[0] }, { "port": OPS[1] },
    ] }] });
    release.helm("upgrade", &more)?;
    release.ready(POOL, 3).await?;
    // The pods of node and manager are the same; the operator's are others.
    ways.retain(|(pod, ..)| pod.name != operator.name);
    for way in &mut ways {
        way.3 = true;
    }
    all(&release, &ways).await?;
    // Nodes alone may reach anything.
    let mut open = values();
    open["networkPolicy"]["egress"] = json!({ "nodes": false });
    release.helm("upgrade", &open)?;
    let with_sidecar: [Way<'_>; 4] = [
        (node, server, 443, true),
        (node, to_manager, OPS[1], true),
        (&manager, server, 443, false),
        (&manager, to_node, OPS[0], false),
    ];
    all(&release, &with_sidecar).await?;
    release.helm("upgrade", &values())?;
    let again: [Way<'_>; 2] = [(node, server, 443, false), (node, to_manager, 9000, true)];
    all(&release, &again).await?;
    release.ready(POOL, 3).await?;
    let tested = ["test", &release.name, "-n", &release.namespace];
    release.kube.helm(&tested, "")?;
    let compared = world.compare().await?;
    Ok(format!(
        "{closed} connections of node, manager and operator don't open, and do where a rule says so; {compared} compared"
    ))
}

/// The pods that run, by their labels.
fn pods(release: &Release, labels: &str) -> Result<Vec<Pod>> {
    let found = release.kube.list(&release.namespace, "pod", labels)?;
    let live = |pod: &&Value| {
        pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let text = |pod: &Value, pointer: &str| {
        let value = pod.pointer(pointer).and_then(Value::as_str);
        value.map(str::to_owned).context(pointer.to_owned())
    };
    let read = |pod: &Value| {
        Ok(Pod {
            name: text(pod, "/metadata/name")?,
            uid: text(pod, "/metadata/uid")?,
            machine: text(pod, "/spec/nodeName")?,
            address: text(pod, "/status/podIP")?,
        })
    };
    found.iter().filter(live).map(read).collect()
}

/// Waits until each connection opens or does not, as it should.
async fn all(release: &Release, ways: &[Way<'_>]) -> Result<()> {
    wait::until(SETTLE, async || {
        for (pod, host, port, wanted) in ways {
            let opens = opens(release, pod, host, *port)?;
            let told = if opens { "opens" } else { "does not open" };
            ensure!(opens == *wanted, "{} to {host}:{port} {told}", pod.name);
        }
        Ok(())
    })
    .await
}

/// Whether a connection from a pod opens.
fn opens(release: &Release, pod: &Pod, host: &str, port: u16) -> Result<bool> {
    let dial = format!(
        "if timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null; then echo opens; else echo stays; fi"
    );
    let args = ["pod", &pod.machine, &pod.uid, "bash", "-c", &dial];
    match release.kube.cluster(&args)?.trim() {
        "opens" => Ok(true),
        "stays" => Ok(false),
        told => anyhow::bail!("{}: {told}", pod.name),
    }
}
