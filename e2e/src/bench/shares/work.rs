//! What a hog has and does while another caller is measured.

use crate::cluster::{Cluster, Process};
use crate::metrics::Metrics;
use anyhow::Result;
use std::array;
use std::time::{Duration, Instant};

/// The columns of a row.
pub(super) const HEAD: [&str; 10] = [
    "the other one has",
    "uploads",
    "downloads",
    "requests/s",
    "429/s",
    "MB/s up",
    "MB/s down",
    "manager cores",
    "nodes cores",
    "its cores",
];

/// Requests, those answered 429, bytes up and down.
const COUNTS: usize = 4;
/// Of manager, nodes and hog.
const PROCESSES: usize = 3;

/// Sums over the time that was measured.
#[derive(Debug, Default)]
pub(super) struct Work {
    time: Duration,
    counts: [f64; COUNTS],
    cpu: [Duration; PROCESSES],
    /// The most uploads and downloads in flight.
    places: [f64; 2],
}

/// Counters at one moment.
#[derive(Debug)]
pub(super) struct Seen {
    at: Instant,
    counts: [f64; COUNTS],
    cpu: [Duration; PROCESSES],
    places: [f64; 2],
}

/// The name of a gauge of what is in flight.
pub(super) fn gauge(what: &str) -> String {
    format!("dfs_manager_{what}_in_flight")
}

impl Work {
    /// Counters of a caller as they are now.
    pub(super) async fn seen(cluster: &Cluster, hog: &Process, caller: &str) -> Result<Seen> {
        let metrics = Metrics::of(cluster.ops()).await?;
        // One that has not asked yet is not counted yet.
        let get = |name: &str| metrics.get(name).unwrap_or_default();
        let of = |metric: &str, more: &str| {
            get(&format!(
                "dfs_manager_caller_{metric}_total{{caller=\"token:{caller}\"{more}}}"
            ))
        };
        let mut nodes = Duration::ZERO;
        for index in 0..cluster.nodes.len() {
            nodes += cluster.node(index)?.cpu()?;
        }
        Ok(Seen {
            at: Instant::now(),
            counts: [
                of("requests", ""),
                of("refusals", ",status=\"429\""),
                of("received_bytes", ""),
                of("sent_bytes", ""),
            ],
            cpu: [cluster.manager()?.cpu()?, nodes, hog.cpu()?],
            places: ["uploads", "downloads"].map(|what| get(&gauge(what))),
        })
    }

    /// What was done between two moments.
    pub(super) fn add(&mut self, before: &Seen, after: &Seen) {
        self.time += after.at - before.at;
        for (sum, (after, before)) in self
            .counts
            .iter_mut()
            .zip(after.counts.iter().zip(&before.counts))
        {
            *sum += after - before;
        }
        for (sum, (after, before)) in self.cpu.iter_mut().zip(after.cpu.iter().zip(&before.cpu)) {
            *sum += after.saturating_sub(*before);
        }
        self.places = array::from_fn(|i| self.places[i].max(before.places[i]).max(after.places[i]));
    }

    /// As a row of the table.
    pub(super) fn row(&self, title: &str) -> Vec<String> {
        let seconds = self.time.as_secs_f64();
        let [requests, refused, up, down] = self.counts.map(|count| count / seconds);
        let [uploads, downloads] = self.places;
        let mut row = vec![
            title.to_owned(),
            format!("{uploads:.0}"),
            format!("{downloads:.0}"),
            format!("{requests:.0}"),
            format!("{refused:.0}"),
            format!("{:.1}", up / 1e6),
            format!("{:.1}", down / 1e6),
        ];
        row.extend(
            self.cpu
                .map(|cpu| format!("{:.2}", cpu.as_secs_f64() / seconds)),
        );
        row
    }
}
