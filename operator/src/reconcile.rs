//! One look at a pool: see what is there, decide, act, and tell.

mod act;

use crate::adopt::Owner;
use crate::annotations::{ABANDON, ADOPT, DRAIN, PAUSED};
use crate::apply::ApplyError;
use crate::build::Shape;
use crate::cache::Cache;
use crate::conflict::Conflict;
use crate::context::Context;
use crate::delete::{SETTLES, delete_files, keep_finalizer, wants_finalizer};
use crate::events::flips;
use crate::managers::{Bearer, View, bearer, refusal};
use crate::names::PoolName;
use crate::observe::{Observed, observe};
use crate::obstacle;
use crate::plan::scale::Step;
use crate::plan::{Mark, NodeFacts, autoscale, roll, scale, storage, store};
use crate::raw::{RawPool, skip};
use crate::report::{Facts, said, status, without_numbers};
use crate::token::token;
use crate::turn;
use crate::unserved::is_silent;
use crds::FileServerPool;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The next look while something is under way; the managers tell nothing by
/// themselves.
const SOON: Duration = Duration::from_secs(2);
/// The next look at rest.
const LATER: Duration = Duration::from_secs(10);
/// The next look after somebody else was quicker.
const RACED: Duration = Duration::from_millis(200);
/// How often numbers change in the status.
const NUMBERS: Duration = Duration::from_secs(10);
/// The longest wait after looks that failed.
const PATIENCE: u32 = 6;

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The API server.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// An object that was not written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Looks at a pool.
///
/// # Errors
/// Where the API server does not answer, or refuses.
pub async fn reconcile(raw: Arc<RawPool>, context: Arc<Context>) -> Result<Action, Failed> {
    let _under_way = context.under_way.begin();
    context.metrics.reconciles.inc();
    let pool = match raw.read() {
        Ok(pool) => pool,
        Err(error) => {
            skip(&raw, &context, &error).await;
            return Ok(Action::await_change());
        }
    };
    let name = PoolName::of(&pool);
    context.note_readable(&name);
    let next = look(&pool, &context, &name).await?;
    context.remember(&name, |memory| memory.failures = 0);
    Ok(next)
}

/// When a look that failed is repeated: after 1, 2, 4 s and so on.
pub fn retry(pool: Arc<RawPool>, error: &Failed, context: Arc<Context>) -> Action {
    context.metrics.errors.inc();
    let name = PoolName {
        namespace: pool.namespace().unwrap_or_default(),
        name: pool.name_any(),
    };
    let failures = context.remember(&name, |memory| {
        memory.failures += 1;
        memory.failures
    });
    tracing::warn!(pool = name.at_manager(), %error, failures, "a look failed");
    Action::requeue(Duration::from_secs(1 << (failures - 1).min(PATIENCE)))
}

async fn look(pool: &FileServerPool, context: &Context, name: &PoolName) -> Result<Action, Failed> {
    let before = pool.status.as_ref();
    let owner = context.release.owner();
    let other = before.and_then(|status| status.managed_by.as_ref());
    if other.is_some_and(|other| *other != owner) {
        return Ok(Action::await_change());
    }
    let deleting = pool.metadata.deletion_timestamp.is_some();
    if other.is_none() && !deleting {
        return claim_pool(context, pool, name, &owner).await;
    }
    let cache = context.caches.of(&name.namespace);
    let rests = context.recall(name).rests && !deleting && !has_order(pool);
    let mut observed = observe(context, name, cache.as_deref().filter(|_| rests)).await?;
    let own = Owner::of(pool, name);
    if observed.recalled && (observed.terminating || !observed.set.iter().all(|set| own.has(set))) {
        observed = observe(context, name, None).await?;
    }
    // What bears the name of our StatefulSet may be another application, with pods
    // and claims of its own.
    let stranger = observed.set.as_ref().filter(|set| !own.has(*set));
    let wants = wants_finalizer(pool, Timestamp::now());
    if observed.terminating || (deleting && (stranger.is_some() || !wants)) {
        keep_finalizer(&context.client, pool, name, false).await?;
        context.forget(name);
        return Ok(Action::await_change());
    }
    if !deleting && keep_finalizer(&context.client, pool, name, wants).await? && wants {
        // The status says only then that this was seen: the admission policy lets
        // no deletion through before.
        tokio::time::sleep(SETTLES).await;
        return Ok(Action::requeue(RACED));
    }
    let (token, refused) = match known_token(context).await {
        Ok(token) => (token, None),
        Err(error) => (String::new(), Some(format!("{error:#}"))),
    };
    let bearer = bearer(&token)?;
    let view = match &refused {
        None => context.managers.view(&bearer, name).await,
        Some(why) => Err(tonic::Status::unauthenticated(why.clone())),
    };
    let view = view.map_err(|status| status.message().to_owned());
    let elsewhere = turn::elsewhere(context, name, &observed, view.as_ref().ok()).await?;
    let look = Look {
        context,
        pool,
        name,
        bearer: &bearer,
        token: &token,
        observed: &observed,
        view: view.as_ref().map_err(String::as_str),
        elsewhere,
        cache: cache.as_deref().filter(|_| observed.recalled),
    };
    if let Some(why) = refused {
        return look.leave_alone(("TokenRefused", why)).await;
    }
    if stranger.is_some() {
        let error = ApplyError::NameConflict(vec![Conflict::Owned {
            object: format!("StatefulSet {}", look.name.nodes()),
            pool: name.clone(),
        }]);
        return look.leave_alone((error.reason(), error.to_string())).await;
    }
    if !deleting && is_paused(pool) {
        return look.pause().await;
    }
    match deleting {
        true => look.delete().await,
        false => look.serve().await,
    }
}

/// The release's token, as it was a few seconds ago at the most.
async fn known_token(context: &Context) -> anyhow::Result<String> {
    let read = token(&context.client, &context.release);
    context.token.or_ask((), read).await
}

/// Whether a person has asked that nothing of a pool is changed; pure.
fn is_paused(pool: &FileServerPool) -> bool {
    pool.annotations()
        .get(PAUSED)
        .is_some_and(|on| on == "true")
}

/// The first thing that is written of a pool: whose it is. Of two releases that
/// watch its namespace one is first.
async fn claim_pool(
    context: &Context,
    pool: &FileServerPool,
    name: &PoolName,
    owner: &str,
) -> Result<Action, Failed> {
    let pools: Api<FileServerPool> = Api::namespaced(context.client.clone(), &name.namespace);
    let patch = json!({
        "metadata": { "resourceVersion": pool.resource_version() },
        "status": { "managedBy": owner },
    });
    let params = PatchParams {
        field_manager: Some(crate::names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(patch);
    match pools.patch_status(&name.name, &params, &patch).await {
        Ok(_) => Ok(Action::requeue(RACED)),
        // Somebody was quicker, or it went.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
            Ok(Action::requeue(RACED))
        }
        Err(error) => Err(error.into()),
    }
}

/// One look, with all that was seen.
struct Look<'a> {
    context: &'a Context,
    pool: &'a FileServerPool,
    name: &'a PoolName,
    bearer: &'a Bearer,
    token: &'a str,
    observed: &'a Observed,
    view: Result<&'a View, &'a str>,
    /// Why no node may be restarted, for what goes on outside of the pool.
    elsewhere: Option<String>,
    /// What watches have shown, where the look rests on that.
    cache: Option<&'a Cache>,
}

/// Whether a person has ordered something that is not done yet; pure.
fn has_order(pool: &FileServerPool) -> bool {
    let orders = [ABANDON, DRAIN, ADOPT];
    orders
        .iter()
        .any(|key| pool.annotations().contains_key(*key))
}

/// What was decided.
struct Decided {
    wanted: i32,
    desired: Option<i32>,
    /// Why the managers' store may be a stranger.
    doubt: Option<store::Doubt>,
    /// What is to be written on claims.
    marks: Vec<(i32, Mark)>,
    nodes: Vec<NodeFacts>,
    storage: storage::Decision,
    step: Step,
    roll: roll::Decision,
    shape: Shape,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    /// Why managers refused a drain.
    refused: Option<String>,
    /// What else went wrong.
    trouble: Option<(&'static str, String)>,
}

impl Decided {
    /// Whether nothing is to be done about nodes and claims; pure.
    fn is_calm(&self, observed: &Observed) -> bool {
        self.step == Step::Rest
            && self.roll.outdated.is_empty()
            && self.shape.partition == observed.partition()
            && self.storage.make.is_empty()
            && self.storage.resize.is_empty()
            && self.marks.is_empty()
    }
}

impl Look<'_> {
    async fn delete(&self) -> Result<Action, Failed> {
        let waits = delete_files(
            self.context,
            self.bearer,
            self.name,
            self.observed,
            self.view,
        );
        match waits.await? {
            None => {
                keep_finalizer(&self.context.client, self.pool, self.name, false).await?;
                self.context.forget(self.name);
                Ok(Action::await_change())
            }
            Some(why) => {
                let outcome = Outcome {
                    trouble: Some(("Deleting", why)),
                    ..Outcome::default()
                };
                self.tell(&self.decide(), &outcome).await?;
                Ok(Action::requeue(SOON))
            }
        }
    }

    /// Tells why nothing is done.
    async fn leave_alone(&self, trouble: (&'static str, String)) -> Result<Action, Failed> {
        let outcome = Outcome {
            trouble: Some(trouble),
            ..Outcome::default()
        };
        self.tell(&self.decide(), &outcome).await?;
        Ok(Action::requeue(SOON))
    }

    /// Reports what is seen, and changes nothing.
    async fn pause(&self) -> Result<Action, Failed> {
        let why = format!("the annotation {PAUSED} holds everything but this report");
        let outcome = Outcome {
            trouble: Some(("Paused", why)),
            ..Outcome::default()
        };
        self.tell(&self.decide(), &outcome).await?;
        Ok(Action::requeue(LATER))
    }

    async fn serve(&self) -> Result<Action, Failed> {
        let decided = self.decide();
        if self.observed.recalled && !decided.is_calm(self.observed) {
            // What is to be done rests on the API server itself.
            self.context
                .remember(self.name, |memory| memory.rests = false);
            return Ok(Action::requeue(Duration::ZERO));
        }
        let mut outcome = Outcome::default();
        match self.act(&decided, &mut outcome).await {
            Ok(()) => self.adopted().await?,
            Err(error @ ApplyError::NameConflict(_)) => {
                outcome.trouble = Some((error.reason(), error.to_string()));
            }
            // What was decided rests on something that is no more: look again.
            Err(ApplyError::Raced(what)) => {
                tracing::info!(what, "changed meanwhile");
                return Ok(Action::requeue(RACED));
            }
            Err(error) => {
                outcome.trouble = Some((error.reason(), error.to_string()));
                self.tell(&decided, &outcome).await?;
                return Err(error.into());
            }
        }
        let rests = decided.step == Step::Rest
            && decided.roll.outdated.is_empty()
            && outcome.trouble.is_none();
        let ready = self.tell(&decided, &outcome).await?;
        // One that is not ready waits for managers or pods: what is then to be done is
        // seen in what watches show as well.
        self.context
            .remember(self.name, |memory| memory.rests = rests);
        Ok(Action::requeue(if rests && ready { LATER } else { SOON }))
    }

    /// Takes the word away by which objects were taken over: they have their owner now.
    async fn adopted(&self) -> kube::Result<()> {
        if !self.pool.annotations().contains_key(ADOPT) {
            return Ok(());
        }
        self.context.annotate(self.name, &[(ADOPT, None)]).await
    }

    fn decide(&self) -> Decided {
        let spec = &self.pool.spec;
        let observed = self.observed;
        let view = self.view.ok();
        let nodes = observed.nodes(self.name, view);
        let claims = observed.claim_facts(self.name);
        let strangers = view.map_or(&[][..], |view| view.pool.strangers.as_slice());
        let strangers = strangers
            .iter()
            .map(|s| (s.node_id.clone(), refusal(&s.why, s.refused_for)));
        let strangers: Vec<_> = strangers.collect();
        let doubt = view.and_then(|_| store::doubt(&nodes, &strangers, &claims));
        let (wanted, desired) = self.wanted(doubt.is_some());
        let mut seen = scale::Scale {
            set: self.name.nodes(),
            wanted,
            current: observed.replicas().unwrap_or(0),
            doomed_from: observed.doomed_from(),
            leaving: observed.leaving(),
            reachable: view.is_some(),
            doubt: doubt.as_ref().map(|doubt| said(self.name, doubt)),
            claims: claims.iter().map(|c| (c.ordinal, c.mark)).collect(),
            nodes,
        };
        let (step, mut shape) = match observed.set {
            Some(_) => {
                let step = scale::next(&seen);
                let shape = after(&step, &seen);
                (step, shape)
            }
            None => {
                let shape = Shape {
                    replicas: scale::first(&seen),
                    // Volumes of an earlier set may be sealed: all that is wanted
                    // is opened.
                    doomed_from: Some(0),
                    ..Shape::default()
                };
                (Step::Rest, shape)
            }
        };
        let nodes = std::mem::take(&mut seen.nodes);
        let roll = roll::decide(&roll::Roll {
            set: self.name.nodes(),
            replicas: shape.replicas,
            partition: match observed.set {
                Some(_) => observed.partition(),
                None => shape.replicas,
            },
            revision: observed.revision(),
            reachable: view.is_some(),
            elsewhere: self.elsewhere.clone(),
            nodes: nodes.clone(),
        });
        let mut within = nodes.iter().filter(|node| node.ordinal < shape.replicas);
        let judged = observed.revision().is_some() && roll.outdated.is_empty();
        if judged && within.all(NodeFacts::serves) {
            self.context.end_turn(self.name);
        }
        shape.partition = roll.partition;
        shape.template_size = observed.template_size();
        let mut storage = storage::decide(
            &claims,
            shape.replicas,
            &spec.storage.size.0,
            observed.expands,
        );
        if doubt.is_some() {
            // A new volume would join a store that is not its pool's.
            storage.make.clear();
        }
        Decided {
            wanted,
            desired,
            doubt,
            marks: store::marks(&nodes, &claims, observed.replicas().unwrap_or(0)),
            nodes,
            storage,
            step,
            roll,
            shape,
        }
    }

    /// Nodes that are wanted: what the pool says, or what autoscaling makes of it, which
    /// keeps its number while the store's counts are in doubt.
    fn wanted(&self, doubted: bool) -> (i32, Option<i32>) {
        let spec = &self.pool.spec;
        let Some(auto) = &spec.autoscaling else {
            return (spec.replicas, None);
        };
        let before = self
            .pool
            .status
            .as_ref()
            .and_then(|status| status.desired_replicas);
        let current = before.or(self.observed.replicas()).unwrap_or(spec.replicas);
        let Some(view) = self.view.ok().filter(|_| !doubted) else {
            return (current, Some(current));
        };
        let files = view.pool.files + view.pool.unavailable_files;
        let files = i64::try_from(files).unwrap_or(i64::MAX);
        let desired = self.context.remember(self.name, |memory| {
            let (desired, window) =
                autoscale::decide(auto, files, current, memory.window, Instant::now());
            memory.window = window;
            desired
        });
        (desired, Some(desired))
    }

    /// What the cluster says against a pod or a volume that is not there; asked for only
    /// where one is missing, and not at each look.
    async fn obstacle(&self, decided: &Decided) -> Option<String> {
        let replicas = self.observed.replicas()?;
        let has_pod = |ordinal| {
            let node = decided.nodes.iter().find(|node| node.ordinal == ordinal);
            node.is_some_and(|node| node.pod.is_some())
        };
        let set = (0..replicas)
            .any(|ordinal| !has_pod(ordinal))
            .then(|| ("StatefulSet", self.name.nodes()));
        let pending = decided.storage.pending.first();
        let claim = pending.map(|ordinal| ("PersistentVolumeClaim", self.name.claim(*ordinal)));
        let lacking = claim.into_iter().chain(set).collect();
        let mut known = self.context.recall(self.name).obstacle;
        let Context {
            client, warnings, ..
        } = self.context;
        let said = obstacle::ask(client, &self.name.namespace, lacking, warnings, &mut known).await;
        self.context
            .remember(self.name, |memory| memory.obstacle = known);
        said
    }

    /// Writes the status where it changed, and the events that follow from it;
    /// answers whether the pool is ready.
    async fn tell(&self, decided: &Decided, outcome: &Outcome) -> Result<bool, Failed> {
        if is_silent(self.pool, Timestamp::now()) {
            return Ok(false);
        }
        let before = self.pool.status.as_ref();
        let obstacle = self.obstacle(decided).await;
        let trouble = outcome.trouble.as_ref();
        let facts = Facts {
            release: &self.context.release,
            name: self.name,
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
            trouble: trouble.map(|(reason, why)| (*reason, why.as_str())),
            obstacle: obstacle.as_deref(),
            deleting: self.pool.metadata.deletion_timestamp.is_some(),
        };
        let after = status(&facts, before, Timestamp::now());
        let ready = after.conditions.first().is_some_and(|c| c.status == "True");
        if before == Some(&after) {
            return Ok(ready);
        }
        let only_numbers =
            before.is_some_and(|before| without_numbers(before) == without_numbers(&after));
        let told = self.context.recall(self.name).told;
        if only_numbers && told.is_some_and(|told| told.elapsed() < NUMBERS) {
            return Ok(ready);
        }
        let patch = json!({
            "apiVersion": FileServerPool::api_version(&()),
            "kind": FileServerPool::kind(&()),
            "status": &after,
        });
        let namespace = &self.name.namespace;
        let pools: Api<FileServerPool> = Api::namespaced(self.context.client.clone(), namespace);
        let params = PatchParams::apply(crate::names::FIELD_MANAGER).force();
        let written = pools
            .patch_status(&self.name.name, &params, &Patch::Apply(patch))
            .await;
        match written {
            Ok(_) => {}
            // It went meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(ready),
            Err(error) => return Err(error.into()),
        }
        self.context
            .remember(self.name, |memory| memory.told = Some(Instant::now()));
        let old = before.map(|before| before.conditions.as_slice());
        for event in flips(old.unwrap_or_default(), &after.conditions) {
            self.context.publish(self.pool, event).await;
        }
        Ok(ready)
    }
}

/// The set after a step; pure.
fn after(step: &Step, seen: &scale::Scale) -> Shape {
    let (replicas, doomed_from, leaving) = match step {
        Step::Mark {
            replicas,
            doomed_from,
            leaving,
        } => (*replicas, *doomed_from, *leaving),
        Step::Rest | Step::Drain(_) | Step::Open(_) | Step::Forget(_) | Step::Wait(_) => {
            (seen.current, seen.doomed_from, seen.leaving)
        }
    };
    Shape {
        replicas,
        doomed_from,
        leaving,
        ..Shape::default()
    }
}
