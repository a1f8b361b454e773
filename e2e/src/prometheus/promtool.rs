//! What `promtool` says of metrics and rules.

use crate::kube::program;
use crate::tools::{self, Told};
use crate::wire::Client;
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Runs it.
fn promtool(args: &[&str], input: &str) -> Result<Told> {
    let mut command = Command::new(program("promtool")?);
    command.args(args);
    tools::feed(command, input)
}

/// Checks the metrics of a process by their names, units, types and help; gives how many
/// there are.
///
/// # Errors
/// What is wrong with which.
pub(super) async fn check_metrics(whose: &str, ops: SocketAddr) -> Result<usize> {
    let answer = Client::new(ops).call(Method::GET, "/metrics").await?;
    let text = String::from_utf8(answer.expect(200)?.body.to_vec())?;
    let classic = classic(&text);
    let told = promtool(&["check", "metrics"], &classic)?;
    ensure!(
        told.ok && told.text.trim().is_empty(),
        "promtool check metrics, {whose}: {}",
        told.text
    );
    let types = classic.lines().filter(|line| line.starts_with("# TYPE "));
    Ok(types.count())
}

/// Checks rules.
///
/// # Errors
/// What is wrong with them.
pub(super) fn check_rules(folder: &Path, rules: &Value) -> Result<String> {
    let file = folder.join("rules-of-chart.yml");
    std::fs::write(&file, rules.to_string())?;
    let file = file.to_str().context("a folder's name")?;
    let told = promtool(&["check", "rules", "--lint=all", "--lint-fatal", file], "")?;
    told.expect("promtool check rules")
}

/// Plays a series that becomes bad to an alert: it must be quiet before, and fire after.
///
/// # Errors
/// What promtool says.
pub(super) fn plays(
    folder: &Path,
    rules: &Value,
    alert: &str,
    series: &str,
    bad: u32,
) -> Result<()> {
    std::fs::write(folder.join("rules-played.yml"), rules.to_string())?;
    let firing =
        format!(r#"count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})"#);
    let fires = json!([{ "labels": format!(r#"{{alertname="{alert}"}}"#), "value": 1 }]);
    let test = json!({
        "rule_files": ["rules-played.yml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{ "series": series, "values": format!("0x60 {bad}x60") }],
            "promql_expr_test": [
                { "expr": firing, "eval_time": "60m", "exp_samples": [] },
                { "expr": firing, "eval_time": "110m", "exp_samples": fires },
            ],
        }],
    });
    let file = folder.join(format!("played-{alert}.yml"));
    std::fs::write(&file, test.to_string())?;
    let file = file.to_str().context("a folder's name")?;
    let told = promtool(&["test", "rules", file], "")?;
    told.expect("promtool test rules").map(drop)
}

/// OpenMetrics as the classic text format that promtool reads: there a counter's family
/// has the ending of its samples, and neither a unit nor an end is stated.
fn classic(text: &str) -> String {
    let mut counters = Vec::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.strip_suffix(" counter"))
        {
            counters.push(name);
        }
    }
    let mut out = String::new();
    for line in text.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", what, name, rest] if counters.contains(name) => {
                out += &format!("# {what} {name}_total {rest}\n");
            }
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_their_ending_in_the_classic_format() {
        let open = "# HELP a_b Number of b.\n# TYPE a_b counter\na_b_total{x=\"1\"} 3\n\
                    # HELP c_seconds Time.\n# TYPE c_seconds gauge\n# UNIT c_seconds seconds\n\
                    c_seconds 0.5\n# EOF\n";
        let wanted = "# HELP a_b_total Number of b.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 3\n\
                      # HELP c_seconds Time.\n# TYPE c_seconds gauge\nc_seconds 0.5\n";
        assert_eq!(classic(open), wanted);
    }
}
