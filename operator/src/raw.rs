//! Pools as they are watched, whatever is in them.

use anyhow::Context as _;
use crds::{FileServerPool, FileServerPoolSpec, FileServerPoolStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// A pool whose spec and status are not read yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RawPool {
    /// Its metadata.
    pub(crate) metadata: ObjectMeta,
    /// Its spec.
    #[serde(default)]
    pub(crate) spec: Value,
    /// Its status.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) status: Value,
}

impl Resource for RawPool {
    type DynamicType = ();
    type Scope = <FileServerPool as Resource>::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        FileServerPool::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        FileServerPool::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        FileServerPool::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        FileServerPool::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl RawPool {
    /// Reads spec and status; unknown fields are passed over.
    ///
    /// # Errors
    /// Names the part that can't be read.
    pub(crate) fn read(
        &self,
    ) -> anyhow::Result<(FileServerPoolSpec, Option<FileServerPoolStatus>)> {
        let spec = serde_json::from_value(self.spec.clone()).context("spec")?;
        let status = match self.status.is_null() {
            true => None,
            false => serde_json::from_value(self.status.clone()).context("status")?,
        };
        Ok((spec, status))
    }

    /// The release that serves it.
    pub(crate) fn managed_by(&self) -> Option<&str> {
        self.status.get("managedBy")?.as_str()
    }
}

#[cfg(test)]
mod tests;
