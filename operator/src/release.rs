//! What is the same for every pool of a release.

use crate::egress::EgressRules;
use authority::Terms;
use k8s_openapi::api::core::v1::ResourceRequirements;
#[cfg(test)]
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The release that this operator is part of.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name, `app.kubernetes.io/instance` of all that is its own.
    pub(crate) name: String,
    /// The chart's name, `app.kubernetes.io/name` of all that is its own.
    pub(crate) chart: String,
    /// Every namespace whose pools it serves, its own among them.
    pub(crate) namespaces: Vec<String>,
    /// Where nodes and operator find the managers.
    pub(crate) manager: String,
    /// Image of nodes whose pool names none.
    pub(crate) node_image: String,
    /// When that image is pulled.
    pub(crate) pull_policy: Option<String>,
    /// The Secrets with which it is pulled.
    pub(crate) pull_secrets: Vec<String>,
    /// The resources of nodes whose pool does not set them.
    pub(crate) node_resources: Option<ResourceRequirements>,
    /// What nodes may reach beside DNS, the managers and one another; they may reach
    /// anything where there is none.
    pub(crate) node_egress: Option<EgressRules>,
    /// The token of the inner ports.
    pub(crate) token: TokenSource,
    /// The Secret with the pools' keys in the release's namespace.
    pub(crate) keys: String,
    /// The certificates of the inner ports; none where these have no TLS.
    pub(crate) certificates: Option<CertificateTerms>,
}

/// How the certificates of the inner ports are kept.
#[derive(Debug, Clone)]
pub(crate) struct CertificateTerms {
    /// The Secret with the authorities, in the release's namespace.
    pub(crate) authority_secret: String,
    /// The Secret with the managers' certificate, in the same place.
    pub(crate) managers_secret: String,
    /// How long they are good.
    pub(crate) terms: Terms,
}

/// The Secret that holds the token of the inner ports.
#[derive(Debug, Clone)]
pub(crate) struct TokenSource {
    /// Its name, in the release's namespace.
    pub(crate) secret: String,
    /// The key in it.
    pub(crate) key: String,
    /// Whether it is made where it is absent.
    pub(crate) make: bool,
}

/// The owner that objects name.
pub(crate) fn owner(namespace: &str, release: &str) -> String {
    format!("{namespace}/{release}")
}

impl Release {
    /// The Secret with the pools' keys in a namespace. Elsewhere another release of
    /// the same name may have one as well.
    pub(crate) fn keys_secret(&self, namespace: &str) -> String {
        match namespace == self.namespace {
            true => self.keys.clone(),
            false => format!("{}.{}", self.namespace, self.keys),
        }
    }

    /// The release as certificates name it. A namespace has no dot, so that no two of
    /// them are the same.
    pub(crate) fn in_identities(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// What `status.managedBy` says of its pools.
    pub(crate) fn owner(&self) -> String {
        owner(&self.namespace, &self.name)
    }

    /// One for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            namespace: "dfs".to_owned(),
            name: "files".to_owned(),
            chart: "distributed-file-server".to_owned(),
            namespaces: vec!["dfs".to_owned(), "team".to_owned()],
            manager: "http://files-managers.dfs.svc:9000".to_owned(),
            node_image: "node:1".to_owned(),
            pull_policy: None,
            pull_secrets: Vec::new(),
            node_resources: Some(ResourceRequirements {
                limits: Some([("memory".to_owned(), Quantity("1Gi".to_owned()))].into()),
                ..ResourceRequirements::default()
            }),
            node_egress: Some(EgressRules::default()),
            token: TokenSource {
                secret: "files-token".to_owned(),
                key: "token".to_owned(),
                make: true,
            },
            keys: "files-nodes".to_owned(),
            certificates: Some(CertificateTerms {
                authority_secret: "files-authority".to_owned(),
                managers_secret: "files-managers".to_owned(),
                terms: Terms::default(),
            }),
        }
    }
}
