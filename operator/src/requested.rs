//! The kind `Certificate` of cert-manager, with no more of it than is written and read here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{NamespaceResourceScope, TypeMeta};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

const GROUP: &str = "cert-manager.io";
const VERSION: &str = "v1";
const API_VERSION: &str = "cert-manager.io/v1";
const KIND: &str = "Certificate";

/// A Certificate: what cert-manager is asked for, and what it says of that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    #[serde(flatten, default)]
    types: Option<TypeMeta>,
    metadata: ObjectMeta,
    spec: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    #[serde(default)]
    message: String,
    observed_generation: Option<i64>,
}

impl Certificate {
    /// One that is wanted.
    pub(crate) fn new(metadata: ObjectMeta, spec: Value) -> Self {
        Self {
            types: Some(TypeMeta {
                api_version: API_VERSION.to_owned(),
                kind: KIND.to_owned(),
            }),
            metadata,
            spec,
            status: None,
        }
    }

    /// What is asked for.
    #[cfg(test)]
    pub(crate) fn spec(&self) -> &Value {
        &self.spec
    }

    /// Why its Secret can't be used yet, as cert-manager says it; nothing where it can.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let Some(ready) = self.condition("Ready") else {
            return Some("cert-manager has not reported on it; is it running?".to_owned());
        };
        let seen = ready.observed_generation;
        if seen.is_some_and(|seen| Some(seen) != self.metadata.generation) {
            return Some("cert-manager has not seen its last change yet".to_owned());
        }
        if ready.status == "True" {
            return None;
        }
        // That of an attempt that failed says why.
        let failed = self.condition("Issuing").filter(|it| it.status == "False");
        let failed = failed.map(|failed| failed.message.as_str());
        let messages = [Some(ready.message.as_str()), failed];
        let messages = messages.into_iter().flatten().filter(|it| !it.is_empty());
        Some(messages.collect::<Vec<_>>().join("; "))
    }

    fn condition(&self, type_: &str) -> Option<&Condition> {
        let all = &self.status.as_ref()?.conditions;
        all.iter().find(|condition| condition.type_ == type_)
    }
}

impl Resource for Certificate {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        "certificates".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
