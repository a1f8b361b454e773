//! One pass over a pool: observe, decide, act, report.

mod act;
mod decide;
mod report;
mod skip;

use crate::adopt::Owner;
use crate::annotations::ADOPT;
use crate::apply::ApplyError;
use crate::cache::Cache;
use crate::conflict::Conflict;
use crate::context::Context;
use crate::delete::{SETTLES, delete_files, keep_finalizer, wants_finalizer};
use crate::managers::{Bearer, View, bearer};
use crate::names::PoolName;
use crate::observe::{Observed, observe};
use crate::plan::roll::Elsewhere;
use crate::plan::scale::Step;
use crate::raw::RawPool;
use crate::token::token;
use crate::trouble::Trouble;
use crate::turn;
use crate::validate::{ValidatedPool, validate};
use crds::FileServerPool;
use decide::{Decided, Seen, decide};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use report::Outcome;
use serde_json::json;
use skip::skip;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The next pass while something is under way: managers report nothing unasked.
const SOON: Duration = Duration::from_secs(2);
/// The next pass over a pool at rest.
const LATER: Duration = Duration::from_secs(10);
/// The next pass after an object was changed by somebody else.
const RACED: Duration = Duration::from_millis(200);
/// The longest wait after passes that failed is 2 to this power, in seconds.
const PATIENCE: u32 = 6;

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
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

/// Reconciles a pool.
///
/// # Errors
/// Where the API server does not answer, or refuses.
pub(crate) async fn reconcile(raw: Arc<RawPool>, context: Arc<Context>) -> Result<Action, Failed> {
    let _under_way = context.under_way.begin();
    context.metrics.reconciles.inc();
    let pool = match validate(&raw) {
        Ok(pool) => pool,
        Err(error) => {
            skip(&raw, &context, &error).await;
            return Ok(Action::await_change());
        }
    };
    context.note_readable(&pool.name);
    let next = pass_over(&pool, &context).await?;
    context.remember(&pool.name, |memory| memory.failures = 0);
    Ok(next)
}

/// When a pass that failed is repeated: after 1, 2, 4 s and so on.
pub(crate) fn retry(pool: Arc<RawPool>, error: &Failed, context: Arc<Context>) -> Action {
    context.metrics.errors.inc();
    let name = PoolName::of(pool.as_ref());
    let failures = context.remember(&name, |memory| {
        memory.failures += 1;
        memory.failures
    });
    tracing::warn!(pool = name.at_manager(), %error, failures, "a pass failed");
    Action::requeue(Duration::from_secs(1 << (failures - 1).min(PATIENCE)))
}

async fn pass_over(pool: &ValidatedPool, context: &Context) -> Result<Action, Failed> {
    let name = &pool.name;
    let before = pool.status.as_ref();
    let owner = context.release.owner();
    let other = before.and_then(|status| status.managed_by.as_ref());
    if other.is_some_and(|other| *other != owner) {
        return Ok(Action::await_change());
    }
    let deleting = pool.deleting;
    if other.is_none() && !deleting {
        return claim_pool(context, pool, &owner).await;
    }
    let cache = context.caches.of(&name.namespace);
    let rests = context.recall(name).rests && !deleting && !pool.orders.wait();
    let own = Owner::of(pool);
    let mut observed = observe(context, name, cache.as_deref().filter(|_| rests)).await?;
    if observed.recalled && (observed.terminating || !observed.set.iter().all(|set| own.has(set))) {
        observed = observe(context, name, None).await?;
    }
    // What bears the name of our StatefulSet may be another application, with pods
    // and claims of its own.
    let stranger = observed.set.as_ref().is_some_and(|set| !own.has(set));
    if let Some(next) = finalizer(context, pool, &observed, stranger).await? {
        return Ok(next);
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
    let pass = Pass {
        context,
        pool,
        bearer: &bearer,
        token: &token,
        observed: &observed,
        view: view.as_ref().map_err(String::as_str),
        elsewhere,
        cache: cache.as_deref().filter(|_| observed.recalled),
    };
    if let Some(why) = refused {
        return pass.leave_alone(Trouble::Token(why)).await;
    }
    if stranger {
        let conflict = Conflict::Owned {
            object: format!("StatefulSet {}", name.nodes()),
            pool: name.clone(),
        };
        let trouble = Trouble::Conflicts(vec![conflict]);
        return pass.leave_alone(trouble).await;
    }
    match deleting {
        true => pass.delete().await,
        false if pool.orders.paused => pass.pause().await,
        false => pass.serve().await,
    }
}

/// Keeps the finalizer as long as files may need it; the next pass, where this one
/// ends with that.
async fn finalizer(
    context: &Context,
    pool: &ValidatedPool,
    observed: &Observed,
    stranger: bool,
) -> Result<Option<Action>, Failed> {
    let (name, deleting) = (&pool.name, pool.deleting);
    let wants = wants_finalizer(pool, Timestamp::now());
    if observed.terminating || (deleting && (stranger || !wants)) {
        keep_finalizer(&context.client, &pool.metadata, name, false).await?;
        context.forget(name);
        return Ok(Some(Action::await_change()));
    }
    if !deleting && keep_finalizer(&context.client, &pool.metadata, name, wants).await? && wants {
        // Only a pass after this one reports the new generation: the admission policy
        // lets no deletion through before.
        tokio::time::sleep(SETTLES).await;
        return Ok(Some(Action::requeue(RACED)));
    }
    Ok(None)
}

/// The release's token, as it was a few seconds ago at the most.
async fn known_token(context: &Context) -> anyhow::Result<String> {
    let read = token(&context.client, &context.release);
    context.token.or_ask((), read).await
}

/// The first thing that is written of a pool: whose it is. Of two releases that
/// watch its namespace one is first.
async fn claim_pool(
    context: &Context,
    pool: &ValidatedPool,
    owner: &str,
) -> Result<Action, Failed> {
    let name = &pool.name;
    let pools: Api<FileServerPool> = Api::namespaced(context.client.clone(), &name.namespace);
    let patch = json!({
        "metadata": { "resourceVersion": pool.metadata.resource_version },
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

/// One pass, with all that was observed.
struct Pass<'a> {
    context: &'a Context,
    pool: &'a ValidatedPool,
    bearer: &'a Bearer,
    token: &'a str,
    observed: &'a Observed,
    view: Result<&'a View, &'a str>,
    /// Why no node may be restarted, for what goes on outside of the pool.
    elsewhere: Option<Elsewhere>,
    /// What watches have shown, where the pass rests on that.
    cache: Option<&'a Cache>,
}

impl Pass<'_> {
    fn name(&self) -> &PoolName {
        &self.pool.name
    }

    /// What is to be done, noted for the passes after this one.
    fn decided(&self) -> Decided {
        let seen = Seen {
            pool: self.pool,
            observed: self.observed,
            view: self.view.ok(),
            elsewhere: self.elsewhere.as_ref(),
        };
        let remembered = self.context.recall(self.name()).window;
        let (decided, remembered) = decide(&seen, remembered, Instant::now());
        if decided.ends_turn {
            self.context.end_turn(self.name());
        }
        self.context
            .remember(self.name(), |memory| memory.window = remembered);
        decided
    }

    async fn delete(&self) -> Result<Action, Failed> {
        let waits = delete_files(
            self.context,
            self.bearer,
            self.name(),
            self.observed,
            self.view,
        );
        match waits.await? {
            None => {
                keep_finalizer(
                    &self.context.client,
                    &self.pool.metadata,
                    self.name(),
                    false,
                )
                .await?;
                self.context.forget(self.name());
                Ok(Action::await_change())
            }
            Some(left) => {
                let outcome = Outcome {
                    trouble: Some(Trouble::Deleting(left)),
                    ..Outcome::default()
                };
                self.report(&self.decided(), &outcome).await?;
                Ok(Action::requeue(SOON))
            }
        }
    }

    /// Reports why nothing is done.
    async fn leave_alone(&self, trouble: Trouble) -> Result<Action, Failed> {
        let outcome = Outcome {
            trouble: Some(trouble),
            ..Outcome::default()
        };
        self.report(&self.decided(), &outcome).await?;
        Ok(Action::requeue(SOON))
    }

    /// Reports what is seen, and changes nothing.
    async fn pause(&self) -> Result<Action, Failed> {
        let outcome = Outcome {
            trouble: Some(Trouble::Paused),
            ..Outcome::default()
        };
        self.report(&self.decided(), &outcome).await?;
        Ok(Action::requeue(LATER))
    }

    async fn serve(&self) -> Result<Action, Failed> {
        let decided = self.decided();
        if self.observed.recalled && !decided.is_calm(self.observed) {
            // What is to be done rests on the API server itself.
            self.context
                .remember(self.name(), |memory| memory.rests = false);
            return Ok(Action::requeue(Duration::ZERO));
        }
        let mut outcome = Outcome::default();
        match self.act(&decided, &mut outcome).await {
            Ok(()) => self.adopted().await?,
            Err(error) if error.is_reported() => {
                outcome.trouble = Some(error.trouble());
            }
            // What was decided rests on something that is no more: decide anew.
            Err(ApplyError::Raced(what)) => {
                tracing::info!(what, "changed meanwhile");
                return Ok(Action::requeue(RACED));
            }
            Err(error) => {
                outcome.trouble = Some(error.trouble());
                self.report(&decided, &outcome).await?;
                return Err(error.into());
            }
        }
        let rests = decided.step == Step::Rest
            && decided.roll.outdated.is_empty()
            && outcome.trouble.is_none();
        let ready = self.report(&decided, &outcome).await?;
        // A pool that is not ready waits for managers or pods: watches show what is to
        // be done then as well.
        self.context
            .remember(self.name(), |memory| memory.rests = rests);
        Ok(Action::requeue(if rests && ready { LATER } else { SOON }))
    }

    /// Takes the annotation away by which objects were adopted: they have their owner now.
    async fn adopted(&self) -> kube::Result<()> {
        if self.pool.orders.adopt.is_none() {
            return Ok(());
        }
        self.context.annotate(self.name(), &[(ADOPT, None)]).await
    }
}
