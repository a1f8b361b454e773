//! The requests that an API server received, by its own metric.

use crate::kube::ApiServer;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Its metric.
const REQUESTS: &str = "apiserver_request_total{";

/// Requests by verb and resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Requests {
    at: Instant,
    counts: BTreeMap<String, f64>,
}

/// Requests a second, by verb and resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rates(BTreeMap<String, f64>);

/// The requests since the API server's start.
///
/// # Errors
/// Where it does not report them.
pub(super) fn seen(server: &ApiServer) -> Result<Requests> {
    let told = server.kubectl(&["get", "--raw", "/metrics"], "")?;
    ensure!(told.ok, "{}", told.text);
    let counts = counts(&told.text);
    ensure!(!counts.is_empty(), "no {REQUESTS}…}} among its metrics");
    let at = Instant::now();
    Ok(Requests { at, counts })
}

/// The requests during a time.
///
/// # Errors
/// Where the API server does not report them.
pub(super) async fn during(server: &ApiServer, time: Duration) -> Result<Rates> {
    let before = seen(server)?;
    tokio::time::sleep(time).await;
    Ok(seen(server)?.since(&before))
}

/// The sums by verb and resource; pure. Requests for no resource, such as the
/// one for the metrics, are left out.
fn counts(metrics: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for line in metrics.lines() {
        let Some((labels, count)) = line
            .strip_prefix(REQUESTS)
            .and_then(|rest| rest.rsplit_once("} "))
        else {
            continue;
        };
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        // `subresource` ends like `resource`.
        let resource = labels.split(',').find_map(|one| {
            one.strip_prefix("resource=\"")?
                .strip_suffix('"')
                .filter(|resource| !resource.is_empty())
        });
        if let (Some(verb), Some(resource), Ok(count)) =
            (label("verb"), resource, count.parse::<f64>())
        {
            *counts.entry(format!("{verb} {resource}")).or_default() += count;
        }
    }
    counts
}

impl Requests {
    fn since(&self, before: &Self) -> Rates {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let rate = |(what, count): (&String, &f64)| {
            let before = before.counts.get(what).copied().unwrap_or_default();
            (what.clone(), (count - before) / seconds)
        };
        Rates(self.counts.iter().map(rate).collect())
    }
}

impl Rates {
    /// These rates without those of the API server's own requests.
    pub(super) fn without(&self, own: &Self) -> Self {
        let rest = self.0.iter().map(|(what, rate)| {
            let own = own.0.get(what).copied().unwrap_or_default();
            (what.clone(), (rate - own).max(0.0))
        });
        Self(rest.collect())
    }

    /// All of them.
    pub(super) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// The most frequent ones in words.
    pub(super) fn words(&self) -> String {
        let mut all: Vec<_> = self.0.iter().filter(|(_, rate)| **rate >= 0.01).collect();
        all.sort_by(|a, b| b.1.total_cmp(a.1));
        let words = all
            .iter()
            .take(8)
            .map(|(what, rate)| format!("{what} {rate:.2}"));
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_verb_and_resource() {
        let metrics = r#"# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="namespace",subresource="",verb="LIST",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="status",verb="LIST",version="v1"} 2
apiserver_request_total{code="200",component="",dry_run="",group="",resource="",scope="",subresource="/metrics",verb="GET",version=""} 3
apiserver_request_total_other{verb="GET",resource="pods"} 3
"#;
        let after = counts(metrics);
        assert_eq!(after, [("LIST pods".to_owned(), 9.0)].into());
        let at = Instant::now();
        let before = Requests {
            at,
            counts: BTreeMap::new(),
        };
        let at = at + Duration::from_secs(3);
        let rates = Requests { at, counts: after }.since(&before);
        assert_eq!(
            (rates.total(), rates.words().as_str()),
            (3.0, "LIST pods 3.00")
        );
        assert_eq!(rates.without(&rates).total(), 0.0);
    }
}
