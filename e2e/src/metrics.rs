//! What a process reports to Prometheus.

use crate::wire::Client;
use anyhow::{Context, Result};
use http::Method;
use std::net::SocketAddr;

/// All metrics of a process, each by its name and labels as they are written, in their order.
#[derive(Debug, Clone)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// Those of the process with this ops port.
    ///
    /// # Errors
    /// Where it does not answer as it should.
    pub async fn of(ops: SocketAddr) -> Result<Self> {
        let answer = Client::new(ops).call(Method::GET, "/metrics").await?;
        let answer = answer.expect(200)?;
        Self::parse(std::str::from_utf8(&answer.body)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
            Ok((name.to_owned(), value.parse()?))
        });
        values.collect::<Result<_>>().map(Self)
    }

    /// One of them, where there is one.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.find(|known| known == name)
    }

    /// The first one whose name begins so, whatever its labels.
    pub fn first(&self, name: &str) -> Option<f64> {
        self.find(|known| known.starts_with(name))
    }

    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<f64> {
        let mut all = self.0.iter();
        all.find(|(known, _)| wanted(known))
            .map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_metric_has_its_labels_in_its_name() {
        let text = "# TYPE a counter\na{b=\"c d\"} 3\ne 0.5\n# EOF\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.get("a{b=\"c d\"}"), Some(3.0));
        assert_eq!((metrics.get("e"), metrics.get("f")), (Some(0.5), None));
        assert_eq!((metrics.get("a"), metrics.first("a")), (None, Some(3.0)));
    }
}
