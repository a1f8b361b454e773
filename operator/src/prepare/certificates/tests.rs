//! What a change of the certificates may not leave behind.

use super::*;
use serde_json::{Value, json};

const OPERATOR: Option<Maker> = Some(Maker::Operator);
const CERT_MANAGER: Option<Maker> = Some(Maker::CertManager);

/// The volumes of a pod with such certificates.
fn volumes(maker: Option<Maker>) -> Value {
    let certs = |key: &str| {
        json!([{ "name": "certs", "secret": {
            "secretName": "x", "items": [{ "key": key, "path": "tls.crt" }],
        } }])
    };
    match maker {
        None => json!([{ "name": "token" }]),
        Some(Maker::Operator) => certs("p.tls.crt"),
        Some(Maker::CertManager) => certs("tls.crt"),
    }
}

fn set(next: Option<Maker>, replicas: i32, updated: i32, observed: i64) -> StatefulSet {
    serde_json::from_value(json!({
        "metadata": { "name": "p-node", "generation": 7 },
        "spec": {
            "selector": {}, "serviceName": "p-node",
            "template": { "spec": { "containers": [], "volumes": volumes(next) } },
        },
        "status": {
            "replicas": replicas, "updatedReplicas": updated, "observedGeneration": observed,
        },
    }))
    .expect("a set")
}

fn pod(maker: Option<Maker>) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "p-node-0" },
        "spec": { "containers": [], "volumes": volumes(maker) },
    }))
    .expect("a pod")
}

fn has(next: Option<Maker>, now: &[Option<Maker>], settled: bool) -> Have {
    Have {
        next,
        now: now.iter().copied().collect(),
        settled,
    }
}

#[test]
fn what_nodes_have_is_in_their_pods_and_what_they_get_in_their_set() {
    let pods = [pod(None), pod(OPERATOR)];
    let found = have(&set(OPERATOR, 2, 1, 7), pods.iter());
    assert_eq!(found, has(OPERATOR, &[None, OPERATOR], false));
    let pods = [pod(CERT_MANAGER)];
    let found = have(&set(CERT_MANAGER, 1, 1, 7), pods.iter());
    assert_eq!(found, has(CERT_MANAGER, &[CERT_MANAGER], true));
    let none = have(&set(OPERATOR, 0, 0, 7), [].iter());
    assert_eq!(none, has(OPERATOR, &[], true));
    let unseen = have(&set(OPERATOR, 1, 1, 6), pods.iter());
    assert!(!unseen.settled, "not looked at yet");
}

/// Nodes that all have these.
fn all(by: Option<Maker>) -> Have {
    has(by, &[by], true)
}

/// Nodes of which some have restarted.
fn rolls(from: Option<Maker>, to: Option<Maker>) -> Have {
    has(to, &[from, to], false)
}

/// Such nodes are let in, or refused with these words.
fn check(wanted: Wanted, maker: Maker, have: &[Have], refused: Option<&str>) {
    let named = |have: &Have| ("dfs/p-node".to_owned(), have.clone());
    let named: Vec<_> = have.iter().map(named).collect();
    let why = refusal(wanted, maker, &named);
    let case = format!("{wanted:?} {maker:?} {have:?}: {why:?}");
    match (why, refused) {
        (None, None) => {}
        (Some(why), Some(says)) => {
            let names = why.starts_with("tls.inner") && why.contains("dfs/p-node");
            assert!(names && why.contains(says), "{case}");
        }
        _ => panic!("{case}"),
    }
}

#[test]
fn managers_without_certificates_leave_no_node_with_some_behind() {
    let check = |have: &[Have], refused| check(Wanted::None, Maker::Operator, have, refused);
    check(&[], None);
    check(&[all(None)], None);
    // An image that is rolled, in a release that never had any.
    check(&[has(None, &[None], false)], None);
    let way = Some("plainNodes");
    check(&[all(None), rolls(None, OPERATOR)], way);
    check(&[all(OPERATOR)], way);
    check(&[all(CERT_MANAGER)], way);
    // On the way back, and not there yet.
    check(&[rolls(OPERATOR, None)], way);
}

#[test]
fn managers_that_let_all_in_leave_no_node_of_another_maker_behind() {
    let optional = |maker, have: &[Have], refused| check(Wanted::Optional, maker, have, refused);
    let both = [rolls(None, OPERATOR), rolls(OPERATOR, None)];
    optional(Maker::Operator, &both, None);
    optional(Maker::Operator, &[all(None), all(OPERATOR)], None);
    let comes = rolls(None, CERT_MANAGER);
    optional(Maker::CertManager, &[all(None), comes], None);
    let other = Some("of the operator");
    optional(Maker::CertManager, &[all(OPERATOR)], other);
    optional(Maker::CertManager, &[rolls(OPERATOR, None)], other);
    optional(Maker::Operator, &[all(CERT_MANAGER)], Some("plainNodes"));
}

#[test]
fn managers_that_want_certificates_leave_no_node_without_behind() {
    let required = |maker, have: &[Have], refused| check(Wanted::Required, maker, have, refused);
    required(Maker::Operator, &[], None);
    required(Maker::Operator, &[all(OPERATOR)], None);
    required(Maker::CertManager, &[all(CERT_MANAGER)], None);
    required(Maker::Operator, &[has(OPERATOR, &[], true)], None);
    let first = Some("acceptPlain");
    let restarts = has(OPERATOR, &[OPERATOR], false);
    required(Maker::Operator, &[restarts], first);
    required(
        Maker::Operator,
        &[all(OPERATOR), rolls(None, OPERATOR)],
        first,
    );
    required(Maker::Operator, &[all(None)], Some("no certificate yet"));
    required(
        Maker::CertManager,
        &[all(OPERATOR)],
        Some("of the operator"),
    );
    required(
        Maker::Operator,
        &[all(CERT_MANAGER)],
        Some("of cert-manager"),
    );
}
