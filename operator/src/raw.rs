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
mod tests {
    use super::*;
    use serde_json::json;

    fn pool(spec: Value, status: Value) -> RawPool {
        let object = json!({
            "apiVersion": "fileserver.dev/v1alpha1",
            "kind": "FileServerPool",
            "metadata": { "name": "p", "namespace": "a" },
            "spec": spec,
            "status": status,
        });
        serde_json::from_value(object).expect("whatever is in it")
    }

    #[test]
    fn what_a_later_release_added_is_passed_over() {
        let spec = json!({
            "storage": { "size": "1Gi", "tier": "fast" },
            "scheduling": { "later": 1 },
            "security": { "later": 1 },
            "scrub": { "later": 1 },
            "autoscaling": { "maxReplicas": 2, "filesPerNode": 1, "later": 1 },
            "later": { "a": [1] },
        });
        let read = pool(spec, json!({ "files": 3, "later": true })).read();
        let (spec, status) = read.expect("unknown fields are ignored");
        assert_eq!(spec.storage.size.0, "1Gi");
        assert_eq!(status.map(|status| status.files), Some(3));
    }

    #[test]
    fn a_pool_that_cant_be_read_says_where() {
        let size = json!({ "size": "1Gi" });
        for (spec, status, part) in [
            (json!({ "storage": 7 }), Value::Null, "spec"),
            (
                json!({ "storage": size, "deletionPolicy": "Archive" }),
                Value::Null,
                "Archive",
            ),
            (
                json!({ "storage": size }),
                json!({ "files": "many", "managedBy": "a/b" }),
                "status",
            ),
            (Value::Null, Value::Null, "spec"),
        ] {
            let raw = pool(spec, status);
            let error = raw.read().expect_err(part);
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        let raw = pool(Value::Null, json!({ "managedBy": "a/b" }));
        assert_eq!(raw.managed_by(), Some("a/b"));
    }
}
