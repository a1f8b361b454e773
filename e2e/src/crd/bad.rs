//! Pools that the API server itself must refuse, each with a part of its message.

/// What makes a pool bad, and a part of the refusal, which names the field.
pub(super) struct Bad {
    /// The pool's name.
    pub(super) name: &'static str,
    /// Its spec, as JSON.
    pub(super) spec: &'static str,
    /// A part of what the API server says.
    pub(super) told: &'static str,
}

const NAME: &str = "pool";

const fn bad(spec: &'static str, told: &'static str) -> Bad {
    Bad {
        name: NAME,
        spec,
        told,
    }
}

const fn named(name: &'static str, told: &'static str) -> Bad {
    Bad {
        name,
        spec: r#"{"storage":{"size":"1Gi"}}"#,
        told,
    }
}

/// The table.
pub(super) const BAD: &[Bad] = &[
    named("a-name-of-more-than-forty-characters-here", "40 characters"),
    named("1st", "begin with a letter"),
    named("with.dot", "only lower case letters, digits and dashes"),
    bad("{}", "spec.storage: Required value"),
    bad(r#"{"storage":{}}"#, "spec.storage.size: Required value"),
    bad(r#"{"storage":{"size":""}}"#, "spec.storage.size"),
    bad(r#"{"storage":{"size":"ten"}}"#, "spec.storage.size"),
    bad(r#"{"storage":{"size":"1 Gi"}}"#, "spec.storage.size"),
    bad(r#"{"storage":{"size":10}}"#, "spec.storage.size"),
    bad(r#"{"storage":{"size":"127Mi"}}"#, "must be 128Mi at least"),
    bad(r#"{"storage":{"size":"-1Gi"}}"#, "must be 128Mi at least"),
    bad(
        r#"{"storage":{"size":"1Gi","reserve":"1Gi"}}"#,
        "storage.reserve: must be less than storage.size",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","reserve":"-1"}}"#,
        "storage.reserve: must not be negative",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","storageClassName":"Fast SSD"}}"#,
        "spec.storage.storageClassName",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","storageClassName":""}}"#,
        "spec.storage.storageClassName",
    ),
    bad(
        r#"{"replicas":-1,"storage":{"size":"1Gi"}}"#,
        "spec.replicas",
    ),
    bad(
        r#"{"replicas":1001,"storage":{"size":"1Gi"}}"#,
        "spec.replicas",
    ),
    bad(
        r#"{"replicas":"3","storage":{"size":"1Gi"}}"#,
        "spec.replicas",
    ),
    bad(
        r#"{"replicas":2.5,"storage":{"size":"1Gi"}}"#,
        "spec.replicas",
    ),
    bad(
        r#"{"image":"two words","storage":{"size":"1Gi"}}"#,
        "spec.image",
    ),
    bad(r#"{"image":"","storage":{"size":"1Gi"}}"#, "spec.image"),
    bad(
        r#"{"imagePullPolicy":"Sometimes","storage":{"size":"1Gi"}}"#,
        "spec.imagePullPolicy",
    ),
    bad(
        r#"{"deletionPolicy":"delete","storage":{"size":"1Gi"}}"#,
        "spec.deletionPolicy",
    ),
    bad(
        r#"{"podLabels":{"app.kubernetes.io/name":"mine"},"storage":{"size":"1Gi"}}"#,
        "the operator's own",
    ),
    bad(
        r#"{"podLabels":["a"],"storage":{"size":"1Gi"}}"#,
        "spec.podLabels",
    ),
    bad(
        r#"{"extraEnv":[{"name":"DFS_DATA","value":"x"}],"storage":{"size":"1Gi"}}"#,
        "the operator's own",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","labels":{"fileserver.dev/pool":"mine"}}}"#,
        "storage.labels: keys of fileserver.dev/",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","annotations":{"fileserver.dev/volume":"empty"}}}"#,
        "storage.annotations: keys of fileserver.dev/",
    ),
    bad(
        r#"{"security":{"assignedByCluster":"yes"},"storage":{"size":"1Gi"}}"#,
        "spec.security.assignedByCluster",
    ),
    bad(
        r#"{"scheduling":{"runtimeClassName":"No Such"},"storage":{"size":"1Gi"}}"#,
        "spec.scheduling.runtimeClassName",
    ),
    bad(
        r#"{"security":{"runAsUser":0},"storage":{"size":"1Gi"}}"#,
        "spec.security.runAsUser",
    ),
    bad(
        r#"{"security":{"fsGroup":-5},"storage":{"size":"1Gi"}}"#,
        "spec.security.fsGroup",
    ),
    bad(
        r#"{"scrub":{"bytesPerSecond":"-1Mi"},"storage":{"size":"1Gi"}}"#,
        "scrub.bytesPerSecond: must not be negative",
    ),
    bad(
        r#"{"scrub":{"everyHours":0},"storage":{"size":"1Gi"}}"#,
        "spec.scrub.everyHours",
    ),
    bad(
        r#"{"autoscaling":{"maxReplicas":3},"storage":{"size":"1Gi"}}"#,
        "spec.autoscaling.filesPerNode: Required value",
    ),
    bad(
        r#"{"autoscaling":{"minReplicas":5,"maxReplicas":3,"filesPerNode":1000},"storage":{"size":"1Gi"}}"#,
        "autoscaling.minReplicas: must not exceed autoscaling.maxReplicas",
    ),
    bad(
        r#"{"autoscaling":{"maxReplicas":3,"filesPerNode":0},"storage":{"size":"1Gi"}}"#,
        "spec.autoscaling.filesPerNode",
    ),
    bad(
        r#"{"scheduling":{"tolerations":[{"tolerationSeconds":"soon"}]},"storage":{"size":"1Gi"}}"#,
        "spec.scheduling.tolerations[0].tolerationSeconds",
    ),
    bad(
        r#"{"replica":3,"storage":{"size":"1Gi"}}"#,
        "unknown field \"spec.replica\"",
    ),
    bad(
        r#"{"storage":{"size":"1Gi","class":"fast"}}"#,
        "unknown field \"spec.storage.class\"",
    ),
];
