//! A real Prometheus that reads targets and judges rules once a second.

use super::chart::Job;
use crate::cluster::Launch;
use crate::kube::program;
use crate::wire::Client;
use crate::{ports, wait};
use anyhow::{Context, Result, ensure};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Child;

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(60);

/// For how long back series are given, in seconds.
const MINUTE: u64 = 60;

/// Labels, and points of time and value.
pub(super) type Series = (Map<String, Value>, Vec<(f64, f64)>);

/// One that runs. Dropping it kills it.
pub(super) struct Prometheus {
    client: Client,
    folder: PathBuf,
    _child: Child,
}

/// One process that is read.
pub(super) struct Target {
    /// Where its metrics are.
    pub(super) address: SocketAddr,
    /// The name of its pod.
    pub(super) pod: String,
}

/// One value that a query gave.
#[derive(Debug)]
pub(super) struct Sample {
    /// Its labels.
    pub(super) labels: Map<String, Value>,
    /// The value, which may be NaN.
    pub(super) value: f64,
}

impl Prometheus {
    /// Starts one whose data lie in `folder`.
    pub(super) async fn start(folder: &Path, jobs: &[&Job], rules: &Value) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        // JSON is YAML.
        std::fs::write(folder.join("rules.yml"), rules.to_string())?;
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, configured(folder, jobs).to_string())?;
        let address = ports::free()?;
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address={address}"),
            "--scrape.discovery-reload-interval=1s".to_owned(),
        ];
        let launch = Launch {
            program: program("prometheus")?,
            args: args.into_iter().map(Into::into).collect(),
            env: vec![("GOMAXPROCS".to_owned(), "1".to_owned())],
            stderr: folder.join("log"),
        };
        let started = Self {
            _child: launch.spawn()?,
            client: Client::new(address),
            folder: folder.to_owned(),
        };
        let ready = wait::until(READY, async || {
            let answer = started.client.call(Method::GET, "/-/ready").await?;
            answer.expect(200).map(drop)
        });
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        ready.await.with_context(log)?;
        Ok(started)
    }

    /// Has it read these targets for a job, in place of others.
    pub(super) fn read(&self, job: &Job, targets: &[Target]) -> Result<()> {
        let text: Vec<Value> = targets.iter().map(|target| labelled(job, target)).collect();
        let file = self.folder.join(format!("{}.json", file_of(job)));
        let next = file.with_extension("next");
        std::fs::write(&next, Value::from(text).to_string())?;
        std::fs::rename(next, file)?;
        Ok(())
    }

    /// What a query gives now.
    pub(super) async fn query(&self, expr: &str) -> Result<Vec<Sample>> {
        let query = utf8_percent_encode(expr, NON_ALPHANUMERIC);
        let data = self.get(&format!("query?query={query}")).await?;
        let result = data["result"].as_array().context("no result")?;
        let sample = |one: &Value| {
            let value = one["value"][1].as_str().context("no value")?;
            Ok(Sample {
                labels: one["metric"].as_object().cloned().unwrap_or_default(),
                value: value.parse()?,
            })
        };
        result.iter().map(sample).collect()
    }

    /// What a query has given in the last minute, each second: the series, each with its
    /// labels and its points of time and value.
    pub(super) async fn range(&self, expr: &str) -> Result<Vec<Series>> {
        let query = utf8_percent_encode(expr, NON_ALPHANUMERIC);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let start = now - MINUTE;
        let path = format!("query_range?query={query}&start={start}&end={now}&step=1");
        let data = self.get(&path).await?;
        let result = data["result"].as_array().context("no result")?;
        let series = |one: &Value| {
            let values: Vec<(f64, String)> = serde_json::from_value(one["values"].clone())?;
            let points = values
                .into_iter()
                .map(|(at, value)| Ok((at, value.parse()?)));
            let points: Result<Vec<_>> = points.collect();
            let labels = one["metric"].as_object().cloned();
            Ok((labels.unwrap_or_default(), points?))
        };
        result.iter().map(series).collect()
    }

    /// The values of a label among series.
    pub(super) async fn values(&self, label: &str, series: &str) -> Result<Vec<String>> {
        let series = utf8_percent_encode(series, NON_ALPHANUMERIC);
        let data = self
            .get(&format!("label/{label}/values?match[]={series}"))
            .await?;
        Ok(serde_json::from_value(data)?)
    }

    /// Alerts that fire or are about to.
    pub(super) async fn active(&self) -> Result<BTreeSet<String>> {
        let data = self.get("alerts").await?;
        let alerts = data["alerts"].as_array().context("no alerts")?;
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
        Ok(alerts.iter().filter_map(name).collect())
    }

    /// Alerts that fire.
    pub(super) async fn firing(&self) -> Result<BTreeSet<String>> {
        self.alertnames("ALERTS{alertstate=\"firing\"}").await
    }

    /// Alerts that have fired in the last time.
    pub(super) async fn fired(&self, within: Duration) -> Result<BTreeSet<String>> {
        let seconds = within.as_secs().max(1);
        let firing = "ALERTS{alertstate=\"firing\"}";
        self.alertnames(&format!("count_over_time({firing}[{seconds}s])"))
            .await
    }

    async fn alertnames(&self, expr: &str) -> Result<BTreeSet<String>> {
        let samples = self.query(expr).await?;
        let name = |sample: &Sample| Some(sample.labels.get("alertname")?.as_str()?.to_owned());
        Ok(samples.iter().filter_map(name).collect())
    }

    /// Waits until so many targets are read.
    pub(super) async fn wait_read(&self, targets: usize) -> Result<()> {
        wait::until(READY, async || {
            let up = self.query("up == 1").await?.len();
            ensure!(up == targets, "{up} of {targets} targets are read");
            Ok(())
        })
        .await
    }

    /// Rules that could not be judged, each with what Prometheus says.
    pub(super) async fn wrong_rules(&self) -> Result<Vec<String>> {
        let data = self.get("rules").await?;
        let groups = data["groups"].as_array().context("no groups")?;
        let rules = groups
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten();
        let wrong = rules.filter(|rule| rule["health"] != "ok");
        Ok(wrong
            .map(|rule| format!("{}: {}", rule["name"], rule["lastError"]))
            .collect())
    }

    async fn get(&self, what: &str) -> Result<Value> {
        let path = format!("/api/v1/{what}");
        let mut answer = self.client.call(Method::GET, &path).await?.json()?;
        ensure!(answer["status"] == "success", "{what}: {answer}");
        Ok(answer["data"].take())
    }
}

fn file_of(job: &Job) -> String {
    job.name.replace('/', "-")
}

fn configured(folder: &Path, jobs: &[&Job]) -> Value {
    let of_job = |job: &&Job| {
        json!({
            "job_name": job.name,
            "metrics_path": job.path,
            "file_sd_configs": [{
                "files": [folder.join(format!("{}.json", file_of(job)))],
                "refresh_interval": "1s",
            }],
        })
    };
    json!({
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        },
        "rule_files": [folder.join("rules.yml")],
        "scrape_configs": jobs.iter().map(of_job).collect::<Vec<_>>(),
    })
}

fn labelled(job: &Job, target: &Target) -> Value {
    let mut labels = job.labels.clone();
    labels.insert("pod".to_owned(), target.pod.clone().into());
    json!({ "targets": [target.address.to_string()], "labels": labels })
}
