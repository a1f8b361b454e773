//! `operator prepare`: before a release is installed, upgraded or rolled back. A
//! change of names that would leave the store behind and begin an empty one is
//! refused before anything is changed, and so is one of the inner ports' certificates
//! after which managers and nodes would not reach each other; then the definitions are
//! brought up to date.

mod certificates;

use crate::build::{self, Maker};
use crate::config::OfRelease;
use crate::definition::bring;
use crate::names::{FIELD_MANAGER, INSTANCE, MANAGED_BY};
use anyhow::{Context, Result, bail};
use certificates::{Have, Wanted};
use clap::Args;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::io::Write;

/// The label that selects the pods, of nodes too.
const NAME: &str = "app.kubernetes.io/name";
/// The label that distinguishes managers from nodes.
const COMPONENT: &str = "app.kubernetes.io/component";

/// The flags of `operator prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// Which release it is
    #[command(flatten)]
    of: OfRelease,
    /// Name of the chart, by which pods of the release are selected
    #[arg(long, env = "DFS_NAME", value_name = "NAME")]
    name: String,
    /// StatefulSet with the embedded store; none where the store is a database
    #[arg(long, env = "DFS_STORE_SET", value_name = "NAME")]
    store_set: Option<String>,
    /// Claim of yours that the store is on
    #[arg(long, env = "DFS_STORE_CLAIM", value_name = "NAME")]
    store_claim: Option<String>,
    /// Begin an empty store although the release has one under another name: true or false
    #[arg(long, env = "DFS_NEW_STORE", value_name = "BOOL", default_value = "false", action = clap::ArgAction::Set)]
    new_store: bool,
    /// Certificates of the inner ports: none, optional (nodes may have none yet) or required
    #[arg(
        long,
        env = "DFS_CERTIFICATES",
        value_name = "WHICH",
        default_value = "optional"
    )]
    certificates: Wanted,
    /// Who makes them
    #[arg(
        long,
        env = "DFS_CERTIFICATES_BY",
        value_name = "WHO",
        default_value = "operator"
    )]
    certificates_by: Maker,
    /// Bring the definitions of FileServerPool and files up to date: true or false
    #[arg(long, env = "DFS_DEFINITION", value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    definition: bool,
}

/// What the release already has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Found {
    /// StatefulSets of managers.
    managers: Vec<String>,
    /// Claims of managers.
    claims: Vec<String>,
    /// StatefulSets of pools, with their namespaces, and the names that select their pods.
    nodes: Vec<(String, String)>,
    /// Which of their nodes have certificates, of each set.
    certified: Vec<(String, Have)>,
}

/// Checks the names, and brings the definitions.
///
/// # Errors
/// Where files or records would be left behind, or the API server does not answer.
pub async fn run(args: PrepareArgs) -> Result<()> {
    let client = Client::try_default().await.context("the cluster's API")?;
    let found = find(&client, &args.of).await?;
    let by = args.certificates_by;
    let certificates = certificates::refusal(args.certificates, by, &found.certified);
    if let Some(why) = refusal(&args, &found).or(certificates) {
        bail!("{why}");
    }
    writeln!(
        std::io::stdout(),
        "names and certificates leave nothing behind"
    )?;
    match args.definition {
        true => bring(&client).await,
        false => Ok(()),
    }
}

async fn find(client: &Client, of: &OfRelease) -> Result<Found> {
    let own = |component: &str| format!("{INSTANCE}={},{COMPONENT}={component}", of.release);
    let listed = |labels: &str| ListParams::default().labels(labels);
    let of_managers = listed(&own("manager"));
    let of_nodes = listed(&format!("{},{MANAGED_BY}={FIELD_MANAGER}", own("node")));
    let owner = of.owner();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &of.namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &of.namespace);
    let managers = sets.list(&of_managers).await.context("StatefulSets")?;
    let claims = claims.list(&of_managers).await.context("claims")?;
    let (mut nodes, mut certified) = (Vec::new(), Vec::new());
    for namespace in of.namespaces() {
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let pods = pods.list(&of_nodes).await;
        let pods = pods.with_context(|| format!("pods of {namespace}"))?;
        let found = sets.list(&of_nodes).await;
        for set in found.with_context(|| format!("StatefulSets of {namespace}"))? {
            if let Some(name) = selected_by(&set, &owner) {
                let which = format!("{namespace}/{}", set.name_any());
                let own = pods.iter().filter(|pod| is_of(&set, pod));
                certified.push((which.clone(), certificates::have(&set, own)));
                nodes.push((which, name.to_owned()));
            }
        }
    }
    Ok(Found {
        managers: managers.iter().map(ResourceExt::name_any).collect(),
        claims: claims.iter().map(ResourceExt::name_any).collect(),
        nodes,
        certified,
    })
}

/// Whether a pod is of a set; pure.
fn is_of(set: &StatefulSet, pod: &Pod) -> bool {
    let owners = pod.owner_references().iter();
    let mut uids = owners.map(|owner| owner.uid.as_str());
    uids.any(|uid| set.metadata.uid.as_deref() == Some(uid))
}

/// The name by which a pool's StatefulSet selects its pods, where it is the release's;
/// pure. A release of the same name in another namespace may serve pools beside it,
/// under another name; earlier versions did not note which of the two a set is of.
fn selected_by<'a>(set: &'a StatefulSet, owner: &str) -> Option<&'a str> {
    let says = set.annotations().get(build::MANAGED_BY);
    let ours = says.is_none_or(|says| says == owner);
    let name = set.labels().get(NAME).filter(|_| ours);
    name.map(String::as_str)
}

/// Why these names can't be taken, where they can't; pure.
fn refusal(args: &PrepareArgs, found: &Found) -> Option<String> {
    let mut others = found.nodes.iter().filter(|(_, name)| *name != args.name);
    if let Some((set, name)) = others.next() {
        return Some(format!(
            "nameOverride: the nodes of {set} are selected by the name {name}, which can't be \
             changed to {}; set it back",
            args.name
        ));
    }
    let wanted = args.store_set.as_deref().filter(|set| !set.is_empty())?;
    let own = args.store_claim.as_deref().filter(|own| !own.is_empty());
    let claim = |set: &str| format!("data-{set}-0");
    let kept = own.map_or_else(|| claim(wanted), str::to_owned);
    if args.new_store {
        return None;
    }
    // Managers that run show which store counts; where none runs, the claims do.
    let others: Vec<String> = match found.managers.is_empty() {
        false if found.managers.iter().any(|set| set == wanted) => return None,
        false => found.managers.iter().map(|set| claim(set)).collect(),
        true if found.claims.contains(&kept) => return None,
        true => {
            let first = |name: &&String| name.starts_with("data-") && name.ends_with("-manager-0");
            found.claims.iter().filter(first).cloned().collect()
        }
    };
    let other = others.iter().find(|other| **other != kept)?;
    let prefix = other.strip_prefix("data-");
    let prefix = prefix.and_then(|rest| rest.strip_suffix("-manager-0"));
    let back = prefix.map_or_else(String::new, |prefix| {
        format!(
            "set fullnameOverride to {prefix}, or nameOverride and fullnameOverride as they were; "
        )
    });
    Some(format!(
        "fullnameOverride, nameOverride: the release's store is on the claim {other}, and these \
         names would leave it behind and begin an empty one on {kept}: {back}persistence.newStore=true \
         if an empty store is meant"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(store_set: Option<&str>) -> PrepareArgs {
        PrepareArgs {
            of: OfRelease {
                namespace: "dfs".to_owned(),
                watch_namespaces: Vec::new(),
                release: "files".to_owned(),
            },
            name: "distributed-file-server".to_owned(),
            store_set: store_set.map(str::to_owned),
            store_claim: None,
            new_store: false,
            certificates: Wanted::Optional,
            certificates_by: Maker::Operator,
            definition: true,
        }
    }

    fn found(managers: &[&str], claims: &[&str], nodes: &[&str]) -> Found {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Found {
            managers: own(managers),
            claims: own(claims),
            nodes: nodes
                .iter()
                .map(|name| ("dfs/p-node".to_owned(), (*name).to_owned()))
                .collect(),
            certified: Vec::new(),
        }
    }

    #[test]
    fn a_change_of_names_that_leaves_the_store_behind_is_refused() {
        let (old, new) = ("data-files-manager-0", "data-other-manager-0");
        let own = args(Some("files-manager"));
        let other = args(Some("other-manager"));
        for (args, found, refused) in [
            (&own, found(&[], &[], &[]), false),
            (&own, found(&["files-manager"], &[old], &[]), false),
            (&other, found(&["files-manager"], &[old], &[]), true),
            // Back to a name of long ago: what runs counts.
            (&other, found(&["files-manager"], &[old, new], &[]), true),
            // Uninstalled, and installed under another name.
            (&other, found(&[], &[old], &[]), true),
            (&own, found(&[], &[old, new], &[]), false),
            // A database has no name of ours.
            (&args(None), found(&["files-manager"], &[old], &[]), false),
            (&args(Some("")), found(&[], &[old], &[]), false),
        ] {
            let why = refusal(args, &found);
            assert_eq!(why.is_some(), refused, "{found:?}: {why:?}");
            let names = |why: String| why.contains(old) && why.contains("fullnameOverride");
            assert!(why.is_none_or(names), "{found:?}");
        }
        let mut meant = args(Some("other-manager"));
        meant.new_store = true;
        assert_eq!(
            refusal(&meant, &found(&["files-manager"], &[old], &[])),
            None
        );
    }

    #[test]
    fn a_claim_of_a_persons_own_takes_the_stores_place() {
        let mut on_own = args(Some("other-manager"));
        on_own.store_claim = Some("data-files-manager-0".to_owned());
        let there = found(&[], &["data-files-manager-0"], &[]);
        assert_eq!(refusal(&on_own, &there), None);
    }

    #[test]
    fn nodes_of_another_release_of_that_name_have_names_of_their_own() {
        let selected = |annotations: serde_json::Value| {
            let set: StatefulSet = serde_json::from_value(serde_json::json!({ "metadata": {
                "name": "p-node", "labels": { NAME: "files" }, "annotations": annotations,
            }}))
            .expect("a set");
            selected_by(&set, "dfs/files").map(str::to_owned)
        };
        let says = |owner: &str| serde_json::json!({ build::MANAGED_BY: owner });
        assert_eq!(selected(says("dfs/files")).as_deref(), Some("files"));
        assert_eq!(selected(says("other/files")), None);
        let earlier = selected(serde_json::json!({}));
        assert_eq!(earlier.as_deref(), Some("files"));
    }

    #[test]
    fn nodes_keep_the_name_that_selects_them() {
        let nodes = |name| found(&[], &[], &[name]);
        for set in [None, Some("files-manager")] {
            assert_eq!(refusal(&args(set), &nodes("distributed-file-server")), None);
            let why = refusal(&args(set), &nodes("files")).expect("a refusal");
            assert!(why.starts_with("nameOverride: "), "{why}");
        }
    }
}
