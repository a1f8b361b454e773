//! Acts on what was decided: writes the objects, and gives the managers their orders.

use super::Pass;
use super::decide::Decided;
use super::report::Outcome;
use crate::abandon::abandon;
use crate::adopt::Owner;
use crate::apply::{Applied, ApplyError, Change, Judged, Prepared};
use crate::build::{Maker, Parts, Shape, claim, set_certified_by};
use crate::context::Context;
use crate::drain::drain;
use crate::events::event;
use crate::issued;
use crate::keys::{self, Openers};
use crate::mark;
use crate::plan::Mark;
use crate::plan::scale::Step;
use crate::plan::storage::{self, ClaimFacts};
use crate::secured::Secured;
use crate::trouble::Trouble;
use anyhow::Context as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::runtime::events::EventType;
use std::sync::Arc;

impl Pass<'_> {
    /// Brings cluster and managers to what was decided.
    pub(super) async fn act(
        &self,
        decided: &Decided,
        outcome: &mut Outcome,
    ) -> Result<(), ApplyError> {
        if let Ok(view) = self.view {
            let doubt = decided.doubt.as_ref();
            match abandon(self.context, self.bearer, self.pool, view, doubt).await {
                Ok(false) => {}
                // All else was decided as if the node were still there.
                Ok(true) => return Err(ApplyError::Raced(self.name().at_manager())),
                Err(refused) => outcome.trouble = Some(Trouble::Abandon(refused)),
            }
        }
        if self.view.is_ok()
            && decided.doubt.is_none()
            && let Err(refused) = drain(self.context, self.bearer, self.pool).await
        {
            outcome.trouble = Some(Trouble::Drain(refused));
        }
        if let Err(error) = self.apply_guards(decided).await {
            // A failure with the objects around the pods holds up no pod that is there.
            if self.observed.set.is_none()
                || self.may_mount_what_is_not_there()
                || matches!(error, ApplyError::Raced(_))
            {
                return Err(error);
            }
            outcome.trouble = Some(error.trouble());
        }
        self.apply_claims(&decided.storage, outcome).await?;
        // Before managers drop a node: its claim must say first that it is empty.
        for mark in &decided.marks {
            let written = mark::write(&self.context.client, self.name(), *mark).await;
            let what = || format!("PersistentVolumeClaim {}", self.name().claim(mark.0));
            written.map_err(|source| ApplyError::Api {
                what: what(),
                source,
            })?;
        }
        self.apply_set(decided).await?;
        self.order(&decided.step, outcome).await;
        Ok(())
    }

    fn parts(&self, decided: &Decided) -> Parts<'_> {
        Parts {
            release: &self.context.release,
            pool: self.pool,
            frozen: decided.frozen,
        }
    }

    async fn apply_guards(&self, decided: &Decided) -> Result<(), ApplyError> {
        let owner = Some(Owner::of(self.pool));
        let cache = self.cache;
        // No `..`: so no object that is built can be left out here.
        let crate::build::Objects {
            account,
            service,
            disruption,
            network,
        } = self.parts(decided).objects();
        let applier = &self.context.applier;
        let rests = cache.is_some();
        // One that can't be written holds up none of the others.
        let all = [
            self.apply_keys(rests).await.map(|()| Change::Same),
            self.apply_certificate(decided, rests).await,
            changed(applier.apply(Prepared::new(account), owner, cache).await),
            changed(applier.apply(Prepared::new(service), owner, cache).await),
            changed(applier.apply(Prepared::new(disruption), owner, cache).await),
            changed(applier.apply(Prepared::new(network), owner, cache).await),
        ];
        let (mut conflicts, mut failed) = (Vec::new(), None);
        for done in all {
            match done {
                Ok(change) => self.note_overridden(&change).await,
                Err(ApplyError::NameConflict(names)) => conflicts.extend(names),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match (failed, conflicts.is_empty()) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(()),
            (None, false) => Err(ApplyError::NameConflict(conflicts)),
        }
    }

    /// Whether the next template mounts certificates that the present one does not: a node
    /// that restarts would wait for them.
    fn may_mount_what_is_not_there(&self) -> bool {
        let set = self.observed.set.as_ref();
        let next = self.context.release.of_nodes().map(Maker::of);
        next.is_some() && set.is_some_and(|set| set_certified_by(set) != next)
    }

    /// Sees to it that the pool's keys and certificates are there. No watch shows them, so
    /// that they are read from the API server; at rest only now and then, and for all pools
    /// of a namespace at once.
    async fn apply_keys(&self, rests: bool) -> Result<(), ApplyError> {
        let Context {
            client, release, ..
        } = self.context;
        let name = self.name();
        let openers = Openers {
            token: self.token,
            certificates: self
                .context
                .secured
                .as_ref()
                .and_then(Secured::certificates),
        };
        let known = self.context.keys.get(&name.namespace).filter(|_| rests);
        if known.is_some_and(|known| openers.are_in(&known, release, name)) {
            return Ok(());
        }
        let secret = keys::keep(client, release, name, openers).await?;
        let namespace = name.namespace.clone();
        self.context.keys.put(namespace, Arc::new(secret));
        Ok(())
    }

    /// Sees to it that cert-manager has made the pool's certificate, where that is its work.
    /// Read in the same way.
    async fn apply_certificate(
        &self,
        decided: &Decided,
        rests: bool,
    ) -> Result<Change, ApplyError> {
        let Context {
            client,
            release,
            applier,
            issued,
            ..
        } = self.context;
        let wanted = self.parts(decided).certificate();
        let Some(wanted) = wanted.context("the nodes' certificate")? else {
            return Ok(Change::Same);
        };
        let namespace = self.name().namespace.clone();
        let known = issued.get(&namespace).filter(|_| rests);
        if let Some(known) = known
            && issued::is_in(&known, &wanted)?
        {
            return Ok(Change::Same);
        }
        let owner = Owner::of(self.pool);
        let (change, found) = issued::ask(client, applier, release, wanted, owner).await?;
        issued.put(namespace, found);
        Ok(change)
    }

    /// Reports where somebody else keeps an object different from what is wanted.
    async fn note_overridden(&self, change: &Change) {
        let what = match change {
            Change::Overridden(what) => what,
            Change::Same | Change::Written => return,
        };
        let note = format!(
            "{what} is changed by somebody else, such as a policy or a webhook, at each write: it \
             is left so"
        );
        let event = event(EventType::Warning, "Overridden", "Apply", note);
        self.context.publish(&self.pool.reference, event).await;
    }

    async fn apply_claims(
        &self,
        storage: &storage::Decision,
        outcome: &mut Outcome,
    ) -> Result<(), ApplyError> {
        let size = &self.pool.volume.size;
        let mut resized = false;
        let applier = &self.context.applier;
        let wanted = |ordinal, mark| {
            let release = &self.context.release;
            Prepared::new(claim(release, self.pool, ordinal, mark))
        };
        for ordinal in &storage.make {
            // Claims have no owner: one that came since may hold files.
            applier.create(wanted(*ordinal, Mark::Empty)).await?;
        }
        let claims = self.observed.claim_facts(self.name());
        let grow = |claim: &&ClaimFacts| storage.resize.contains(&claim.ordinal);
        for there in claims.iter().filter(grow) {
            let wanted = wanted(there.ordinal, there.mark);
            match applier.apply(wanted, None, self.cache).await {
                Ok(applied) => {
                    resized |= *applied.change() == Change::Written;
                    self.note_overridden(applied.change()).await;
                }
                // Nodes need no larger claim to come, go or restart: the rest goes on.
                Err(error) => outcome.trouble = Some(error.trouble()),
            }
        }
        if resized {
            let note = format!("volumes shall have {size}");
            self.publish("VolumesResized", "Resize", note).await;
        }
        Ok(())
    }

    async fn apply_set(&self, decided: &Decided) -> Result<(), ApplyError> {
        let judged = self.context.recall(self.name()).template;
        let wanted = judged_only(&self.parts(decided), &decided.shape, judged);
        let wanted = match &self.observed.set {
            Some(there) => wanted.if_unchanged(there),
            None => wanted.only_new(),
        };
        let owner = Owner::of(self.pool);
        let applier = &self.context.applier;
        let applied = applier.apply(wanted, Some(owner), self.cache).await?;
        self.context.remember(self.name(), |memory| {
            memory.template = Some(Judged::of(&applied))
        });
        self.tell_of(&applied, decided).await;
        Ok(())
    }

    /// Publishes what a set that was written changes about the nodes.
    async fn tell_of(&self, applied: &Applied<StatefulSet>, decided: &Decided) {
        match applied.change() {
            Change::Same => return,
            change @ (Change::Written | Change::Overridden(_)) => {
                self.note_overridden(change).await;
            }
        }
        let replicas = applied.object().spec.replicas.unwrap_or_default();
        match self.observed.replicas() {
            None => {
                self.publish("Created", "Create", format!("a pool of {replicas} nodes"))
                    .await
            }
            Some(before) if before < replicas => {
                let note = format!("from {before} to {replicas} nodes");
                self.publish("ScaledUp", "Scale", note).await;
            }
            Some(before) if before > replicas => {
                let note = format!("{} is empty and leaves", self.name().pod(replicas));
                self.publish("NodeRemoved", "Scale", note).await;
            }
            Some(_) => {}
        }
        if let Some(node) = decided
            .roll
            .outdated
            .last()
            .filter(|_| decided.roll.holds.is_none())
            && decided.roll.partition < self.observed.partition()
        {
            let note = format!(
                "{} is restarted with the new template",
                self.name().pod(*node)
            );
            self.publish("NodeRestarted", "Roll", note).await;
        }
    }

    /// Gives the managers the orders that follow.
    async fn order(&self, step: &Step, outcome: &mut Outcome) {
        let managers = &self.context.managers;
        let done = match step {
            Step::Rest | Step::Mark { .. } | Step::Wait(_) => return,
            Step::Drain(ordinals) => managers.drain(self.bearer, self.name(), ordinals).await,
            Step::Open(ordinals) => managers.open(self.bearer, self.name(), ordinals).await,
            Step::Forget(ordinal) => {
                let known = self.view.ok().and_then(|view| view.nodes.get(ordinal));
                let volume = known.map(|(known, _)| known.volume).unwrap_or_default();
                let id = self.name().node_id(*ordinal);
                let forgotten = managers.abandon(self.bearer, &id, volume, Some(0)).await;
                forgotten.map(drop)
            }
        };
        match (done, step) {
            (Ok(()), Step::Drain(ordinals)) => {
                let names: Vec<_> = ordinals.iter().map(|o| self.name().pod(*o)).collect();
                let note = format!("{} give their files to the others", names.join(", "));
                self.publish("Draining", "Drain", note).await;
            }
            (Ok(()), Step::Open(ordinals)) => {
                let names: Vec<_> = ordinals.iter().map(|o| self.name().pod(*o)).collect();
                let note = format!("{} take files again", names.join(", "));
                self.publish("DrainCancelled", "Drain", note).await;
            }
            (Ok(()), _) => {}
            (Err(status), Step::Drain(_)) if status.code() == tonic::Code::ResourceExhausted => {
                outcome.refused = Some(status.message().to_owned());
            }
            (Err(status), _) => {
                outcome.trouble = Some(Trouble::Manager(status.message().to_owned()));
            }
        }
    }

    async fn publish(&self, reason: &str, action: &str, note: String) {
        let event = event(EventType::Normal, reason, action, note);
        self.context.publish(&self.pool.reference, event).await;
    }
}

fn changed<K>(done: Result<Applied<K>, ApplyError>) -> Result<Change, ApplyError> {
    done.map(|applied| applied.change().clone())
}

/// The set of this shape, which restarts no pod for a template that was not applied
/// before: none was judged for it yet. Pure.
fn judged_only(parts: &Parts<'_>, shape: &Shape, judged: Option<Judged>) -> Prepared<StatefulSet> {
    let wanted = Prepared::new(parts.set(shape));
    if judged.is_some_and(|judged| judged.is_of(&wanted)) {
        return wanted;
    }
    Prepared::new(parts.set(&Shape {
        partition: shape.replicas,
        ..shape.clone()
    }))
}
