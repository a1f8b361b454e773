//! What others may rely on in the objects of a pool.

use super::*;
use crate::release::TokenSource;

fn release() -> Release {
    Release {
        namespace: "dfs".to_owned(),
        name: "files".to_owned(),
        chart: "distributed-file-server".to_owned(),
        namespaces: vec!["dfs".to_owned(), "team".to_owned()],
        manager: "http://files-managers.dfs.svc:9000".to_owned(),
        node_image: "node:1".to_owned(),
        pull_policy: None,
        pull_secrets: Vec::new(),
        token: TokenSource {
            secret: "files-token".to_owned(),
            key: "token".to_owned(),
            make: true,
        },
    }
}

fn pool(spec: Value) -> FileServerPool {
    let mut whole = json!({ "storage": { "size": "1Gi" } });
    for (key, value) in spec.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "fileserver.dev/v1alpha1",
        "kind": "FileServerPool",
        "metadata": { "name": "p", "namespace": "team", "uid": "1" },
        "spec": whole,
    }))
    .expect("a pool")
}

/// The StatefulSet and the first claim of a pool.
fn built(spec: Value) -> (Value, Value) {
    let (release, pool) = (release(), pool(spec));
    let name = PoolName::of(&pool);
    let parts = Parts {
        release: &release,
        pool: &pool,
        name: &name,
    };
    let set = parts.set(&Shape::default());
    (set, claim(&release, &pool, &name, 0, "1Gi"))
}

#[test]
fn a_set_says_whose_it_is_with_the_namespace() {
    let (set, _) = built(json!({}));
    let annotations = &set["metadata"]["annotations"];
    assert_eq!(annotations["fileserver.dev/managed-by"], "dfs/files");
}

#[test]
fn a_claim_has_no_owner_and_nothing_by_which_it_is_pruned() {
    let (_, claim) = built(json!({}));
    let metadata = &claim["metadata"];
    assert_eq!(metadata["ownerReferences"], Value::Null);
    assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], Value::Null);
    assert_eq!(metadata["labels"]["fileserver.dev/pool"], "p");
    let options = &metadata["annotations"]["argocd.argoproj.io/sync-options"];
    assert_eq!(options, "Prune=false,Delete=false");
}
