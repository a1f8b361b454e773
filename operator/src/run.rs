//! `operator run`: leads, or waits until it may.

use crate::cache::Cache;
use crate::config::RunArgs;
use crate::context::Context;
use crate::delete::release_all;
use crate::metrics::Metrics;
use crate::names::{POOL_LABEL, component, selects};
use crate::raw::RawPool;
use crate::reconcile::{reconcile, retry};
use crate::token::token;
use anyhow::{Context as _, Result, bail};
use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kit::ops::Ops;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt, controller, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use kube_lease_manager::LeaseManagerBuilder;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a lease holds without being renewed, in seconds.
const LEASE: u64 = 15;
/// How long before its end it is renewed, in seconds.
const RENEW: u64 = 10;
/// How long after a failure the token is tried again.
const TOKEN_RETRY: Duration = Duration::from_secs(2);
/// Changes that come within this time cause one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How long reconciles that have begun may take after SIGTERM.
const LOOKS_END: Duration = Duration::from_secs(15);
/// How often it is checked whether a watched namespace is being deleted.
const SWEEP: Duration = Duration::from_secs(15);
/// Pools of a namespace that are reconciled at the same time.
const AT_ONCE: u16 = 8;

/// Runs until SIGTERM, or until the lease is lost.
///
/// # Errors
/// Where the API server can't be reached at the start, or the lease was lost.
pub async fn run(args: RunArgs) -> Result<()> {
    args.check()?;
    let shutdown = kit::signals::shutdown()?;
    let release = args.release();
    let metrics = Arc::new(Metrics::default());
    let listener = kit::listen::bind(args.ops)
        .await
        .with_context(|| format!("--ops {}", args.ops))?;
    let ops = Ops {
        registry: metrics.registry.clone(),
        readiness: Arc::new(|| Ok(None)),
        refresh: Arc::new(|| {}),
    };
    let address = listener.local_addr()?;
    let serving = tokio::spawn(kit::ops::serve(listener, ops, shutdown.clone()));
    let client = Client::try_default().await.context("the cluster's API")?;
    let context = Context::new(client, release, args.identity.clone(), metrics)?;
    writeln!(std::io::stdout(), "ready ops={address}")?;
    let ended = lead(&args, Arc::new(context), &shutdown).await;
    shutdown.cancel();
    serving.await?;
    ended
}

/// Waits for the lease, and works for as long as it is held.
async fn lead(args: &RunArgs, context: Arc<Context>, shutdown: &CancellationToken) -> Result<()> {
    let lease = LeaseManagerBuilder::new(context.client.clone(), &args.lease)
        .with_namespace(&args.of.namespace)
        .with_identity(&args.identity)
        .with_duration(LEASE)
        .with_grace(RENEW)
        .build()
        .await
        .with_context(|| format!("Lease {}/{}", args.of.namespace, args.lease))?;
    let (mut leads, keeping) = lease.watch().await;
    let led = tokio::select! {
        () = shutdown.cancelled() => false,
        led = leads.wait_for(|leads| *leads) => {
            led.context("the lease is not kept any more")?;
            true
        }
    };
    if led {
        tracing::info!(identity = args.identity, "leads");
        context.metrics.leader.set(1);
        tokio::select! {
            () = work(context.clone(), shutdown.clone()) => {}
            // Another may lead by now. What this one has under way is harmless: a
            // set and its replicas are only written if they are as they were read, and
            // the rest is the same whoever writes it. It starts again from nothing.
            _ = leads.wait_for(|leads| !*leads) => bail!("the lease was lost"),
        }
        context.metrics.leader.set(0);
        release_finalizers(&context).await;
    }
    // The lease is given back, so that the next one need not wait for its end.
    drop(leads);
    keeping.await??;
    Ok(())
}

/// Managers can't start before the token is there, and need no pool to start. Never
/// ends: pools are reconciled meanwhile, and say what is wrong with the token.
async fn make_token(context: &Context) {
    while let Err(error) = token(&context.client, &context.release).await {
        tracing::warn!(error = format!("{error:#}"), "no token yet");
        tokio::time::sleep(TOKEN_RETRY).await;
    }
    std::future::pending().await
}

/// Renews the certificates of the inner ports, where they have any. Never ends.
async fn keep_certificates(context: &Context) {
    match &context.secured {
        Some(secured) => {
            let pools = |namespace: &str| {
                let pools = context.caches.of(namespace)?.list::<RawPool>()?;
                Some(pools.iter().map(|pool| pool.name_any()).collect())
            };
            let (client, release) = (&context.client, &context.release);
            secured.keep(client, release, &pools).await;
        }
        None => std::future::pending().await,
    }
}

/// Reconciles pools until shutdown.
async fn work(context: Arc<Context>, shutdown: CancellationToken) {
    let release = &context.release;
    let mut looks: Vec<BoxStream<'static, _>> = Vec::new();
    for namespace in &release.namespaces {
        let controller = watched(&context, namespace);
        let stop = shutdown.clone();
        let looked = controller
            .with_config(
                controller::Config::default()
                    .debounce(DEBOUNCE)
                    .concurrency(AT_ONCE),
            )
            .graceful_shutdown_on(async move { stop.cancelled().await })
            .run(reconcile, retry, context.clone());
        looks.push(looked.boxed());
    }
    let mut looks = select_all(looks);
    let looking = async {
        while let Some(look) = looks.next().await {
            if let Err(error) = look {
                tracing::debug!(%error, "a look did not end well");
            }
        }
    };
    // A controller ends only once it has seen its namespace, which never happens where
    // that is gone or may not be read. So the end waits for the reconciles that have
    // begun, and not for the controllers.
    let ended = async {
        shutdown.cancelled().await;
        let begun = tokio::time::timeout(LOOKS_END, context.under_way.none());
        if begun.await.is_err() {
            tracing::warn!("looks at pools are broken off");
        }
    };
    tokio::select! {
        () = looking => {}
        () = ended => {}
        () = sweep(&context) => {}
        () = forget_gone(&context) => {}
        () = make_token(&context) => {}
        () = keep_certificates(&context) => {}
        () = crate::prune::keep(&context) => {}
    }
}

/// Lets go of pools in watched namespaces that are being deleted. There the rights to
/// watch may go before the pools, so that these are not reconciled any more.
async fn sweep(context: &Context) {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let owner = context.release.owner();
    loop {
        for name in &context.release.namespaces {
            let namespace = namespaces.get_opt(name).await;
            if matches!(namespace, Ok(None)) {
                // Its watch may have ended before the last of its pools went.
                context.keep_only(name, &BTreeSet::new());
            }
            let dies = matches!(&namespace, Ok(Some(n)) if n.metadata.deletion_timestamp.is_some());
            if !dies {
                continue;
            }
            if let Err(error) = release_all(&context.client, name, &owner).await {
                tracing::warn!(%error, namespace = name, "finalizers are still there");
            }
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Drops pools that are gone, as watches have shown it.
async fn forget_gone(context: &Context) {
    loop {
        tokio::time::sleep(SWEEP).await;
        for namespace in &context.release.namespaces {
            let cache = context.caches.of(namespace);
            let Some(pools) = cache.and_then(|cache| cache.list::<RawPool>()) else {
                continue;
            };
            let names = pools.iter().map(|pool| pool.name_any()).collect();
            context.keep_only(namespace, &names);
        }
    }
}

/// Watches the pools of a namespace and all their objects, which a cache keeps.
fn watched(context: &Context, namespace: &str) -> Controller<RawPool> {
    let client = &context.client;
    let selector = selects(&component(&context.release, "node"));
    let ours = || watcher::Config::default().labels(&selector);
    // Claims are found by name, whatever labels they have.
    let all = watcher::Config::default;
    let mut cache = Cache::default();
    let pools: Api<RawPool> = Api::namespaced(client.clone(), namespace);
    let controller = Controller::new(pools, all());
    cache.add(controller.store());
    let controller = controller
        .owns_stream(cached::<StatefulSet>(client, namespace, ours(), &mut cache))
        .owns_stream(cached::<Service>(client, namespace, ours(), &mut cache))
        .owns_stream(cached::<ServiceAccount>(
            client,
            namespace,
            ours(),
            &mut cache,
        ))
        .owns_stream(cached::<PodDisruptionBudget>(
            client,
            namespace,
            ours(),
            &mut cache,
        ))
        .owns_stream(cached::<NetworkPolicy>(
            client,
            namespace,
            ours(),
            &mut cache,
        ));
    let pods = cached::<Pod>(client, namespace, ours(), &mut cache);
    let claims = cached::<PersistentVolumeClaim>(client, namespace, all(), &mut cache);
    context.caches.add(namespace, cache);
    controller
        .watches_stream(pods, |pod| pool_of(&pod))
        .watches_stream(claims, |claim| pool_of(&claim))
}

/// The objects of a kind as they change; a cache has them all.
fn cached<K>(
    client: &Client,
    namespace: &str,
    config: watcher::Config,
    cache: &mut Cache,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (reader, writer) = reflector::store();
    cache.add(reader);
    watcher(Api::<K>::namespaced(client.clone(), namespace), config)
        .default_backoff()
        .reflect(writer)
        .touched_objects()
}

/// The pool that an object is labelled with.
fn pool_of(object: &impl ResourceExt) -> Option<ObjectRef<RawPool>> {
    let pool = object.labels().get(POOL_LABEL)?;
    Some(ObjectRef::new(pool).within(&object.namespace()?))
}

/// A namespace that is deleted may take the operator along before its pools: these
/// must not be held up by a finalizer that nobody is left to remove.
async fn release_finalizers(context: &Context) {
    let own = &context.release.namespace;
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let namespace = namespaces.get_opt(own).await;
    let dies = matches!(namespace, Ok(Some(n)) if n.metadata.deletion_timestamp.is_some());
    if !dies {
        return;
    }
    let owner = context.release.owner();
    for namespace in &context.release.namespaces {
        let released = release_all(&context.client, namespace, &owner).await;
        if let Err(error) = released {
            tracing::warn!(%error, namespace, "finalizers are still there");
        }
    }
}
