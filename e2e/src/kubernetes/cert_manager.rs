//! cert-manager beside the cluster: its controllers as a process of this machine, and its
//! definitions. `e2e/kube/cert-manager` says what is left out.

use super::kube::Kube;
use crate::cluster::{Launch, Process};
use crate::kube::program;
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The scenario that needs it.
pub const SCENARIO: &str = "cert-manager";
/// Where ClusterIssuers find their Secrets.
pub const NAMESPACE: &str = "cert-manager";
/// The program.
const PROGRAM: &str = "cert-manager";
/// How long it may take until an authority is there.
const ISSUED: Duration = Duration::from_secs(60);

/// Builds the program if this machine has not done so yet.
///
/// # Errors
/// Where it can't be built.
pub fn build() -> Result<()> {
    program(PROGRAM).map(drop)
}

/// cert-manager. Dropping it ends it.
pub struct CertManager {
    kube: Kube,
    launch: Launch,
    definitions: PathBuf,
    process: Option<Process>,
}

impl CertManager {
    /// Brings its definitions, and starts it; its log is in `folder`.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(kube: &Kube, folder: &Path) -> Result<Self> {
        let program = program(PROGRAM)?;
        let mut started = Self {
            kube: kube.clone(),
            definitions: program.with_file_name("crds"),
            launch: Launch {
                program,
                args: vec![format!("--cluster-resource-namespace={NAMESPACE}").into()],
                env: Vec::new(),
                stderr: folder.join("cert-manager.log"),
            },
            process: None,
        };
        started.define()?;
        started.run().await?;
        Ok(started)
    }

    /// Starts it again.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn run(&mut self) -> Result<()> {
        self.process = Some(self.launch.start().await?);
        Ok(())
    }

    /// Ends it; what it made stays.
    pub fn end(&mut self) {
        self.process = None;
    }

    /// Brings its definitions.
    ///
    /// # Errors
    /// Where the API server does not take them.
    pub fn define(&self) -> Result<()> {
        let folder = self.definitions.to_string_lossy();
        // One is longer than the annotation of other applies may be.
        let args = ["apply", "--server-side", "--force-conflicts", "-f", &folder];
        self.kube.kubectl(&args)?;
        let args = ["wait", "--for=condition=Established", "--timeout=60s", "-f"];
        self.kube.kubectl(&[&args[..], &[&folder]].concat())?;
        Ok(())
    }

    /// Removes its definitions, and so all objects of their kinds. Secrets stay.
    ///
    /// # Errors
    /// Where that does not end.
    pub fn undefine(&self) -> Result<()> {
        let folder = self.definitions.to_string_lossy();
        let args = ["delete", "--ignore-not-found", "--timeout=60s", "-f"];
        self.kube.kubectl(&[&args[..], &[&folder]].concat())?;
        Ok(())
    }

    /// Has it make an authority, and a ClusterIssuer of this name that signs with it.
    ///
    /// # Errors
    /// Where that takes too long.
    pub async fn authority(&self, name: &str) -> Result<()> {
        let issuer = |name: &str, spec: Value| {
            self.kube.apply(&json!({
                "apiVersion": "cert-manager.io/v1",
                "kind": "ClusterIssuer",
                "metadata": { "name": name },
                "spec": spec,
            }))
        };
        self.kube.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE },
        }))?;
        let first = format!("{name}-self");
        issuer(&first, json!({ "selfSigned": {} }))?;
        self.kube.apply(&json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": {
                "isCA": true,
                "commonName": name,
                "secretName": name,
                "privateKey": { "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never" },
                "issuerRef": { "name": first, "kind": "ClusterIssuer" },
            },
        }))?;
        issuer(name, json!({ "ca": { "secretName": name } }))?;
        wait::until(ISSUED, async || {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let issuer = self.kube.get("", "clusterissuer", name)?;
            let told = &issuer["status"]["conditions"][0];
            ensure!(told["status"] == "True", "{told}");
            Ok(())
        })
        .await
    }

    /// Has it renew a certificate now, as its own command `cmctl renew` does.
    ///
    /// # Errors
    /// Where there is no such Certificate.
    pub fn renew(&self, namespace: &str, name: &str) -> Result<()> {
        let mut found = self.kube.get(namespace, "certificate", name)?;
        let generation = found["metadata"]["generation"].clone();
        let mut all = found["status"]["conditions"].take();
        let conditions = all.as_array_mut().context("conditions")?;
        conditions.retain(|condition| condition["type"] != "Issuing");
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        conditions.push(json!({
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": now.to_string(),
            "observedGeneration": generation,
        }));
        let patch = json!({ "status": { "conditions": conditions } }).to_string();
        let args = [
            "-n",
            namespace,
            "patch",
            "certificate",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kube.kubectl(&args).map(drop)
    }
}
