//! Each alert of the chart with the scenario that makes it fire.

mod disks;
mod files;
mod operators;
mod service;

use super::World;
use super::watched::Watched;
use futures::future::LocalBoxFuture;

/// What makes an alert fire, and ends it again.
pub(super) struct Scenario {
    /// The alert.
    pub(super) alert: &'static str,
    /// Alerts that have to fire with it, since they are about the same fault.
    pub(super) also: &'static [&'static str],
    /// What happens.
    pub(super) what: &'static str,
    /// Whether the manager is restarted.
    pub(super) restarts: bool,
    /// A series of the alert, where the scenario needs small volumes: that is played to the
    /// alert where there can be none.
    pub(super) volume: Option<&'static str>,
    /// Does it, up to where nothing is wrong any more.
    pub(super) run: for<'a> fn(&'a World) -> LocalBoxFuture<'a, anyhow::Result<Watched<'a>>>,
}

/// One that can be made on any machine.
macro_rules! real {
    ($alert:literal, $also:expr, $what:literal, $run:path) => {
        Scenario {
            alert: $alert,
            also: $also,
            what: $what,
            restarts: false,
            volume: None,
            run: |world| {
                Box::pin(async move {
                    let also: &[&str] = $also;
                    $run(world, &[also, &[$alert]].concat()).await
                })
            },
        }
    };
}

/// One in which the manager is restarted.
macro_rules! restarts {
    ($alert:literal, $also:expr, $what:literal, $run:path) => {
        Scenario {
            restarts: true,
            ..real!($alert, $also, $what, $run)
        }
    };
}

/// One that needs a small volume, with the series that is played in its place.
macro_rules! volume {
    ($alert:literal, $series:literal, $what:literal, $run:path) => {
        Scenario {
            volume: Some($series),
            ..real!($alert, &[], $what, $run)
        }
    };
}

/// All of them, the longest first, since several run at once.
pub(super) const ALL: &[Scenario] = &[
    real!(
        "FileServerCertificatesFailing",
        &[],
        "somebody else's Secret has the name of that of the authorities",
        operators::certificates
    ),
    real!(
        "FileServerOperatorErrors",
        &[],
        "a policy of the cluster refuses what the operator writes",
        operators::errors
    ),
    real!(
        "FileServerSkewNotFalling",
        &["FileServerDiskNearlyFull"],
        "a node joins that has no room",
        files::skew
    ),
    real!(
        "FileServerStuckFiles",
        &["FileServerCorruptFiles"],
        "a node is drained that holds a damaged file",
        files::stuck
    ),
    real!(
        "FileServerOperatorDown",
        &[],
        "the operator is killed",
        operators::down
    ),
    restarts!(
        "FileServerQuarantinedFiles",
        &[],
        "the store is set back while all nodes are there",
        files::quarantined
    ),
    restarts!(
        "FileServerStoreSetBack",
        &["FileServerNodeUnavailable"],
        "the store is set back while a node is away",
        service::set_back
    ),
    real!(
        "FileServerStoreAway",
        &[],
        "the database is killed",
        service::store_away
    ),
    volume!(
        "FileServerDiskSilent",
        r#"dfs_node_disk_silent_seconds{job="files/files-distributed-file-server-node",namespace="files",pod="n-0"}"#,
        "a node's volume hangs",
        disks::silent
    ),
    real!(
        "FileServerNodeTroubles",
        &[],
        "somebody puts a file into a node's tree",
        disks::troubles
    ),
    volume!(
        "FileServerNodeReadOnly",
        r#"dfs_node_read_only{job="files/files-distributed-file-server-node",namespace="files",pod="n-0"}"#,
        "a node's volume turns read-only",
        disks::read_only
    ),
    real!(
        "FileServerDiskNearlyFull",
        &[],
        "a node's volume has no room left",
        disks::full
    ),
    real!(
        "FileServerMissingFiles",
        &[],
        "a file is removed from a node's disk",
        files::missing
    ),
    real!(
        "FileServerNodeUnavailable",
        &[],
        "a node is killed",
        service::node_unavailable
    ),
    real!(
        "FileServerCorruptFiles",
        &[],
        "a bit of a file flips on a node's disk",
        files::corrupt
    ),
    volume!(
        "FileServerStoreFull",
        r#"dfs_manager_store_full{namespace="files",service="files-distributed-file-server-managers"}"#,
        "the store's disk has no room left",
        service::store_full
    ),
    real!(
        "FileServerManagerDown",
        &[],
        "the manager is killed",
        service::manager_down
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::binaries::workspace;
    use std::collections::BTreeSet;

    #[test]
    fn each_alert_of_the_chart_has_a_scenario() {
        let template = "charts/distributed-file-server/templates/monitoring/prometheusrule.yaml";
        let text = std::fs::read_to_string(workspace().join(template)).expect("the template");
        let in_chart: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "))
            .collect();
        let made: Vec<&str> = ALL.iter().map(|scenario| scenario.alert).collect();
        let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(
            in_chart.iter().copied().collect::<BTreeSet<_>>(),
            set(&made),
            "alerts of the chart, and those with a scenario in e2e/src/prometheus/scenarios"
        );
        assert_eq!((in_chart.len(), made.len()), (set(&made).len(), made.len()));
        for scenario in ALL {
            assert!(scenario.also.iter().all(|also| made.contains(also)));
        }
    }
}
