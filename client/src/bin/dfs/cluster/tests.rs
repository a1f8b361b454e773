//! What is decided of a cluster, from objects as its API server lists them.
#![allow(clippy::unwrap_used)]

use super::caller::{Asks, Caller, asks, caller};
use super::find::{Found, Target, service, states};
use super::{as_user, own};
use crate::outcome::NotReached;
use crate::release::{Account, Release};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::config::AuthInfo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn chart(release: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "distributed-file-server",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": "manager",
        "helm.sh/chart": "distributed-file-server-0.1.0",
    })
}

/// Both Services of a release's managers.
fn services(release: &str) -> [Value; 2] {
    let name = format!("{release}-distributed-file-server-manager");
    let selector = json!({ "app.kubernetes.io/instance": release, "b": "c" });
    let http = json!([{ "name": "http", "port": 8000, "targetPort": "http" }]);
    let inner = json!([{ "name": "grpc", "port": 9000, "targetPort": "grpc" }]);
    [(name.clone(), http), (format!("{name}s"), inner)].map(|(name, ports)| {
        json!({
            "metadata": { "name": name, "labels": chart(release), "annotations": {} },
            "spec": { "selector": selector, "ports": ports },
        })
    })
}

fn pick(services: &[Value], wanted: &str) -> Result<Found, String> {
    let services: Vec<Service> = services.iter().cloned().map(object).collect();
    let wanted = match wanted {
        "" => Release {
            namespace: None,
            name: None,
        },
        name => name.parse().unwrap(),
    };
    service(&services, "dfs", &wanted).map_err(|NotReached(why)| why)
}

#[test]
fn the_service_of_the_rest_api_is_found_by_its_labels() {
    let two = [services("files"), services("more")].concat();
    let found = pick(&two, "more").unwrap();
    let url = "http://more-distributed-file-server-manager.dfs.svc:8000";
    assert_eq!((found.url.as_str(), &found.ca), (url, &None));
    assert_eq!(found.selector, "app.kubernetes.io/instance=more,b=c");
    assert_eq!(found.release, "more");
    // Where there is only one, nobody has to name it.
    assert_eq!(pick(&two[2..], ""), Ok(found));
}

#[test]
fn a_certificate_is_asked_for_by_the_services_name_and_its_authority_is_named() {
    let [mut secured, _] = services("files");
    secured["spec"]["ports"][0]["appProtocol"] = json!("https");
    secured["metadata"]["annotations"]["fileserver.dev/tls-ca"] = json!("files-tls/ca.crt");
    let found = pick(&[secured], "files").unwrap();
    let url = "https://files-distributed-file-server-manager.dfs.svc:8000";
    assert_eq!(found.url, url);
    assert_eq!(
        found.ca,
        Some(("files-tls".to_owned(), "ca.crt".to_owned()))
    );
}

#[test]
fn a_service_that_is_not_found_names_those_that_are_there() {
    let two = [services("more"), services("files")].concat();
    for (services, wanted, says) in [
        (
            &two[..],
            "fils",
            "no release fils in namespace dfs, it has files, more",
        ),
        (
            &[],
            "files",
            "no release files in namespace dfs, nor another one",
        ),
        (
            &two,
            "",
            "has the releases files, more: name one with --kube dfs/files",
        ),
        (&[], "", "there is no release in namespace dfs"),
    ] {
        let why = pick(services, wanted).unwrap_err();
        assert!(why.contains(says), "{wanted}: {why}");
    }
    // A release with the chart twice in it, and somebody else's manager.
    let mut twice = services("files");
    twice[1]["spec"]["ports"][0]["name"] = json!("http");
    let why = pick(&twice, "files").unwrap_err();
    assert!(why.contains("several services: files-"), "{why}");
    let [mut other, _] = services("other");
    other["metadata"]["labels"]["helm.sh/chart"] = json!("something-1.0");
    let why = pick(&[other.clone()], "").unwrap_err();
    assert!(why.contains("it has other"), "{why}");
    assert!(pick(&[other], "other").is_ok());
}

/// A pod, with these variables of the manager.
fn pod(name: &str, ready: &str, variables: Value) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [{
            "name": "manager",
            "env": variables,
            "ports": [
                { "name": "grpc", "containerPort": 9000 },
                { "name": "http", "containerPort": 8043 },
            ],
        }]},
        "status": { "phase": "Running", "conditions": [
            { "type": "Initialized", "status": "True" },
            { "type": "Ready", "status": ready },
        ]},
    })
}

#[test]
fn only_pods_that_are_ready_and_stay_get_connections() {
    let found = pick(&services("files"), "files").unwrap();
    let mut leaving = pod("m-2", "True", json!([]));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-25T04:16:26Z");
    let mut other_port = pod("m-3", "True", json!([]));
    other_port["spec"]["containers"][0]["ports"] = json!([]);
    let pods = [
        pod("m-0", "False", json!([])),
        pod("m-1", "True", json!([])),
        leaving,
        other_port,
        json!({ "metadata": { "name": "m-4" } }),
    ];
    let pods: Vec<Pod> = pods.into_iter().map(object).collect();
    let target = Target {
        pod: "m-1".to_owned(),
        port: 8043,
    };
    assert_eq!(found.ready(&pods), [target]);
    let told = states(&pods);
    assert!(told.starts_with("m-0 is Running, "), "{told}");
    assert!(told.contains("m-2 is Terminating"), "{told}");
    assert!(told.ends_with("m-4 is Unknown"), "{told}");
    assert_eq!(states(&[]), "it has no pods");
}

#[test]
fn a_port_may_be_a_number() {
    let [mut numbered, _] = services("files");
    for (port, wanted) in [(json!(8100), 8100), (Value::Null, 8000)] {
        numbered["spec"]["ports"][0]["targetPort"] = port;
        let found = pick(&[numbered.clone()], "files").unwrap();
        let ready = found.ready(&[object(pod("m-0", "True", json!([])))]);
        assert_eq!(ready[0].port, wanted);
    }
}

fn asked(variables: &[(&str, &str)]) -> Asks {
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| json!({ "name": name, "value": value }));
    let variables: Vec<Value> = variables.collect();
    asks(&object(pod("m-0", "True", json!(variables))))
}

#[test]
fn what_a_manager_asks_is_read_from_its_variables() {
    let cluster = ("DFS_AUTH_AUDIENCE", "files");
    let audience = || Asks::Audience("files".to_owned());
    assert_eq!(asked(&[("DFS_AUTH", "none")]), Asks::Nothing);
    assert_eq!(asked(&[("DFS_AUTH", "tokens:/etc/t")]), Asks::Token);
    assert_eq!(asked(&[("DFS_AUTH", "kubernetes"), cluster]), audience());
    let both = asked(&[("DFS_AUTH", "tokens:/etc/t,kubernetes"), cluster]);
    assert_eq!(both, audience());
    // Not known to be open is not open.
    assert_eq!(asked(&[]), Asks::Token);
    assert_eq!(asked(&[cluster]), Asks::Token);
}

fn token(claims: Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.signature",
        part(json!({ "alg": "RS256" })),
        part(claims)
    )
}

#[test]
fn a_token_is_requested_for_an_account_and_the_users_own_is_shown_only_to_whom_it_is_for() {
    let audience = || Asks::Audience("files".to_owned());
    let account = || Some("team/app".parse::<Account>().unwrap());
    let of = |asks, account, user: Option<&str>| {
        caller(asks, account, user).map_err(|NotReached(why)| why)
    };
    assert_eq!(of(Asks::Nothing, account(), Some("x")), Ok(Caller::Nobody));
    let ours = token(json!({ "aud": ["files"] }));
    let requested = Caller::Account {
        account: account().unwrap(),
        audience: "files".to_owned(),
    };
    assert_eq!(of(audience(), account(), Some(&ours)), Ok(requested));
    let own = || Caller::User {
        audience: "files".to_owned(),
    };
    assert_eq!(of(audience(), None, Some(&ours)), Ok(own()));
    let one = token(json!({ "aud": "files" }));
    assert_eq!(of(audience(), None, Some(&one)), Ok(own()));
    // Good for the API server too, where whoever gets it could use it.
    let both = token(json!({ "aud": ["other", "files"] }));
    assert!(of(audience(), None, Some(&both)).is_err());
    let api_server = token(json!({ "aud": ["https://kubernetes.default.svc"] }));
    let nobody = token(json!({ "sub": "files" }));
    for other in [
        None,
        Some(api_server.as_str()),
        Some(&nobody),
        Some("files"),
        Some(""),
    ] {
        let why = of(audience(), None, other).unwrap_err();
        assert!(why.contains("--service-account"), "{other:?}: {why}");
    }
    let why = of(Asks::Token, None, Some(&ours)).unwrap_err();
    assert!(why.contains("--token-file"), "{why}");
    let why = of(Asks::Token, account(), None).unwrap_err();
    assert!(why.contains("takes no ServiceAccount"), "{why}");
}

#[tokio::test]
async fn each_token_of_the_users_file_is_shown_only_if_it_is_for_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let read = async |claims: Option<Value>| {
        if let Some(claims) = claims {
            std::fs::write(&file, token(claims) + "\n").unwrap();
        }
        own::read(file.clone(), "files".to_owned()).await
    };
    assert!(read(None).await.is_err());
    let ours = json!({ "aud": "files" });
    assert_eq!(read(Some(ours.clone())).await.unwrap(), token(ours));
    for other in [
        json!({ "aud": "other" }),
        json!({ "aud": ["files", "other"] }),
    ] {
        let why = read(Some(other)).await.unwrap_err().to_string();
        assert!(
            why.contains("/token: ") && why.contains("audience files"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn the_users_file_is_read_by_the_client_with_the_same_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let user = AuthInfo {
        token_file: Some(file.display().to_string()),
        ..AuthInfo::default()
    };
    for (audience, is_sent) in [("files", true), ("other", false)] {
        std::fs::write(&file, token(json!({ "aud": audience }))).unwrap();
        // Nobody listens there.
        let builder = client::Client::builder("http://127.0.0.1:9").unwrap();
        let builder = builder.deadline(std::time::Duration::ZERO);
        let builder = as_user(builder, &user, own::token(&user), "files".to_owned());
        let error = builder
            .unwrap()
            .build()
            .unwrap()
            .stat("a")
            .await
            .unwrap_err();
        let refused = matches!(error, client::Error::TokenSource { .. });
        assert_eq!(refused, !is_sent, "{error:?}");
    }
}
