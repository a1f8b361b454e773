//! What cert-manager says, and what is made of it.

use super::*;
use crate::names::PoolName;
use crate::played::Played;
use serde_json::{Value, json};

/// A Certificate as the API server has it, with these conditions.
fn there(conditions: Value) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": "p-node", "namespace": "team", "generation": 2,
            "ownerReferences": [
                { "apiVersion": "x", "kind": "FileServerPool", "name": "p", "uid": "1" },
            ],
        },
        "spec": { "secretName": "p-node-tls", "uris": ["spiffe://files.dfs/node/team/p"] },
        "status": { "conditions": conditions },
    })
}

fn ready() -> Value {
    json!([{ "type": "Ready", "status": "True", "message": "fine", "observedGeneration": 2 }])
}

fn read(value: Value) -> Certificate {
    serde_json::from_value(value).expect("a Certificate")
}

/// What is wanted, without what the API server adds.
fn wanted() -> Certificate {
    let mut wanted = there(json!([]));
    wanted["status"] = Value::Null;
    wanted["metadata"]["generation"] = Value::Null;
    read(wanted)
}

#[test]
fn a_certificate_is_used_once_cert_manager_says_that_it_is_ready() {
    assert_eq!(read(there(ready())).not_ready(), None);
    let failed = json!([
        { "type": "Ready", "status": "False", "message": "Issuing certificate as Secret does not exist",
          "observedGeneration": 2 },
        { "type": "Issuing", "status": "False", "message": "The certificate request has failed" },
    ]);
    let why = read(there(failed)).not_ready().expect("not ready");
    assert!(
        why.contains("does not exist; The certificate request has failed"),
        "{why}"
    );
    let earlier = json!([{ "type": "Ready", "status": "True", "observedGeneration": 1 }]);
    let why = read(there(earlier)).not_ready().expect("not ready");
    assert!(why.contains("last change"), "{why}");
    for silent in [
        there(json!([])),
        serde_json::to_value(wanted()).expect("JSON"),
    ] {
        let why = read(silent).not_ready().expect("not ready");
        assert!(why.contains("is it running?"), "{why}");
    }
}

#[test]
fn one_list_answers_for_all_pools_of_a_namespace() {
    let found = [read(there(ready()))];
    assert!(is_in(&found, &wanted()).expect("compared"));
    let mut other = there(json!([]));
    other["spec"]["uris"] = json!(["spiffe://files.dfs/node/team/q"]);
    assert!(
        !is_in(&found, &read(other)).expect("compared"),
        "another identity"
    );
    assert!(!is_in(&[], &wanted()).expect("compared"));
    let waits = [read(there(json!([])))];
    assert!(!is_in(&waits, &wanted()).expect("compared"), "not issued");
}

fn refusal(code: u16, message: &str) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        _ => "Forbidden",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "metadata": {},
    });
    (code, body)
}

async fn asked(answers: Vec<(u16, Value)>) -> (Result<(Change, Found), ApplyError>, Vec<String>) {
    let played = Played::new(answers).await;
    let client = played.client();
    let applier = Applier::new(client.clone());
    let (release, name) = (
        Release::sample_of_cert_manager(),
        PoolName {
            namespace: "team".to_owned(),
            name: "p".to_owned(),
        },
    );
    let owner = Owner {
        uid: "1",
        name: &name,
        adopts: false,
    };
    let done = ask(&client, &applier, &release, wanted(), owner).await;
    (done, played.asked())
}

fn list(items: &[Value]) -> (u16, Value) {
    let body = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateList", "metadata": {},
        "items": items,
    });
    (200, body)
}

#[tokio::test]
async fn a_cluster_without_cert_manager_is_named_as_such() {
    let missing = || refusal(404, "the server could not find the requested resource");
    let (done, asked) = asked(vec![missing(), missing()]).await;
    let error = done.expect_err("there is no such kind");
    assert!(!error.is_reported(), "it is logged");
    let why = error.trouble();
    assert!(why.is_by_hand() && !why.is_brief());
    let why = error.to_string();
    assert!(
        why.contains("Certificate team/p-node") && why.contains("cert-manager.io/v1"),
        "{why}"
    );
    assert!(
        asked[1].starts_with("PATCH /apis/cert-manager.io/v1/namespaces/team/certificates/p-node")
    );
}

#[tokio::test]
async fn a_pool_waits_for_its_certificate_and_says_for_which() {
    let waits = there(json!([{ "type": "Ready", "status": "False", "message": "no issuer" }]));
    let answers = vec![
        refusal(404, "no such one"),
        (201, waits.clone()),
        list(&[waits]),
    ];
    let (done, asked) = asked(answers).await;
    let error = done.expect_err("not ready");
    assert!(error.is_reported() && error.trouble().is_brief());
    let why = error.to_string();
    assert!(
        why.contains("Certificate team/p-node") && why.contains("no issuer"),
        "{why}"
    );
    let selector = "labelSelector=";
    assert!(asked[2].contains(selector), "{asked:?}");
}

#[tokio::test]
async fn what_the_operator_may_not_do_is_no_missing_cert_manager() {
    let (done, _) = asked(vec![refusal(403, "certificates is forbidden")]).await;
    let error = done.expect_err("refused");
    assert!(matches!(error, ApplyError::Api { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_as_it_is_wanted_is_written_once_and_found_ready() {
    let there = there(ready());
    let (done, asked) = asked(vec![
        (200, there.clone()),
        (200, there.clone()),
        list(&[there]),
    ])
    .await;
    let (_, found) = done.expect("ready");
    assert_eq!(found.len(), 1);
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn a_secret_without_its_authority_is_refused_by_name() {
    let secret = |data: Value| -> Secret {
        serde_json::from_value(json!({ "metadata": { "name": "x" }, "data": data }))
            .expect("a Secret")
    };
    // "a" in base64.
    let whole = texts(&secret(
        json!({ "tls.crt": "YQ==", "tls.key": "YQ==", "ca.crt": "YQ==" }),
    ));
    assert_eq!(whole.expect("texts"), ["a", "a", "a"].map(str::to_owned));
    for data in [
        json!({ "tls.crt": "YQ==", "tls.key": "YQ==" }),
        json!({ "tls.crt": "YQ==", "tls.key": "YQ==", "ca.crt": "" }),
    ] {
        let why = texts(&secret(data)).expect_err("refused").to_string();
        assert!(why.contains("ca.crt"), "{why}");
    }
}
