//! The scenarios, in their order: each leaves the release as it found it, unless
//! it says so.

mod callers;
mod certificates;
mod claims;
mod damage;
mod deletion;
mod egress;
mod gitops;
mod heal;
mod install;
mod issued;
mod machines;
mod mongo;
mod names;
mod namesakes;
mod others;
mod outside;
mod quiet;
mod readme;
mod rebuild;
mod roll;
mod scale;
mod stranger;
mod token;
mod upgrade;
mod versions;
mod watched;

use super::cert_manager;
use super::kube::Kube;
use super::release::Release;
use crate::files::Files;
use anyhow::{Context, Result};
use futures::future::LocalBoxFuture;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The pool that most scenarios work on.
const POOL: &str = "main";
/// How long an upload or read may be tried again in a scenario.
const SOON: Duration = Duration::from_secs(30);
/// How long managers or operator may take to restart.
const ROLLED_OUT: Duration = Duration::from_secs(120);

/// The namespaces in which they work.
pub const NAMESPACES: [&str; 16] = [
    "files",
    "still",
    callers::TEAMS[0],
    callers::TEAMS[1],
    watched::NAMESPACE,
    mongo::NAMESPACE,
    versions::NAMESPACE,
    readme::NAMESPACE,
    namesakes::NAMESPACES[0],
    namesakes::NAMESPACES[1],
    namesakes::SERVED,
    gitops::PLAIN,
    gitops::PART,
    issued::NAMESPACES[0],
    issued::NAMESPACES[1],
    cert_manager::NAMESPACE,
];

/// What the scenarios share.
pub struct World {
    /// The cluster.
    pub kube: Kube,
    /// The first release, on the embedded store.
    pub release: Release,
    /// Images and chart of an earlier commit.
    pub earlier: Option<PathBuf>,
    /// Files that have to be there all the time.
    pub files: Option<Files>,
    /// A release that nobody touches.
    pub still: Release,
    /// Since when nobody has touched it.
    pub left_alone: Option<Instant>,
    /// How long that has to be watched at least.
    pub quiet_for: Duration,
}

/// One scenario.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it covers, in a few words.
    pub covers: &'static str,
    /// Whether the others depend on it.
    pub always: bool,
    /// Whether it needs machines that it may examine and stop.
    pub own_cluster: bool,
    /// Runs it, and gives what was seen.
    pub run: for<'a> fn(&'a mut World) -> LocalBoxFuture<'a, Result<String>>,
}

const fn scenario(
    name: &'static str,
    covers: &'static str,
    run: for<'a> fn(&'a mut World) -> LocalBoxFuture<'a, Result<String>>,
) -> Scenario {
    Scenario {
        name,
        covers,
        always: false,
        own_cluster: false,
        run,
    }
}

const fn on_own_cluster(scenario: Scenario) -> Scenario {
    Scenario {
        own_cluster: true,
        ..scenario
    }
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        always: true,
        ..scenario(
            "install",
            "helm install, pools, admission, first files",
            |w| Box::pin(install::run(w)),
        )
    },
    scenario(
        "grow",
        "3 to 5 nodes under load, a pod killed, claims grown",
        |w| Box::pin(scale::grow(w)),
    ),
    scenario(
        "shrink",
        "5 to 3 under load, operators and manager lost, then 5 again",
        |w| Box::pin(scale::shrink(w)),
    ),
    scenario(
        "cancel",
        "a drain cancelled, a drain that has no room",
        |w| Box::pin(scale::cancel(w)),
    ),
    scenario("autoscale", "nodes by the number of files", |w| {
        Box::pin(scale::autoscale(w))
    }),
    scenario("heal", "hand edits and deleted objects", |w| {
        Box::pin(heal::run(w))
    }),
    scenario("roll", "image under load, a bad image, its revert", |w| {
        Box::pin(roll::run(w))
    }),
    on_own_cluster(scenario(
        "damage",
        "a corrupt file in a drain, a swapped volume, abandon",
        |w| Box::pin(damage::run(w)),
    )),
    scenario(
        "rebuild",
        "the store's volume is lost: nothing leaves or joins, then its records come back",
        |w| Box::pin(rebuild::run(w)),
    ),
    scenario(
        "terminating",
        "a claim deleted while in use, a roll, a drain by annotation",
        |w| Box::pin(claims::terminating(w)),
    ),
    scenario("quota", "a pool behind a quota", |w| {
        Box::pin(claims::quota(w))
    }),
    scenario("unknown", "fields and choices of a later definition", |w| {
        Box::pin(others::unknown(w))
    }),
    scenario(
        "injected",
        "a sidecar that can't start, a policy that changes a budget",
        |w| Box::pin(others::injected(w)),
    ),
    scenario("orphans", "objects restored without their owner", |w| {
        Box::pin(others::orphans(w))
    }),
    scenario("watched", "a watched namespace that goes", |w| {
        Box::pin(watched::run(w))
    }),
    scenario("prune", "an Argo-like pruner by the release's label", |w| {
        Box::pin(gitops::prune(w))
    }),
    scenario(
        "names",
        "changes of names refused, the definition not set back",
        |w| Box::pin(names::run(w)),
    ),
    scenario("families", "IPv4 and IPv6", |w| {
        Box::pin(gitops::families(w))
    }),
    scenario(
        "namesakes",
        "two releases of one name that serve one namespace",
        |w| Box::pin(namesakes::run(w)),
    ),
    scenario("plain", "helm template | kubectl apply, hooks too", |w| {
        Box::pin(gitops::plain(w))
    }),
    scenario("part", "the chart as a part of another", |w| {
        Box::pin(gitops::part(w))
    }),
    on_own_cluster(scenario(
        "certificates",
        "authority and certificates of the inner ports replaced under load",
        |w| Box::pin(certificates::run(w)),
    )),
    on_own_cluster(scenario(
        cert_manager::SCENARIO,
        "certificates of cert-manager's: issued, waited for, renewed, and back to the operator's",
        |w| Box::pin(issued::run(w)),
    )),
    on_own_cluster(scenario(
        "callers",
        "rights of two teams by RBAC, no answers, a deleted account",
        |w| Box::pin(callers::run(w)),
    )),
    scenario(
        "outside",
        "dfs --kube from outside: its manager killed, callers, TLS, kubectl dfs",
        |w| Box::pin(outside::run(w)),
    ),
    on_own_cluster(scenario(
        "egress",
        "where managers, operator and nodes may connect to",
        |w| Box::pin(egress::run(w)),
    )),
    scenario("token", "the token changed under load", |w| {
        Box::pin(token::run(w))
    }),
    on_own_cluster(scenario("quiet", "an operator with nothing to do", |w| {
        Box::pin(quiet::run(w))
    })),
    on_own_cluster(scenario(
        "machines",
        "a machine lost and back, a link cut, kubectl drain",
        |w| Box::pin(machines::run(w)),
    )),
    scenario(
        "upgrade",
        "helm upgrade and rollback under load, uninstall, reinstall",
        |w| Box::pin(upgrade::run(w)),
    ),
    on_own_cluster(scenario(
        "mongodb",
        "two managers: 3 to 5 to 3, database away, helm upgrade",
        |w| Box::pin(mongo::run(w)),
    )),
    scenario(
        "versions",
        "from an earlier commit's images and chart to these, and back",
        |w| Box::pin(versions::run(w)),
    ),
    scenario("readme", "the documents' commands, word for word", |w| {
        Box::pin(readme::run(w))
    }),
    scenario("secrets", "no secret of the release is shown", |w| {
        Box::pin(certificates::stay_secret(w))
    }),
    scenario(
        "deletion",
        "pools: the three policies, background and foreground",
        |w| Box::pin(deletion::run(w)),
    ),
    scenario("namespace", "a namespace with all that is in it", |w| {
        Box::pin(deletion::namespace(w))
    }),
];

impl World {
    /// Nothing is installed yet.
    pub fn new(kube: Kube, quiet_for: Duration) -> Self {
        Self {
            release: Release::new(&kube, "files", "dfs"),
            still: Release::new(&kube, "still", "still"),
            kube,
            earlier: None,
            files: None,
            left_alone: None,
            quiet_for,
        }
    }

    /// The files that have to be there.
    fn files(&mut self) -> Result<&mut Files> {
        self.files.as_mut().context("install comes first")
    }

    /// Reads every file, byte for byte.
    async fn compare(&mut self) -> Result<usize> {
        self.files()?.compare_all().await
    }

    /// Scales the pool to this many nodes, and waits until it is ready.
    async fn nodes(&self, nodes: i32) -> Result<()> {
        self.release.scale(POOL, nodes)?;
        self.release.ready(POOL, nodes).await
    }

    /// What a person would check first where a scenario failed.
    pub fn trace(&self) -> String {
        let mut text = String::new();
        for args in [
            &["get", "fsp,pods,sts,pvc", "-A", "-o", "wide"][..],
            &["describe", "fsp", "-A"],
            &["get", "events", "-A", "--sort-by=.lastTimestamp"],
            &[
                "-n",
                "files",
                "logs",
                "-l",
                "app.kubernetes.io/component=operator",
                "--tail=60",
            ],
            &[
                "-n",
                "files",
                "logs",
                "-l",
                "app.kubernetes.io/component=manager",
                "--tail=40",
            ],
        ] {
            let told = self.kube.try_kubectl(args, "");
            let told = told.map_or_else(|error| format!("{error:#}"), |told| told.text);
            text += &format!("--- kubectl {}\n{told}\n", args.join(" "));
        }
        text
    }
}
