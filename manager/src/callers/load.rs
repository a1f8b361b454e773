//! From the flags to what the REST API asks.

#[cfg(feature = "kubernetes")]
use super::flags::Way;
use super::flags::{Audit, AuthArgs};
use super::links::Links;
use anyhow::{Context, anyhow};
use kit::reread::{self, Source};
use manager_callers::Callers;
#[cfg(feature = "kubernetes")]
use manager_callers::kubernetes;
use manager_callers::tokens::Tokens;
use manager_protocol::store::Store;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a pod finds the namespace that it runs in.
#[cfg(feature = "kubernetes")]
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Who is let in.
pub(crate) struct Admits {
    /// Nothing where anyone may do everything.
    pub(crate) callers: Option<Arc<Callers>>,
    /// What signs links.
    pub(crate) links: Links,
    /// What links begin with.
    pub(crate) public_url: Option<String>,
    /// Whether changes and refusals are logged.
    pub(crate) audit: bool,
}

impl Admits {
    /// Reads files, and connects to the API server where it is asked.
    ///
    /// # Errors
    /// Names the flag.
    pub(crate) async fn load(
        args: &AuthArgs,
        http: &[(&str, SocketAddr)],
        store: Arc<dyn Store>,
    ) -> anyhow::Result<Self> {
        let open = args.open(http).map_err(|why| anyhow!(why))?;
        let callers = match open {
            true => None,
            false => Some(callers(args).await?),
        };
        Ok(Self {
            audit: match args.audit {
                Audit::On => true,
                Audit::Off => false,
                Audit::Auto => callers.is_some(),
            },
            callers,
            links: Links::load(args.link_key_file.clone(), store)?,
            public_url: args.public_url.clone(),
        })
    }
}

async fn callers(args: &AuthArgs) -> anyhow::Result<Arc<Callers>> {
    let file = args.tokens().cloned();
    let file = file.map(|file| Source::new("--auth tokens", file));
    let read = |file: &Source| file.read().with_context(|| file.to_string());
    let text = file.as_ref().map(read).transpose()?;
    let tokens = match (&file, &text) {
        (Some(file), Some(text)) => Some(Tokens::parse(text).with_context(|| file.to_string())?),
        _ => None,
    };
    let callers = Arc::new(Callers {
        tokens,
        #[cfg(feature = "kubernetes")]
        kubernetes: match args.auth.contains(&Way::Kubernetes) {
            true => Some(kubernetes(args).await?),
            false => None,
        },
    });
    if let (Some(file), Some(text)) = (file, text) {
        let held = Arc::downgrade(&callers);
        reread::follow(
            "the file of callers",
            vec![file],
            vec![text],
            held,
            |callers, texts| match (&callers.tokens, texts) {
                (Some(tokens), [text]) => tokens.replace(text).map_err(|error| error.to_string()),
                _ => Ok(()),
            },
        );
    }
    Ok(callers)
}

#[cfg(feature = "kubernetes")]
async fn kubernetes(args: &AuthArgs) -> anyhow::Result<kubernetes::Kubernetes> {
    let namespace = match &args.auth_namespace {
        Some(namespace) => namespace.clone(),
        None => std::fs::read_to_string(OWN_NAMESPACE)
            .context("--auth-namespace: is needed where the manager runs in no pod")?,
    };
    let quotas = args.namespace_quotas.iter();
    let quotas = quotas.map(|quota| (quota.namespace.as_deref(), quota.quota));
    let settings = kubernetes::Settings {
        audience: args.auth_audience.clone(),
        namespace: namespace.trim().to_owned(),
        fresh: args.auth_cache_time,
        stale: args.auth_stale_time,
        most: args.auth_cached_callers as usize,
        quotas: kubernetes::Quotas::new(quotas),
    };
    let connected = kubernetes::Kubernetes::connect(settings).await;
    connected.context("--auth kubernetes: no way to the cluster's API server")
}
