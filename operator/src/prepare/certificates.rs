//! Whether a change of the inner ports' certificates leaves nodes behind. Managers and nodes
//! reach each other where both have certificates of one maker, or where the node has none
//! and the managers let such nodes in.

use crate::build::{Maker, certified_by, set_certified_by};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeSet;

/// Whom managers let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Wanted {
    /// No certificates.
    None,
    /// Certificates, and nodes that have none yet are let in.
    Optional,
    /// Certificates, and nobody is let in without one.
    Required,
}

/// Which certificates the nodes of a set have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Have {
    /// Who makes those that they get at their next start.
    next: Option<Maker>,
    /// Who made those of the pods that there are.
    now: BTreeSet<Option<Maker>>,
    /// Whether all pods are made of the present template.
    settled: bool,
}

/// Which certificates nodes have, by their set and its pods; pure.
pub(super) fn have<'a>(set: &StatefulSet, pods: impl Iterator<Item = &'a Pod>) -> Have {
    let status = set.status.as_ref();
    let there = status.map_or(0, |status| status.replicas);
    let updated = status.and_then(|status| status.updated_replicas);
    // Before that the numbers are those of the template before.
    let seen = status.and_then(|status| status.observed_generation);
    let specs = pods.filter_map(|pod| pod.spec.as_ref());
    Have {
        next: set_certified_by(set),
        now: specs.map(certified_by).collect(),
        settled: updated.unwrap_or(0) >= there && seen >= set.metadata.generation,
    }
}

impl Have {
    /// All that nodes have now, or may have in a moment.
    fn all(&self) -> impl Iterator<Item = Option<Maker>> {
        self.now.iter().copied().chain([self.next])
    }

    /// Whether managers with these certificates reach all nodes, and are reached by them.
    fn fits(&self, wanted: Wanted, maker: Maker) -> bool {
        match wanted {
            Wanted::None => self.all().all(|has| has.is_none()),
            Wanted::Optional => self.all().all(|has| has.is_none_or(|by| by == maker)),
            Wanted::Required => self.settled && self.all().all(|has| has == Some(maker)),
        }
    }

    /// Whether some have, or get, certificates of another maker.
    fn of_another(&self, maker: Maker) -> bool {
        self.all().flatten().any(|by| by != maker)
    }
}

/// Why what is wanted would leave nodes behind, where it would; pure. `maker` is who makes
/// the certificates then.
pub(super) fn refusal(wanted: Wanted, maker: Maker, sets: &[(String, Have)]) -> Option<String> {
    let (set, have) = sets.iter().find(|(_, have)| !have.fits(wanted, maker))?;
    let way = "set it back, upgrade with tls.inner.acceptPlain=true and \
               tls.inner.plainNodes=true, and change it once all nodes have restarted";
    Some(match wanted {
        Wanted::None => format!(
            "tls.inner.mode: nodes of {set} have certificates, and managers without any would \
             not reach them: {way}"
        ),
        Wanted::Optional | Wanted::Required if have.of_another(maker) => format!(
            "tls.inner.mode: nodes of {set} have certificates of {}, and managers with those of {} \
             would not trust them, nor be trusted: {way}",
            by(other(maker)),
            by(maker)
        ),
        Wanted::Optional | Wanted::Required => format!(
            "tls.inner: nodes of {set} have no certificate yet, and the managers would not \
             let them in: upgrade with tls.inner.acceptPlain=true first, and without it once all \
             nodes have restarted"
        ),
    })
}

fn other(maker: Maker) -> Maker {
    match maker {
        Maker::Operator => Maker::CertManager,
        Maker::CertManager => Maker::Operator,
    }
}

fn by(maker: Maker) -> &'static str {
    match maker {
        Maker::Operator => "the operator",
        Maker::CertManager => "cert-manager",
    }
}

#[cfg(test)]
mod tests;
