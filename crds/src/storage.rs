//! The volume of a node.

use crate::schema::quantity;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The volume of a node, claimed by the operator.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
        .message("storage.storageClassName: can't be changed, since claims can't; make a pool of the new class, and delete this one once its files are there"),
    validation = Rule::new("quantity(self.reserve).compareTo(quantity(self.size)) < 0")
        .message("storage.reserve: must be less than storage.size"),
)]
pub struct Storage {
    /// Size of each volume. It may grow where the class allows that; it can't be
    /// less than what a volume of the pool already has.
    #[schemars(schema_with = "quantity")]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('128Mi')) >= 0")
        .message("storage.size: must be 128Mi at least"))]
    pub size: Quantity,
    /// Class of the volumes; the cluster's default where it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        pattern(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub storage_class_name: Option<String>,
    /// Labels added to the claims when they are made or grow; those of the operator
    /// can't be replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('fileserver.dev/') && !key.startsWith('app.kubernetes.io/'))")
        .message("storage.labels: keys of fileserver.dev/ and app.kubernetes.io/ are the operator's own"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the claims when they are made or grow; those of the
    /// operator can't be replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('fileserver.dev/'))")
        .message("storage.annotations: keys of fileserver.dev/ are the operator's own"))]
    pub annotations: BTreeMap<String, String>,
    /// Room on each volume that uploads never use.
    #[serde(default = "reserve")]
    #[schemars(schema_with = "quantity")]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('0')) >= 0")
        .message("storage.reserve: must not be negative"))]
    pub reserve: Quantity,
}

fn reserve() -> Quantity {
    Quantity("64Mi".to_owned())
}
