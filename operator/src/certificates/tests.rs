use super::*;
use crate::played::Played;
use crate::release::CertificateSource;
use authority::Terms;
use kit::tls::Mutual;
use serde_json::{Value, json};
use std::time::Duration;

fn pool(name: &str) -> PoolName {
    PoolName {
        namespace: "team".to_owned(),
        name: name.to_owned(),
    }
}

fn terms(release: &Release) -> CertificateTerms {
    match &release.certificates {
        Some(CertificateSource::Operator(terms)) => terms.clone(),
        other => panic!("{other:?}"),
    }
}

/// Those of the release that tests have, with authorities that are made now.
fn made() -> Certificates {
    let release = Release::sample();
    let terms = terms(&release);
    let made = Certificates::new(&release, terms, Gauge::default());
    let (release, terms) = (release.in_identities(), Terms::default());
    let chain = Chain::first(&release, &terms, SystemTime::now()).expect("made");
    *made.chain.lock() = Some(Arc::new(chain));
    made
}

/// What a Secret has after a write.
fn written(there: &Entries, wanted: Entries) -> Entries {
    let mut all = there.clone();
    all.extend(wanted);
    all
}

#[test]
fn a_pool_has_its_own_certificate_beside_those_of_others() {
    let certificates = made();
    let [p, q] = ["p", "q"].map(pool);
    let first = certificates.of_pool(&p, None).expect("made");
    let names: Vec<_> = first.keys().map(String::as_str).collect();
    assert_eq!(names, ["ca.crt", "p.tls.crt", "p.tls.key"]);
    assert!(certificates.are_in(&first, &p));
    assert!(!certificates.are_in(&first, &q));
    assert!(
        certificates
            .of_pool(&p, Some(&first))
            .expect("made")
            .is_empty()
    );
    let second = certificates.of_pool(&q, Some(&first)).expect("made");
    let names: Vec<_> = second.keys().map(String::as_str).collect();
    assert_eq!(names, ["q.tls.crt", "q.tls.key"]);
    let both = written(&first, second);
    assert!(certificates.are_in(&both, &p) && certificates.are_in(&both, &q));
    let texts = secret::texts(&both).expect("texts");
    let used = ["p.tls.crt", "p.tls.key", "ca.crt"].map(|name| texts[name].clone());
    let used = Mutual::of(&used).expect("usable");
    assert_eq!(
        used.identity().to_string(),
        "spiffe://files.dfs/node/team/p"
    );
}

#[test]
fn no_pool_can_have_the_name_of_the_trust() {
    let certificates = made();
    let all = certificates.of_pool(&pool("ca"), None).expect("made");
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["ca.crt", "ca.tls.crt", "ca.tls.key"]);
    assert!(certificates.are_in(&all, &pool("ca")));
}

#[test]
fn what_does_not_fit_is_made_anew() {
    let certificates = made();
    let [p, q] = ["p", "q"].map(pool);
    let good = certificates.of_pool(&p, None).expect("made");
    let renews = |entries: &Entries| {
        let wanted = certificates.of_pool(&p, Some(entries)).expect("made");
        assert_eq!(wanted.is_empty(), certificates.are_in(entries, &p));
        wanted.into_keys().collect::<Vec<_>>()
    };
    assert!(renews(&good).is_empty());
    for name in ["p.tls.crt", "p.tls.key"] {
        let mut without = good.clone();
        without.remove(name);
        assert_eq!(renews(&without), ["p.tls.crt", "p.tls.key"], "{name}");
    }
    let mut untrusted = good.clone();
    untrusted.remove("ca.crt");
    assert_eq!(renews(&untrusted), ["ca.crt"]);
    // Of another pool, and the key of another certificate.
    let other = certificates.of_pool(&q, None).expect("made");
    let mut of_other = good.clone();
    of_other.insert("p.tls.crt".to_owned(), other["q.tls.crt"].clone());
    of_other.insert("p.tls.key".to_owned(), other["q.tls.key"].clone());
    assert_eq!(renews(&of_other), ["p.tls.crt", "p.tls.key"]);
    let mut mixed = good.clone();
    mixed.insert("p.tls.key".to_owned(), other["q.tls.key"].clone());
    assert_eq!(renews(&mixed), ["p.tls.crt", "p.tls.key"]);
    // Signed by an authority that is none of ours.
    let strange = made().of_pool(&p, None).expect("made");
    assert_eq!(renews(&strange), ["ca.crt", "p.tls.crt", "p.tls.key"]);
}

#[test]
fn before_there_is_an_authority_nothing_is_made() {
    let release = Release::sample();
    let terms = terms(&release);
    let none = Certificates::new(&release, terms, Gauge::default());
    assert!(none.of_pool(&pool("p"), None).is_err());
    assert!(!none.are_in(&Entries::new(), &pool("p")));
    assert!(none.own().get().is_none());
}

#[test]
fn the_operators_own_is_made_once_and_renewed_with_the_authority() {
    let certificates = made();
    let chain = certificates.chain.lock().take().expect("made");
    let now = SystemTime::now();
    certificates.renew_own(&chain, now).expect("made");
    let first = certificates.entries.lock().clone();
    certificates.renew_own(&chain, now).expect("kept");
    assert_eq!(*certificates.entries.lock(), first);
    let own = certificates.own().get().expect("it is there");
    assert_eq!(own.identity().to_string(), "spiffe://files.dfs/operator");
    let later = Chain::first("files.dfs", &Terms::default(), now).expect("made");
    certificates.renew_own(&later, now).expect("made");
    let second = certificates.entries.lock().clone();
    assert!(
        ["tls.crt", "tls.key", "ca.crt"]
            .iter()
            .all(|name| second[*name] != first[*name])
    );
}

#[test]
fn an_authority_signs_only_once_all_secrets_have_had_it_for_long_enough() {
    let certificates = made();
    let (terms, now) = (Terms::default(), SystemTime::now());
    let mut chain = Chain::first("files.dfs", &terms, now).expect("made");
    assert!(
        certificates.may_advance(&chain, now),
        "there is no other one"
    );
    let later = now + terms.authority * 3 / 4;
    assert!(chain.advance(&terms, later).expect("made"));
    assert!(chain.has_next());
    assert!(
        !certificates.may_advance(&chain, later),
        "nobody has it yet"
    );
    let given = |trust: String, ago: Duration| {
        let since = Instant::now().checked_sub(ago);
        *certificates.given.lock() = since.map(|since| (trust, since));
    };
    given(chain.trust(), terms.spread / 2);
    assert!(!certificates.may_advance(&chain, later));
    given("another one".to_owned(), 2 * terms.spread);
    assert!(!certificates.may_advance(&chain, later));
    given(chain.trust(), terms.spread);
    assert!(certificates.may_advance(&chain, later));
    // Nothing is left to lose.
    *certificates.given.lock() = None;
    assert!(certificates.may_advance(&chain, now + 2 * terms.authority));
}

#[test]
fn the_pools_of_a_secret_are_those_that_have_a_certificate() {
    let certificates = made();
    let mut all = certificates.of_pool(&pool("p"), None).expect("made");
    let more = certificates.of_pool(&pool("q"), Some(&all)).expect("made");
    all.extend(more);
    for other in ["r", ".tls.crt", "r.crt", "tls.crt"] {
        all.insert(other.to_owned(), ByteString(b"a key".to_vec()));
    }
    let found = certified("team", &all);
    assert_eq!(found, [pool("p"), pool("q")]);
}

fn refusal(code: u16) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        _ => "Forbidden",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": "no", "metadata": {},
    });
    (code, body)
}

fn taken() -> (u16, Value) {
    let body = json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "taken" } });
    (201, body)
}

/// What one turn of a release without any Secret asks, where this is answered.
async fn turned(answers: Vec<(u16, Value)>) -> (Certificates, Result<()>, Vec<String>) {
    let release = Release::sample();
    let terms = terms(&release);
    let certificates = Certificates::new(&release, terms, Gauge::default());
    let played = Played::new(answers).await;
    let client = played.client();
    let turned = certificates
        .turn(&client, &release, &|_| None, SystemTime::now())
        .await;
    (certificates, turned, played.asked())
}

const AUTHORITY: &str = "/api/v1/namespaces/dfs/secrets/files-authority";
const MANAGERS: &str = "/api/v1/namespaces/dfs/secrets/files-managers";
const POOLS: [&str; 2] = [
    "/api/v1/namespaces/dfs/secrets/files-nodes",
    "/api/v1/namespaces/team/secrets/dfs.files-nodes",
];

/// Without the query.
fn asks(asked: &[String]) -> Vec<&str> {
    let path = |text: &String| text.split('?').next().map_or(0, str::len);
    asked.iter().map(|text| &text[..path(text)]).collect()
}

#[tokio::test]
async fn an_authority_is_kept_before_anything_is_signed_with_it() {
    let none = || refusal(404);
    let all = vec![none(), taken(), none(), taken(), none(), none()];
    let (certificates, turned, asked) = turned(all).await;
    turned.expect("all is made");
    let secrets = "POST /api/v1/namespaces/dfs/secrets";
    let get = |path: &str| format!("GET {path}");
    let wanted = [
        get(AUTHORITY),
        secrets.to_owned(),
        get(MANAGERS),
        secrets.to_owned(),
        get(POOLS[0]),
        get(POOLS[1]),
    ];
    assert_eq!(asks(&asked), wanted);
    assert!(certificates.own().get().is_some());
    assert!(certificates.of_pool(&pool("p"), None).is_ok());
}

#[tokio::test]
async fn what_can_not_be_kept_is_given_to_nobody() {
    let (certificates, turned, asked) = turned(vec![refusal(404), refusal(403)]).await;
    assert!(turned.is_err());
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(certificates.own().get().is_none());
    assert!(certificates.of_pool(&pool("p"), None).is_err());
}

#[tokio::test]
async fn a_namespace_that_is_gone_holds_up_no_authority_and_one_that_is_closed_does() {
    let none = || refusal(404);
    let made = || vec![none(), taken(), none(), taken(), none(), refusal(403)];
    for (namespace, held_up) in [
        (none(), false),
        (
            (
                200,
                json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "team" } }),
            ),
            true,
        ),
    ] {
        let mut answers = made();
        answers.push(namespace);
        let (_, turned, asked) = turned(answers).await;
        assert_eq!(turned.is_err(), held_up, "{asked:?}");
    }
}

#[tokio::test]
async fn the_secret_of_somebody_else_is_left_alone() {
    let others = json!({
        "kind": "Secret", "apiVersion": "v1", "data": {},
        "metadata": { "name": "files-authority", "annotations": {} },
    });
    let (certificates, turned, asked) = turned(vec![(200, others)]).await;
    let why = format!("{:#}", turned.expect_err("it is another's"));
    assert!(why.contains("Secret dfs/files-authority is there"), "{why}");
    assert_eq!(asked.len(), 1);
    assert!(certificates.own().get().is_none());
}
