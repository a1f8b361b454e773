//! The dashboard's panels and their queries, as Grafana would ask them.

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::Value;

/// What Grafana takes for `$__rate_interval`: four scrapes at the least.
pub(super) const RATE_INTERVAL: &str = "10s";

/// One query of a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Number and title of the panel, and the query's letter.
    pub(super) panel: String,
    /// What is asked.
    pub(super) expr: String,
}

/// A variable whose values are those of a label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The series that are searched.
    pub(super) series: String,
    /// The label.
    pub(super) label: String,
}

/// All queries of all panels.
///
/// # Errors
/// Names a panel without one.
pub(super) fn queries(dashboard: &Value) -> Result<Vec<Query>> {
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let mut all = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = format!("{} {}", panel["id"], panel["title"].as_str().unwrap_or("?"));
        let targets = panel["targets"].as_array();
        let targets = targets.with_context(|| format!("panel {title} has no query"))?;
        for target in targets {
            let letter = target["refId"].as_str().unwrap_or("?");
            let expr = target["expr"].as_str();
            let expr = expr.with_context(|| format!("panel {title} {letter} asks nothing"))?;
            all.push(Query {
                panel: format!("{title} {letter}"),
                expr: expr.to_owned(),
            });
        }
    }
    Ok(all)
}

/// The variables that have to be asked for, in their order.
///
/// # Errors
/// Names one that is no `label_values`.
pub(super) fn variables(dashboard: &Value) -> Result<Vec<Variable>> {
    let form = Regex::new(r"^label_values\((.+), *(\w+)\)$")?;
    let list = dashboard["templating"]["list"].as_array();
    let list = list.into_iter().flatten();
    list.filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = variable["query"].as_str().unwrap_or_default();
            let parts = form.captures(query).with_context(|| variable.to_string())?;
            Ok(Variable {
                name: variable["name"].as_str().unwrap_or_default().to_owned(),
                series: parts[1].to_owned(),
                label: parts[2].to_owned(),
            })
        })
        .collect()
}

/// Puts values in the place of variables.
pub(super) fn filled(text: &str, values: &[(String, String)]) -> String {
    let mut text = text.replace("$__rate_interval", RATE_INTERVAL);
    for (name, value) in values {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn queries_and_variables_are_read_and_filled() {
        let dashboard = json!({
            "templating": {"list": [
                {"name": "datasource", "type": "datasource"},
                {"name": "service", "type": "query", "query": "label_values(x{n=\"$n\"}, service)"},
            ]},
            "panels": [{"id": 7, "type": "stat", "title": "T", "targets": [
                {"refId": "A", "expr": "rate(x{n=\"$n\"}[$__rate_interval])"},
            ]}],
        });
        let asked = queries(&dashboard).unwrap();
        assert_eq!(asked[0].panel, "7 T A");
        let values = [("n".to_owned(), "files".to_owned())];
        assert_eq!(filled(&asked[0].expr, &values), "rate(x{n=\"files\"}[10s])");
        let variables = variables(&dashboard).unwrap();
        let [one] = variables.as_slice() else {
            panic!("{variables:?}");
        };
        assert_eq!(
            (one.series.as_str(), one.label.as_str()),
            ("x{n=\"$n\"}", "service")
        );
    }

    #[test]
    fn a_panel_without_a_query_is_refused_by_name() {
        let dashboard = json!({"panels": [{"id": 3, "type": "stat", "title": "Empty"}]});
        let why = queries(&dashboard).unwrap_err().to_string();
        assert!(why.contains("3 Empty"), "{why}");
    }
}
