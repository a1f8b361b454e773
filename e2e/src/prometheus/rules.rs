//! The rules as they are loaded: with all their times shortened by one factor, since
//! nobody waits for an hour until an alert fires. What they compare stays as it is.

use anyhow::{Context, Result, ensure};
use regex::{Captures, Regex};
use serde_json::Value;
use std::time::Duration;

/// By how much `for` and the ranges of expressions are shortened. With a larger one an
/// alert would notice that a manager is restarted, which takes a second or two.
pub(super) const FACTOR: u64 = 30;

/// All rules of a file of rules.
fn each(rules: &Value) -> impl Iterator<Item = &Value> {
    let groups = rules["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().into_iter().flatten())
}

/// The names of all alerts.
pub(super) fn alerts(rules: &Value) -> Vec<&str> {
    each(rules)
        .filter_map(|rule| rule["alert"].as_str())
        .collect()
}

/// The same rules with shorter times.
///
/// # Errors
/// Where a time is no whole number of seconds then.
pub(super) fn shortened(rules: &Value) -> Result<Value> {
    let mut rules = rules.clone();
    let groups = rules["groups"].as_array_mut().context("no groups")?;
    let groups = groups
        .iter_mut()
        .filter_map(|group| group["rules"].as_array_mut());
    for rule in groups.flatten() {
        if let Some(time) = rule.get_mut("for") {
            *time = shorter(time.as_str().context("for is no text")?)?.into();
        }
        let expr = rule.get_mut("expr").context("no expr")?;
        *expr = in_ranges(expr.as_str().context("expr is no text")?)?.into();
    }
    Ok(rules)
}

/// The longest time that an alert waits until it fires: its range, and then `for`.
///
/// # Errors
/// Where a time is none.
pub(super) fn longest(rules: &Value) -> Result<Duration> {
    let ranges = Regex::new(r"\[(\w+)[:\]]")?;
    let mut longest = 0;
    for rule in each(rules) {
        let mut waits = rule["for"].as_str().map_or(Ok(0), seconds)?;
        let expr = rule["expr"].as_str().unwrap_or_default();
        let found: Result<Vec<u64>> = ranges
            .captures_iter(expr)
            .map(|range| seconds(&range[1]))
            .collect();
        waits += found?.into_iter().max().unwrap_or(0);
        longest = longest.max(waits);
    }
    Ok(Duration::from_secs(longest))
}

/// Shortens the ranges in brackets, such as `[15m]` and `[30m:1m]`.
fn in_ranges(expr: &str) -> Result<String> {
    let ranges = Regex::new(r"\[(\w+)(?::(\w+))?\]")?;
    let mut failed = None;
    let text = ranges.replace_all(expr, |found: &Captures<'_>| {
        let parts = found.iter().skip(1).flatten();
        let parts: Result<Vec<String>> = parts.map(|part| shorter(part.as_str())).collect();
        match parts {
            Ok(parts) => format!("[{}]", parts.join(":")),
            Err(error) => {
                failed = Some(error);
                String::new()
            }
        }
    });
    let text = text.into_owned();
    failed.map_or(Ok(text), Err)
}

fn shorter(time: &str) -> Result<String> {
    let whole = seconds(time)?;
    ensure!(
        whole > 0 && whole.is_multiple_of(FACTOR),
        "{time} can't be made {FACTOR} times shorter"
    );
    Ok(format!("{}s", whole / FACTOR))
}

/// A time as Prometheus writes it, such as `1h30m`.
fn seconds(time: &str) -> Result<u64> {
    let time = humantime::parse_duration(time).with_context(|| time.to_owned())?;
    Ok(time.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_shortened_and_nothing_else() {
        let rules = json!({"groups": [{"name": "g", "rules": [
            {"alert": "A", "for": "1h", "expr": "max(silent_seconds{a=\"[5m\"}) > 10"},
            {"alert": "B", "expr": "min_over_time(max(x)[30m:1m]) > 1 and increase(y[15m]) > 60"},
        ]}]});
        let short = shortened(&rules).unwrap();
        let [a, b] = [0, 1].map(|at| short["groups"][0]["rules"][at].clone());
        assert_eq!(a["for"], "120s");
        assert_eq!(a["expr"], "max(silent_seconds{a=\"[5m\"}) > 10");
        assert_eq!(
            b["expr"],
            "min_over_time(max(x)[60s:2s]) > 1 and increase(y[30s]) > 60"
        );
        assert!(b.get("for").is_none());
        assert_eq!(alerts(&rules), ["A", "B"]);
        assert_eq!(longest(&short).unwrap(), Duration::from_secs(120));
    }

    #[test]
    fn a_time_that_is_no_whole_number_of_seconds_then_is_refused() {
        for expr in ["rate(x[100s]) > 0", "rate(x[30m:10s]) > 0"] {
            let rules = json!({"groups": [{"rules": [{"alert": "A", "expr": expr}]}]});
            assert!(shortened(&rules).is_err(), "{expr}");
        }
    }
}
