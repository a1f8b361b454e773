//! A Secret that the operator alone writes. Its name is known beforehand, so that the
//! operator need not be allowed to read any other. It has no owner: it stays.

use crate::build::MANAGED_BY;
use crate::names::{self, FIELD_MANAGER, component, unowned, unpruned};
use crate::release::Release;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a Secret has, by name.
pub(crate) type Entries = BTreeMap<String, ByteString>;

/// A Secret by its name.
pub(crate) struct Kept<'a> {
    release: &'a Release,
    namespace: &'a str,
    name: String,
    /// What it is for.
    component: &'static str,
    secrets: Api<Secret>,
}

impl<'a> Kept<'a> {
    /// One of the release's own namespace.
    pub(crate) fn new(
        client: &Client,
        release: &'a Release,
        name: &str,
        component: &'static str,
    ) -> Self {
        Self {
            release,
            namespace: &release.namespace,
            name: name.to_owned(),
            component,
            secrets: Api::namespaced(client.clone(), &release.namespace),
        }
    }

    /// The one with the keys and certificates of a namespace's pools.
    pub(crate) fn of_pools(client: &Client, release: &'a Release, namespace: &'a str) -> Self {
        Self {
            release,
            namespace,
            name: release.keys_secret(namespace),
            component: "node",
            secrets: Api::namespaced(client.clone(), namespace),
        }
    }

    /// Which one it is, for people.
    pub(crate) fn what(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> String {
        self.release.owner()
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace
    }

    /// As it is now, if it is there, whosever it is.
    pub(crate) async fn get(&self) -> kube::Result<Option<Secret>> {
        self.secrets.get_opt(&self.name).await
    }

    /// Whether what is there is the release's.
    pub(crate) fn is_ours(&self, there: &Secret) -> bool {
        is_of(there, self.release)
    }

    /// Makes it have these entries beside those that it has, without those that are gone,
    /// if it is as it was read.
    pub(crate) async fn change(
        &self,
        there: Option<&Secret>,
        entries: Entries,
        gone: &[String],
    ) -> kube::Result<Secret> {
        let Some(there) = there else {
            let secret = first(self.release, &self.name, self.component, entries);
            return self.secrets.create(&PostParams::default(), &secret).await;
        };
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
            "metadata": { "resourceVersion": there.resource_version() },
            "data": data,
        }));
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.secrets.patch(&self.name, &params, &patch).await
    }
}

/// A Secret as it is made; pure.
pub(crate) fn first(release: &Release, name: &str, of: &str, entries: Entries) -> Secret {
    let mut labels = unowned(component(release, of));
    labels.insert(names::MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    let mut annotations = unpruned();
    annotations.insert(MANAGED_BY.to_owned(), release.owner());
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(annotations);
    secret.data = Some(entries);
    secret
}

/// Whether a Secret is a release's; pure.
pub(crate) fn is_of(secret: &Secret, release: &Release) -> bool {
    secret.annotations().get(MANAGED_BY) == Some(&release.owner())
}
