//! What a pass reports: the pool's status, and the events that follow from it.

use super::decide::Decided;
use super::{Failed, Pass};
use crate::context::Context;
use crate::events::flips;
use crate::obstacle;
use crate::report::{Facts, conditions, is_ready, status, without_numbers};
use crate::trouble::Trouble;
use crate::unserved::is_silent;
use crds::{FileServerPool, FileServerPoolStatus};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;
use std::time::{Duration, Instant};

/// How often numbers change in the status.
const NUMBERS: Duration = Duration::from_secs(10);

/// What came of what was decided.
#[derive(Default)]
pub(super) struct Outcome {
    /// Why managers refused a drain.
    pub(super) refused: Option<String>,
    /// What else went wrong.
    pub(super) trouble: Option<Trouble>,
}

impl Pass<'_> {
    /// Why a pod or a volume is not created, from the cluster's Events; read only where
    /// one is missing, and not in each pass.
    async fn obstacle(&self, decided: &Decided) -> Option<String> {
        let replicas = self.observed.replicas()?;
        let has_pod = |ordinal| {
            let node = decided.nodes.iter().find(|node| node.ordinal == ordinal);
            node.is_some_and(|node| node.pod.is_some())
        };
        let set = (0..replicas)
            .any(|ordinal| !has_pod(ordinal))
            .then(|| ("StatefulSet", self.name().nodes()));
        let pending = decided.storage.pending.first();
        let claim = pending.map(|ordinal| ("PersistentVolumeClaim", self.name().claim(*ordinal)));
        let lacking = claim.into_iter().chain(set).collect();
        let mut known = self.context.recall(self.name()).obstacle;
        let Context {
            client, warnings, ..
        } = self.context;
        let said = obstacle::ask(
            client,
            &self.name().namespace,
            lacking,
            warnings,
            &mut known,
        )
        .await;
        self.context
            .remember(self.name(), |memory| memory.obstacle = known);
        said
    }

    /// Writes the status where it changed, and the events that follow from it;
    /// returns whether the pool is ready.
    pub(super) async fn report(
        &self,
        decided: &Decided,
        outcome: &Outcome,
    ) -> Result<bool, Failed> {
        if is_silent(self.pool, Timestamp::now()) {
            return Ok(false);
        }
        let before = self.pool.status.as_ref();
        let obstacle = self.obstacle(decided).await;
        let facts = Facts {
            release: &self.context.release,
            name: self.name(),
            generation: self.pool.metadata.generation,
            wanted: decided.wanted,
            desired: decided.desired,
            observed: self.observed,
            view: self.view,
            nodes: &decided.nodes,
            doubt: decided.doubt.as_ref(),
            step: &decided.step,
            roll: &decided.roll,
            storage: &decided.storage,
            refused: outcome.refused.as_deref(),
            trouble: outcome.trouble.as_ref(),
            obstacle: obstacle.as_deref(),
            deleting: self.pool.deleting,
        };
        let told = conditions(&facts);
        let after = status(&facts, &told, before, Timestamp::now());
        let ready = is_ready(&told);
        if before == Some(&after) {
            return Ok(ready);
        }
        let only_numbers =
            before.is_some_and(|before| without_numbers(before) == without_numbers(&after));
        let last = self.context.recall(self.name()).told;
        if only_numbers && last.is_some_and(|last| last.elapsed() < NUMBERS) {
            return Ok(ready);
        }
        if !self.write(&after).await? {
            return Ok(ready);
        }
        self.context
            .remember(self.name(), |memory| memory.told = Some(Instant::now()));
        let old = before.map(|before| before.conditions.as_slice());
        for event in flips(old.unwrap_or_default(), &told) {
            self.context.publish(&self.pool.reference, event).await;
        }
        Ok(ready)
    }

    /// Writes the status; returns whether the pool is still there.
    async fn write(&self, status: &FileServerPoolStatus) -> kube::Result<bool> {
        let patch = json!({
            "apiVersion": FileServerPool::api_version(&()),
            "kind": FileServerPool::kind(&()),
            "status": status,
        });
        let namespace = &self.name().namespace;
        let pools: Api<FileServerPool> = Api::namespaced(self.context.client.clone(), namespace);
        let params = PatchParams::apply(crate::names::FIELD_MANAGER).force();
        let patch = Patch::Apply(patch);
        match pools.patch_status(&self.name().name, &params, &patch).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }
}
