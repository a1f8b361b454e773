//! A picture of the dashboard, drawn of its JSON and of what the real Prometheus gives for
//! its queries. Grafana itself draws it otherwise.

use super::World;
use super::dashboard::filled;
use super::healthy::chosen;
use super::watched::Watched;
use crate::cluster::binaries::workspace;
use crate::console::installed;
use crate::tools;
use anyhow::{Context, Result};
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

/// Draws it into a file.
pub(super) async fn draw(watched: &Watched<'_>, world: &World, file: &Path) -> Result<()> {
    tools::require(&[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")])?;
    let folder = workspace().join("e2e/prometheus");
    let installed = installed(&folder, "prometheus-picture")?;
    let dashboard = world.chart.dashboard()?;
    let values = chosen(watched, &dashboard).await?;
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        panels.push(drawn(watched, panel, &values).await?);
    }
    let input = world.folder.join("panels.json");
    let text = json!({ "title": dashboard["title"], "panels": panels });
    std::fs::write(&input, text.to_string())?;
    let mut node = Command::new("node");
    node.arg(folder.join("picture.mjs"))
        .args([&installed, &input, file])
        .arg(tools::which("chromium")?);
    tools::feed(node, "")?.expect("the picture").map(drop)
}

/// A panel with the points of its series.
async fn drawn(watched: &Watched<'_>, panel: &Value, values: &[(String, String)]) -> Result<Value> {
    let mut series = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let expr = filled(target["expr"].as_str().unwrap_or_default(), values);
        let format = target["legendFormat"].as_str().unwrap_or_default();
        for (labels, points) in watched.prometheus.range(&expr).await? {
            series.push(json!({ "name": legend(format, &labels)?, "points": points }));
        }
    }
    let defaults = &panel["fieldConfig"]["defaults"];
    let steps = defaults["thresholds"]["steps"].as_array();
    Ok(json!({
        "title": panel["title"],
        "type": panel["type"],
        "gridPos": panel["gridPos"],
        "unit": defaults["unit"],
        "steps": steps.cloned().unwrap_or_default(),
        "series": series,
    }))
}

/// The name of a series by the panel's format, such as `{{route}} 0.5`.
fn legend(format: &str, labels: &Map<String, Value>) -> Result<String> {
    let label = Regex::new(r"\{\{(\w+)\}\}").context("a pattern")?;
    let value = |found: &Captures<'_>| {
        let value = labels.get(&found[1]).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(label.replace_all(format, value).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_legend_names_the_labels() {
        let labels = json!({"route": "/file", "status": "201"});
        let name = legend("{{route}} {{status}} 0.5", labels.as_object().unwrap()).unwrap();
        assert_eq!(name, "/file 201 0.5");
    }
}
