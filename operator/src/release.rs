//! What is the same for every pool of a release.

use crate::egress::EgressRules;
use authority::Terms;
use k8s_openapi::api::core::v1::ResourceRequirements;
#[cfg(test)]
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::time::Duration;

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
    pub(crate) certificates: Option<CertificateSource>,
    /// Whether nodes go without any, although the release has some.
    pub(crate) plain_nodes: bool,
}

/// Who makes the certificates of the inner ports.
#[derive(Debug, Clone)]
pub(crate) enum CertificateSource {
    /// The operator, with an authority of its own.
    Operator(CertificateTerms),
    /// cert-manager, with an issuer of a person's.
    CertManager(IssuedTerms),
}

/// What cert-manager is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuedTerms {
    /// The Secret with the operator's own certificate, in the release's namespace.
    pub(crate) operator_secret: String,
    /// Who signs.
    pub(crate) issuer: IssuerRef,
    /// How long a certificate is good.
    pub(crate) life: Duration,
}

/// An issuer, as a Certificate names it. One that is not of the whole cluster is sought
/// in the namespace of the Certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerRef {
    /// Its name.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: String,
    /// The group of that kind.
    pub(crate) group: String,
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

    /// Who makes the certificates that nodes mount; nobody where they have none.
    pub(crate) fn of_nodes(&self) -> Option<&CertificateSource> {
        self.certificates.as_ref().filter(|_| !self.plain_nodes)
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
            certificates: Some(CertificateSource::Operator(CertificateTerms {
                authority_secret: "files-authority".to_owned(),
                managers_secret: "files-managers".to_owned(),
                terms: Terms::default(),
            })),
            plain_nodes: false,
        }
    }

    /// The same with certificates of cert-manager's.
    #[cfg(test)]
    pub(crate) fn sample_of_cert_manager() -> Self {
        Self {
            certificates: Some(CertificateSource::CertManager(IssuedTerms {
                operator_secret: "files-operator-tls".to_owned(),
                issuer: IssuerRef {
                    name: "inner".to_owned(),
                    kind: "ClusterIssuer".to_owned(),
                    group: "cert-manager.io".to_owned(),
                },
                life: Duration::from_secs(720 * 3600),
            })),
            ..Self::sample()
        }
    }
}
