//! The Secrets with certificates, read and written with words for the log.

use crate::kept::{Entries, Kept};
use anyhow::{Context as _, Result, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client};
use std::collections::BTreeMap;

/// As it is now, if it is there.
///
/// # Errors
/// Where it is somebody else's, or can't be read.
pub(super) async fn read(kept: &Kept<'_>) -> Result<Option<Secret>> {
    let found = kept.get().await.with_context(|| kept.what())?;
    if found.as_ref().is_some_and(|found| !kept.is_ours(found)) {
        bail!(
            "{} is there and is not the operator's of {}: remove or rename it",
            kept.what(),
            kept.owner()
        );
    }
    Ok(found)
}

/// The same, where somebody else's counts as none: its pools report that.
///
/// # Errors
/// Where it can't be read.
pub(super) async fn read_if_ours(kept: &Kept<'_>) -> Result<Option<Secret>> {
    let found = kept.get().await.with_context(|| kept.what())?;
    Ok(found.filter(|found| kept.is_ours(found)))
}

/// Makes it have these entries beside those that it has, without those that are gone.
///
/// # Errors
/// Where it is not as it was read, or can't be written.
pub(super) async fn change(
    kept: &Kept<'_>,
    there: Option<&Secret>,
    entries: Entries,
    gone: &[String],
) -> Result<()> {
    let names: Vec<_> = entries.keys().chain(gone).cloned().collect();
    let changed = kept.change(there, entries, gone).await;
    changed.with_context(|| kept.what())?;
    let (secret, names) = (kept.what(), names.join(", "));
    tracing::info!(secret, names, "inner certificates were written");
    Ok(())
}

/// What a Secret has.
pub(super) fn entries(secret: Option<&Secret>) -> Option<&Entries> {
    secret.and_then(|secret| secret.data.as_ref())
}

/// Whether a namespace is gone, or goes: then its rights may be gone before it.
pub(super) async fn is_gone(client: &Client, namespace: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.get_opt(namespace).await {
        Ok(found) => found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()),
        Err(_) => false,
    }
}

/// Entries as texts.
///
/// # Errors
/// Names the one that is no text.
pub(super) fn texts(entries: &Entries) -> Result<BTreeMap<String, String>> {
    let text = |(name, ByteString(bytes)): (&String, &ByteString)| {
        let text = String::from_utf8(bytes.clone());
        let text = text.map_err(|_| anyhow::anyhow!("{name}: is no text"))?;
        Ok((name.clone(), text))
    };
    entries.iter().map(text).collect()
}

/// Texts as entries.
pub(super) fn bytes(texts: BTreeMap<String, String>) -> Entries {
    let bytes = |(name, text): (String, String)| (name, ByteString(text.into_bytes()));
    texts.into_iter().map(bytes).collect()
}
