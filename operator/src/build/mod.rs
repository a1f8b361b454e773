//! The objects of a pool, as the API server must have them. Pure: values come in, and
//! objects go out.

mod claim;
mod container;
mod guards;
mod issued;
mod pod;
mod set;

pub(crate) use claim::claim;
pub(crate) use container::CONTAINER;
pub(crate) use set::{DOOMED_FROM, LEAVING, MANAGED_BY};

use crate::names::labels;
use crate::quantity::Amount;
use crate::release::{CertificateSource, Release};
use crate::requested::Certificate;
use crate::validate::ValidatedPool;
use crds::FileServerPool;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PodSpec, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kit::tls::FILES;
use kube::Resource;
use proto::identity::NotAnIdentity;
use std::collections::BTreeMap;

/// What the plan decided about the StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Pods.
    pub(crate) replicas: i32,
    /// Ordinals below it keep the revision they have.
    pub(crate) partition: i32,
    /// Ordinals from here on are doomed, or were and are not all opened again.
    pub(crate) doomed_from: Option<i32>,
    /// The ordinal that may be taken away.
    pub(crate) leaving: Option<i32>,
    /// Size of the claim template, which can't change: what it was made with.
    pub(crate) template_size: Option<Amount>,
}

/// A pool with all that building needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The release.
    pub(crate) release: &'a Release,
    /// The pool.
    pub(crate) pool: &'a ValidatedPool,
    /// Whether no node may be evicted.
    pub(crate) frozen: bool,
}

/// Everything of a pool but its keys, StatefulSet and claims.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The pods' account, which may do nothing.
    pub(crate) account: ServiceAccount,
    /// Gives the pods their names.
    pub(crate) service: Service,
    /// At most one node is evicted at a time.
    pub(crate) disruption: PodDisruptionBudget,
    /// Who may reach the nodes.
    pub(crate) network: NetworkPolicy,
}

impl Parts<'_> {
    /// Everything but keys, StatefulSet and claims.
    pub(crate) fn objects(&self) -> Objects {
        Objects {
            account: guards::account(self),
            service: guards::service(self),
            disruption: guards::disruption(self),
            network: guards::network(self),
        }
    }

    /// The certificate of its nodes, where cert-manager makes it.
    pub(crate) fn certificate(&self) -> Result<Option<Certificate>, NotAnIdentity> {
        issued::certificate(self)
    }

    /// The StatefulSet.
    pub(crate) fn set(&self, shape: &Shape) -> StatefulSet {
        set::set(self, shape)
    }

    /// Metadata of an object that the pool has once, and that goes with it.
    fn owned(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.pool.name.nodes()),
            namespace: Some(self.pool.name.namespace.clone()),
            labels: Some(labels(self.release, &self.pool.name)),
            owner_references: Some(vec![self.owner()]),
            ..ObjectMeta::default()
        }
    }

    fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: FileServerPool::api_version(&()).into_owned(),
            kind: FileServerPool::kind(&()).into_owned(),
            name: self.pool.name.name.clone(),
            uid: self.pool.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// Who made the certificates that a pod of a pool mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Maker {
    /// The operator.
    Operator,
    /// cert-manager.
    CertManager,
}

impl Maker {
    /// Who makes them of this source.
    pub(crate) fn of(source: &CertificateSource) -> Self {
        match source {
            CertificateSource::Operator(_) => Self::Operator,
            CertificateSource::CertManager(_) => Self::CertManager,
        }
    }
}

/// Who made the certificates that a pod mounts, where it mounts any: cert-manager's are in
/// a Secret of the pool's own, in which they bear the names of the files.
pub(crate) fn certified_by(pod: &PodSpec) -> Option<Maker> {
    let volumes = pod.volumes.as_deref().unwrap_or_default();
    let mut volumes = volumes.iter();
    let certs = volumes.find(|volume| volume.name == container::CERTIFICATES)?;
    let secret = certs.secret.as_ref();
    let items = secret.and_then(|secret| secret.items.as_deref());
    let mut items = items.unwrap_or_default().iter();
    match items.any(|item| item.key == FILES[0]) {
        true => Some(Maker::CertManager),
        false => Some(Maker::Operator),
    }
}

/// The same of the pods that a set makes from now on.
pub(crate) fn set_certified_by(set: &StatefulSet) -> Option<Maker> {
    set.spec.template.spec.as_ref().and_then(certified_by)
}

/// Selects what has these labels.
fn matching(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    }
}

#[cfg(test)]
mod tests;
