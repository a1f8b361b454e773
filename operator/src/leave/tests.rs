use super::*;
use crate::played::Played;
use serde_json::{Value, json};

fn pool(namespace: &str, owner: &str, reason: &str, finalizers: &[&str]) -> Value {
    json!({
        "apiVersion": "fileserver.dev/v1alpha1",
        "kind": "FileServerPool",
        "metadata": {
            "name": "p", "namespace": namespace, "resourceVersion": "7",
            "finalizers": finalizers,
        },
        "spec": { "storage": { "size": "1Gi" } },
        "status": {
            "managedBy": owner,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-28T06:00:00Z",
            }],
        },
    })
}

#[tokio::test]
async fn a_pool_whose_namespace_is_not_watched_any_more_is_not_said_to_be_ready_for_ever() {
    let of = OfRelease {
        namespace: "dfs".to_owned(),
        watch_namespaces: vec!["team".to_owned()],
        release: "files".to_owned(),
    };
    let left = pool("gone", "dfs/files", "Ready", &[]);
    let list = json!({
        "apiVersion": "fileserver.dev/v1alpha1",
        "kind": "FileServerPoolList",
        "metadata": {},
        "items": [
            left,
            pool("team", "dfs/files", "Ready", &[FINALIZER]),
            pool("dfs", "dfs/files", "Ready", &[]),
            pool("gone", "other/files", "Ready", &[FINALIZER]),
            pool("told", "dfs/files", "NotServed", &[]),
        ],
    });
    let answers = vec![(200, list), (200, left.clone()), (200, left)];
    let server = Played::new(answers).await;
    let said = unwatched(&server.client(), &of).await.expect("it answers");
    assert_eq!(said, "not watched any more: gone/p");
    let asked = server.asked();
    let path = "/apis/fileserver.dev/v1alpha1/namespaces/gone/fileserverpools/p";
    assert!(asked[1].starts_with(&format!("PATCH {path}?")), "{asked:?}");
    assert!(
        asked[2].starts_with(&format!("PATCH {path}/status?")),
        "{asked:?}"
    );
}

#[test]
fn a_finalizer_that_was_kept_is_let_go_too() {
    let served = BTreeSet::from(["dfs".to_owned()]);
    let is_left = |finalizers: &[&str]| {
        let pool = pool("gone", "dfs/files", "NotServed", finalizers);
        let pool = serde_json::from_value(pool).expect("a pool");
        is_left(&pool, "dfs/files", &served)
    };
    assert!(is_left(&[FINALIZER]) && !is_left(&["other/finalizer"]));
}
