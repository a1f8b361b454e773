//! Whether a change of the inner ports' certificates leaves nodes behind.

use crate::build::mounts_certificates;
use k8s_openapi::api::apps::v1::StatefulSet;

/// What the release is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Wanted {
    /// No certificates.
    None,
    /// Certificates, and nodes that have none yet are let in.
    Optional,
    /// Certificates, and nobody is let in without one.
    Required,
}

/// Which nodes of a set have certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Have {
    /// None of them, and none gets one at its next start.
    None,
    /// All get one at their next start, and some have not restarted yet.
    Some,
    /// All that there are.
    All,
}

/// Which nodes have certificates; pure.
pub(super) fn have(set: &StatefulSet) -> Have {
    if !mounts_certificates(set) {
        return Have::None;
    }
    let status = set.status.as_ref();
    let there = status.map_or(0, |status| status.replicas);
    let updated = status.and_then(|status| status.updated_replicas);
    // Before that the numbers are those of the template before.
    let seen = status.and_then(|status| status.observed_generation);
    match updated.unwrap_or(0) >= there && seen >= set.metadata.generation {
        true => Have::All,
        false => Have::Some,
    }
}

/// Why what is wanted would leave nodes behind, where it would; pure.
pub(super) fn refusal(wanted: Wanted, sets: &[(String, Have)]) -> Option<String> {
    let with = |which: fn(Have) -> bool| sets.iter().find(|(_, have)| which(*have));
    match wanted {
        Wanted::Optional => None,
        Wanted::Required => with(|have| have != Have::All).map(|(set, _)| {
            format!(
                "tls.inner: nodes of {set} have no certificate yet, and the managers would not \
                 let them in: upgrade with tls.inner.acceptPlain=true first, and without it once all \
                 nodes have restarted"
            )
        }),
        Wanted::None => with(|have| have != Have::None).map(|(set, _)| {
            format!(
                "tls.inner.mode: nodes of {set} have certificates, and managers without any would \
                 not reach them: set it to operator"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn set(volumes: Value, replicas: i32, updated: i32) -> StatefulSet {
        seen(volumes, replicas, updated, 7)
    }

    fn seen(volumes: Value, replicas: i32, updated: i32, generation: i64) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": { "name": "p-node", "generation": 7 },
            "spec": {
                "selector": {}, "serviceName": "p-node",
                "template": { "spec": { "containers": [], "volumes": volumes } },
            },
            "status": {
                "replicas": replicas, "updatedReplicas": updated, "observedGeneration": generation,
            },
        }))
        .expect("a set")
    }

    #[test]
    fn nodes_have_certificates_once_they_have_restarted() {
        let (without, with) = (json!([{ "name": "token" }]), json!([{ "name": "certs" }]));
        assert_eq!(have(&set(without, 3, 3)), Have::None);
        assert_eq!(have(&set(with.clone(), 3, 2)), Have::Some);
        assert_eq!(have(&set(with.clone(), 3, 3)), Have::All);
        assert_eq!(have(&set(with.clone(), 0, 0)), Have::All);
        assert_eq!(have(&seen(with, 3, 3, 6)), Have::Some, "not looked at yet");
    }

    #[test]
    fn no_node_is_left_behind() {
        let sets = |all: &[Have]| -> Vec<_> {
            let named = |have: &Have| ("dfs/p-node".to_owned(), *have);
            all.iter().map(named).collect()
        };
        for (wanted, have, refused) in [
            (Wanted::None, &[][..], false),
            (Wanted::None, &[Have::None], false),
            (Wanted::None, &[Have::None, Have::Some], true),
            (Wanted::None, &[Have::All], true),
            (
                Wanted::Optional,
                &[Have::None, Have::Some, Have::All],
                false,
            ),
            (Wanted::Required, &[], false),
            (Wanted::Required, &[Have::All], false),
            (Wanted::Required, &[Have::All, Have::Some], true),
            (Wanted::Required, &[Have::None], true),
        ] {
            let why = refusal(wanted, &sets(have));
            assert_eq!(why.is_some(), refused, "{wanted:?} {have:?}");
            assert!(
                why.is_none_or(|why| why.starts_with("tls.inner") && why.contains("dfs/p-node"))
            );
        }
    }
}
