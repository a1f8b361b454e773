//! The reviews as they go to an API server over HTTP.

use super::super::cluster::Cluster;
use super::lines::Lines;
use super::*;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;

/// What was asked: method, path and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// An API server that gives one answer.
fn api_server(status: u16, answer: &Value) -> (Cluster, Asked) {
    let (asked, answer) = (Asked::default(), answer.to_string());
    let asks = asked.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (asks, answer) = (asks.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let body = serde_json::from_slice(&body).expect("JSON");
            asks.lock()
                .push((format!("{} {}", parts.method, parts.uri.path()), body));
            let response = http::Response::builder().status(status);
            let response = response.body(Body::from(answer.into_bytes()));
            Ok::<_, kube::Error>(response.expect("an answer"))
        }
    });
    (Cluster::new(Client::new(service, "default")), asked)
}

fn token_review(status: &Value) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": { "token": "secret", "audiences": [AUDIENCE] },
        "status": status,
    })
}

#[tokio::test]
async fn a_token_review_asks_for_the_audience_and_reads_the_user() {
    let (cluster, asked) = api_server(
        201,
        &token_review(&json!({
            "authenticated": true,
            "audiences": ["https://kubernetes.default.svc", AUDIENCE],
            "user": {
                "username": "system:serviceaccount:a:b",
                "uid": "7",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "extra": { "authentication.kubernetes.io/pod-name": ["p"] },
            },
        })),
    );
    let user = cluster.token("secret", AUDIENCE).await.expect("an answer");
    let wanted = UserInfo {
        username: "system:serviceaccount:a:b".to_owned(),
        uid: Some("7".to_owned()),
        groups: ["system:serviceaccounts", "system:authenticated"]
            .map(str::to_owned)
            .into(),
        extra: [(
            "authentication.kubernetes.io/pod-name".to_owned(),
            vec!["p".to_owned()],
        )]
        .into(),
    };
    assert_eq!(user, Some(wanted));
    let asked = asked.lock();
    let [(path, body)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(path, "POST /apis/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(body["kind"], "TokenReview");
    assert_eq!(body["apiVersion"], "authentication.k8s.io/v1");
    assert_eq!(
        body["spec"],
        json!({ "token": "secret", "audiences": [AUDIENCE] })
    );
}

#[tokio::test]
async fn only_a_named_user_who_authenticated_for_the_audience_is_known() {
    let user = json!({ "username": "u" });
    let ours = json!([AUDIENCE]);
    for status in [
        json!({}),
        json!({ "authenticated": false, "error": "the token secret is wrong" }),
        json!({ "audiences": ours, "user": user }),
        json!({ "authenticated": false, "audiences": ours, "user": user }),
        json!({ "authenticated": true, "user": user }),
        json!({ "authenticated": true, "audiences": [], "user": user }),
        json!({ "authenticated": true, "audiences": ["fileserver2"], "user": user }),
        json!({ "authenticated": true, "audiences": ours }),
        json!({ "authenticated": true, "audiences": ours, "user": {} }),
        json!({ "authenticated": true, "audiences": ours, "user": { "username": "" } }),
        json!({ "authenticated": true, "audiences": ours, "user": { "username": "a\nb" } }),
        Value::Null,
    ] {
        let (cluster, _) = api_server(201, &token_review(&status));
        let answer = cluster.token("secret", AUDIENCE).await;
        assert_eq!(answer, Ok(None), "{status}");
    }
}

#[tokio::test]
async fn an_access_review_asks_for_the_user_and_the_right() {
    let user = info("u");
    for (status, wanted) in [
        (json!({ "allowed": true }), true),
        (json!({ "allowed": true, "denied": false }), true),
        (json!({ "allowed": true, "denied": true }), false),
        (json!({ "allowed": false }), false),
        (Value::Null, false),
    ] {
        let (cluster, asked) = api_server(
            201,
            &json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "metadata": {},
                "spec": {},
                "status": status,
            }),
        );
        let answer = cluster.access(&user, "ns", Verb::Create).await;
        assert_eq!(answer, Ok(wanted), "{status}");
        let asked = asked.lock();
        let [(path, body)] = &asked[..] else {
            panic!("{asked:?}");
        };
        assert_eq!(
            path,
            "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"
        );
        assert_eq!(
            body["spec"],
            json!({
                "user": "u",
                "uid": "uid of u",
                "groups": ["system:authenticated"],
                "extra": { "credential": ["1"] },
                "resourceAttributes": {
                    "namespace": "ns",
                    "verb": "create",
                    "group": "fileserver.dev",
                    "resource": "files",
                },
            })
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_none_says_why_and_nothing_else() {
    let failure = |code: u16| {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "secret", "reason": "secret", "code": code,
        })
    };
    for (code, answer, wanted) in [
        (
            401,
            failure(401),
            "the API server does not accept the manager's own credential",
        ),
        (
            403,
            failure(403),
            "the manager itself may not create a TokenReview",
        ),
        (
            500,
            failure(500),
            "the API server answers a TokenReview with 500",
        ),
        (
            502,
            json!("secret"),
            "the API server answers a TokenReview with 502",
        ),
        (
            201,
            token_review(&json!("odd")),
            "the API server answers a TokenReview with what is none",
        ),
        (
            201,
            json!(7),
            "the API server answers a TokenReview with what is none",
        ),
    ] {
        let (cluster, _) = api_server(code, &answer);
        let away = cluster.token("secret", AUDIENCE).await;
        assert_eq!(away, Err(Away(wanted.to_owned())));
    }
    let refused = tower::service_fn(|_: http::Request<Body>| async {
        let refused = std::io::ErrorKind::ConnectionRefused;
        Err::<http::Response<Body>, _>(std::io::Error::new(refused, "secret"))
    });
    let cluster = Cluster::new(Client::new(refused, "default"));
    let away = cluster.access(&info("secret"), "ns", Verb::Get).await;
    let wanted = "the API server does not answer: connection refused".to_owned();
    assert_eq!(away, Err(Away(wanted)));
}

#[tokio::test]
async fn no_log_holds_a_token() {
    let lines = Lines::default();
    for (code, status) in [
        (201, json!("odd")),
        (500, json!({})),
        (201, json!({ "error": "secret is no token" })),
    ] {
        let (cluster, _) = api_server(code, &token_review(&status));
        let asked = cluster.token("secret", AUDIENCE);
        let _ = asked.with_subscriber(lines.clone()).await;
    }
    let lines = lines.0.lock();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("(the token) is no token"), "{lines:?}");
    assert!(!lines[0].contains("secret"), "{lines:?}");
}
