//! What the chart makes for Prometheus and Grafana, as Helm renders it, and the labels
//! that the Prometheus operator would give its targets.

use crate::cluster::binaries::workspace;
use crate::kube::program;
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;

/// The release and its namespace.
pub(super) const RELEASE: &str = "files";

/// The rendered objects.
pub(super) struct Chart(Vec<Value>);

/// What one monitor of the chart has Prometheus read.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The label `job`.
    pub(super) name: String,
    /// The path of the metrics.
    pub(super) path: String,
    /// The labels that all targets have beside `job` and `instance`.
    pub(super) labels: Map<String, Value>,
    /// What selects the pods, or the Service of the pods.
    pub(super) selects: Map<String, Value>,
    /// The name of the port that is read.
    pub(super) port: String,
}

impl Chart {
    /// Renders all that Prometheus and Grafana get.
    ///
    /// # Errors
    /// What Helm said.
    pub(super) fn render(home: &Path) -> Result<Self> {
        let mut helm = Command::new(program("helm")?);
        helm.args(["template", RELEASE, "--namespace", RELEASE])
            .arg(workspace().join("charts/distributed-file-server"))
            // Nothing of the user's own.
            .env("HOME", home)
            .env("KUBECONFIG", "/dev/null");
        for what in ["serviceMonitor", "prometheusRule", "grafanaDashboard"] {
            helm.args(["--set", &format!("{what}.enabled=true")]);
        }
        let text = tools::feed(helm, "")?.expect("helm template")?;
        Ok(Self(serde_saphyr::from_multiple(&text)?))
    }

    fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    fn one<'a>(&'a self, kind: &'a str, ending: &str) -> Result<&'a Value> {
        let named = |object: &&Value| name(object).ends_with(ending);
        let found: Vec<_> = self.all(kind).filter(named).collect();
        let number = found.len();
        ensure!(number == 1, "{number} {kind} whose names end in {ending:?}");
        Ok(found[0])
    }

    /// The rules, as a file of rules has them.
    pub(super) fn rules(&self) -> Result<Value> {
        Ok(self.one("PrometheusRule", "")?["spec"].clone())
    }

    /// The dashboard.
    pub(super) fn dashboard(&self) -> Result<Value> {
        let data = self.one("ConfigMap", "-dashboard")?["data"].as_object();
        let texts = data.and_then(|data| data.values().next());
        let text = texts.and_then(Value::as_str).context("no text")?;
        Ok(serde_json::from_str(text)?)
    }

    /// What the ServiceMonitor reads: the pods of the one Service that it selects.
    pub(super) fn managers(&self) -> Result<Job> {
        let monitor = self.one("ServiceMonitor", "")?;
        let mut job = job(monitor, &monitor["spec"]["endpoints"])?;
        let selected = |service: &&Value| {
            let ports = service["spec"]["ports"].as_array();
            let has = ports.is_some_and(|ports| ports.iter().any(|port| port["name"] == job.port));
            has && covers(&service["metadata"]["labels"], &job.selects)
        };
        let services: Vec<_> = self.all("Service").filter(selected).map(name).collect();
        ensure!(services.len() == 1, "it selects {services:?}");
        job.name = services[0].to_owned();
        job.labels.insert("service".to_owned(), services[0].into());
        Ok(job)
    }

    /// What the PodMonitor of operators reads, which are pods of a Deployment.
    pub(super) fn operators(&self) -> Result<Job> {
        let monitor = self.one("PodMonitor", "-operator")?;
        let job = job(monitor, &monitor["spec"]["podMetricsEndpoints"])?;
        let deployments = self.all("Deployment");
        let pods = deployments.map(|deployment| &deployment["spec"]["template"]);
        let selected: Vec<_> = pods.filter(|pod| job.selects(pod)).collect();
        ensure!(selected.len() == 1, "{} Deployments", selected.len());
        Ok(job)
    }

    /// What the PodMonitor of nodes reads; their pods are the operator's.
    pub(super) fn nodes(&self) -> Result<Job> {
        let monitor = self.one("PodMonitor", "-node")?;
        job(monitor, &monitor["spec"]["podMetricsEndpoints"])
    }
}

impl Job {
    /// Whether a pod's template has the labels that are selected, and the port.
    pub(super) fn selects(&self, pod: &Value) -> bool {
        let containers = pod["spec"]["containers"].as_array();
        let ports = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container["ports"].as_array());
        let has = ports.flatten().any(|port| port["name"] == self.port);
        has && covers(&pod["metadata"]["labels"], &self.selects)
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn covers(labels: &Value, selects: &Map<String, Value>) -> bool {
    selects.iter().all(|(key, value)| labels[key] == *value)
}

/// As the Prometheus operator reads a monitor; a PodMonitor's own name is the job.
fn job(monitor: &Value, endpoints: &Value) -> Result<Job> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let port = text(&endpoints[0]["port"]).context("no port")?;
    let path = text(&endpoints[0]["path"]).context("no path")?;
    let spaces = &monitor["spec"]["namespaceSelector"]["matchNames"];
    ensure!(spaces[0] == RELEASE, "it reads namespaces {spaces}");
    let selects = monitor["spec"]["selector"]["matchLabels"].as_object();
    let labels = [("namespace", RELEASE), ("endpoint", &port)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.into()));
    Ok(Job {
        name: format!("{RELEASE}/{}", name(monitor)),
        path,
        labels: labels.into_iter().collect(),
        selects: selects.context("it selects nothing")?.clone(),
        port,
    })
}
