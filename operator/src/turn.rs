//! Whose turn it is to restart nodes: one node at a time of all the pools of a
//! release, and none before every manager runs the version that is wanted.

use crate::context::Context;
use crate::managers::View;
use crate::names::{PoolName, component, selects};
use crate::observe::Observed;
use crate::plan::roll::Elsewhere;
use crate::release::Release;
use crds::FileServerPool;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

/// Why no node of the pool may be restarted now, because of something outside of it.
///
/// # Errors
/// Where the API server does not answer.
pub(crate) async fn elsewhere(
    context: &Context,
    name: &PoolName,
    observed: &Observed,
    view: Option<&View>,
) -> kube::Result<Option<Elsewhere>> {
    let Some(view) = view.filter(|_| observed.is_outdated()) else {
        return Ok(None);
    };
    if let Some(why) = managers(&context.client, &context.release).await? {
        return Ok(Some(why));
    }
    while let Some(other) = context.take_turn(name) {
        if pool_exists(&context.client, &other.at_manager()).await? {
            return Ok(Some(Elsewhere::Turn(other.at_manager())));
        }
        // The other pool was deleted during its turn.
        context.forget(&other);
    }
    for (node, pool) in &view.away_elsewhere {
        if !is_served(&context.release.namespaces, pool) {
            continue;
        }
        if pool_exists(&context.client, pool).await? {
            let (node, pool) = (node.clone(), pool.clone());
            return Ok(Some(Elsewhere::Away { node, pool }));
        }
    }
    Ok(None)
}

/// Whether a pool, as managers name it, lies in a namespace that this release serves:
/// other namespaces may not be read, and what is left of their pools must hold up no turn.
fn is_served(namespaces: &[String], pool: &str) -> bool {
    let namespace = pool.split_once('/').map(|(namespace, _)| namespace);
    namespace.is_some_and(|namespace| namespaces.iter().any(|served| served == namespace))
}

/// Whether a pool exists: the records of one that was deleted may stay, its nodes with
/// them.
async fn pool_exists(client: &Client, at_manager: &str) -> kube::Result<bool> {
    let Some((namespace, name)) = at_manager.split_once('/') else {
        return Ok(false);
    };
    let pools: Api<FileServerPool> = Api::namespaced(client.clone(), namespace);
    Ok(pools.get_metadata_opt(name).await?.is_some())
}

/// Why the managers are not all of the version that is wanted, where they are not.
async fn managers(client: &Client, release: &Release) -> kube::Result<Option<Elsewhere>> {
    let ours = ListParams::default().labels(&selects(&component(release, "manager")));
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &release.namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &release.namespace);
    let mut rollouts = Vec::new();
    for set in sets.list(&ours).await? {
        let status = set.status.clone().unwrap_or_default();
        rollouts.push(Rollout {
            name: set.name_any(),
            seen: status.observed_generation == set.metadata.generation,
            wanted: set.spec.replicas.unwrap_or(1),
            there: status.replicas,
            updated: status.updated_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
        });
    }
    for deployment in deployments.list(&ours).await? {
        let status = deployment.status.clone().unwrap_or_default();
        rollouts.push(Rollout {
            name: deployment.name_any(),
            seen: status.observed_generation == deployment.metadata.generation,
            wanted: deployment.spec.replicas.unwrap_or(1),
            there: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
        });
    }
    Ok(waits_for(&rollouts))
}

/// Why nodes wait for the managers; pure. Where none is found it is not known what they
/// run.
fn waits_for(rollouts: &[Rollout]) -> Option<Elsewhere> {
    match rollouts {
        [] => Some(Elsewhere::NoManager),
        rollouts => rollouts.iter().find_map(Rollout::waits),
    }
}

/// How far a workload is with its newest template.
#[derive(Debug, Clone)]
struct Rollout {
    name: String,
    seen: bool,
    wanted: i32,
    there: i32,
    updated: i32,
    ready: i32,
}

impl Rollout {
    fn waits(&self) -> Option<Elsewhere> {
        let all = |count| count == self.wanted;
        let done = self.seen && all(self.updated) && all(self.there) && all(self.ready);
        (!done).then(|| Elsewhere::Managers {
            new: self.updated.min(self.ready),
            wanted: self.wanted,
            workload: self.name.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_a_namespace_that_is_not_served_holds_up_nobody() {
        let served = ["dfs".to_owned(), "team".to_owned()];
        assert!(is_served(&served, "team/p"));
        for other in ["gone/p", "tea/p", "team", ""] {
            assert!(!is_served(&served, other), "{other}");
        }
    }

    #[test]
    fn nodes_wait_for_every_manager() {
        let done = Rollout {
            name: "files-manager".to_owned(),
            seen: true,
            wanted: 2,
            there: 2,
            updated: 2,
            ready: 2,
        };
        assert_eq!(done.waits(), None);
        assert_eq!(waits_for(std::slice::from_ref(&done)), None);
        assert_eq!(waits_for(&[]), Some(Elsewhere::NoManager));
        for waits in [
            Rollout {
                seen: false,
                ..done.clone()
            },
            Rollout {
                there: 3,
                ..done.clone()
            },
            Rollout {
                updated: 1,
                ..done.clone()
            },
            Rollout {
                ready: 1,
                ..done.clone()
            },
        ] {
            let why = waits.waits().expect("they are not all of one version");
            assert!(
                matches!(&why, Elsewhere::Managers { workload, .. } if workload == "files-manager"),
                "{why:?}"
            );
        }
    }
}
