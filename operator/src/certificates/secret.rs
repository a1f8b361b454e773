//! A Secret of the release that the operator alone writes.

use crate::build::MANAGED_BY;
use crate::names::{self, FIELD_MANAGER, component, unowned, unpruned};
use crate::release::Release;
use anyhow::{Context as _, Result, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a Secret has, by name.
pub(crate) type Entries = BTreeMap<String, ByteString>;

/// A Secret by its name.
pub(super) struct Kept<'a> {
    release: &'a Release,
    namespace: &'a str,
    name: String,
    secrets: Api<Secret>,
}

/// A Secret that is there.
pub(super) struct Found {
    /// What it has.
    pub(super) entries: Entries,
    version: Option<String>,
}

impl Found {
    fn of(secret: Secret) -> Self {
        Self {
            version: secret.resource_version(),
            entries: secret.data.unwrap_or_default(),
        }
    }
}

impl<'a> Kept<'a> {
    /// One of the release's own namespace.
    pub(super) fn new(client: &Client, release: &'a Release, name: &str) -> Self {
        Self {
            release,
            namespace: &release.namespace,
            name: name.to_owned(),
            secrets: Api::namespaced(client.clone(), &release.namespace),
        }
    }

    /// The one with the keys and certificates of a namespace's pools.
    pub(super) fn of_pools(client: &Client, release: &'a Release, namespace: &'a str) -> Self {
        Self {
            release,
            namespace,
            name: release.keys_secret(namespace),
            secrets: Api::namespaced(client.clone(), namespace),
        }
    }

    /// Which one it is, for people.
    pub(super) fn what(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        self.namespace
    }

    /// As it is now, if it is there.
    ///
    /// # Errors
    /// Where it is somebody else's, or can't be read.
    pub(super) async fn read(&self) -> Result<Option<Found>> {
        let found = self.get().await?;
        if let Some(found) = &found
            && !self.is_ours(found)
        {
            bail!(
                "{} is there and is not the operator's of {}: remove or rename it",
                self.what(),
                self.release.owner()
            );
        }
        Ok(found.map(Found::of))
    }

    /// The same, where somebody else's counts as none: its pools report that.
    ///
    /// # Errors
    /// Where it can't be read.
    pub(super) async fn read_if_ours(&self) -> Result<Option<Found>> {
        let found = self.get().await?;
        Ok(found.filter(|found| self.is_ours(found)).map(Found::of))
    }

    async fn get(&self) -> Result<Option<Secret>> {
        let found = self.secrets.get_opt(&self.name).await;
        found.with_context(|| self.what())
    }

    fn is_ours(&self, secret: &Secret) -> bool {
        secret.annotations().get(MANAGED_BY) == Some(&self.release.owner())
    }

    /// Makes it have these entries and no others, if it is as it was read.
    pub(super) async fn write(&self, there: Option<&Found>, entries: Entries) -> Result<()> {
        let gone = there.iter().flat_map(|there| there.entries.keys());
        let gone = gone.filter(|name| !entries.contains_key(*name));
        let gone: Vec<String> = gone.cloned().collect();
        self.change(there, entries, &gone).await
    }

    /// Makes it have these entries beside those that it has, if it is as it was read.
    pub(super) async fn add(&self, there: Option<&Found>, entries: Entries) -> Result<()> {
        self.change(there, entries, &[]).await
    }

    /// The same, and without those that are gone.
    pub(super) async fn change(
        &self,
        there: Option<&Found>,
        entries: Entries,
        gone: &[String],
    ) -> Result<()> {
        let names: Vec<_> = entries.keys().chain(gone).map(String::as_str).collect();
        let names = names.join(", ");
        let done = match there {
            None => {
                let secret = self.first(entries);
                self.secrets.create(&PostParams::default(), &secret).await
            }
            Some(there) => {
                let mut data: Map<String, Value> = gone
                    .iter()
                    .map(|name| (name.clone(), Value::Null))
                    .collect();
                data.extend(
                    entries
                        .iter()
                        .map(|(name, bytes)| (name.clone(), json!(bytes))),
                );
                let patch = Patch::Merge(json!({
                    "metadata": { "resourceVersion": there.version },
                    "data": data,
                }));
                let params = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                self.secrets.patch(&self.name, &params, &patch).await
            }
        };
        done.with_context(|| self.what())?;
        tracing::info!(
            secret = self.what(),
            names,
            "inner certificates were written"
        );
        Ok(())
    }

    fn first(&self, entries: Entries) -> Secret {
        let mut labels = unowned(component(self.release, "certificates"));
        labels.insert(names::MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
        let mut annotations = unpruned();
        annotations.insert(MANAGED_BY.to_owned(), self.release.owner());
        let mut secret = Secret::default();
        secret.metadata.name = Some(self.name.clone());
        secret.metadata.labels = Some(labels);
        secret.metadata.annotations = Some(annotations);
        secret.data = Some(entries);
        secret
    }
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
