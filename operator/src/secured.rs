//! The certificates of the inner ports, whoever makes them.

use crate::certificates::{Certificates, Pools};
use crate::issued::Issued;
use crate::own::Own;
use crate::release::{CertificateSource, Release};
use kube::Client;
use prometheus_client::metrics::gauge::Gauge;

/// Who makes the certificates of a release, and what is known of them.
pub(crate) enum Secured {
    /// The operator.
    Operator(Box<Certificates>),
    /// cert-manager.
    CertManager(Issued),
}

impl Secured {
    /// Nothing is made or read yet; nothing at all where the release has no certificates.
    pub(crate) fn of(release: &Release, failing: Gauge) -> Option<Self> {
        let source = release.certificates.clone()?;
        Some(match source {
            CertificateSource::Operator(terms) => {
                Self::Operator(Box::new(Certificates::new(release, terms, failing)))
            }
            CertificateSource::CertManager(terms) => Self::CertManager(Issued::new(terms, failing)),
        })
    }

    /// The operator's own certificate.
    pub(crate) fn own(&self) -> &Own {
        match self {
            Self::Operator(certificates) => certificates.own(),
            Self::CertManager(issued) => issued.own(),
        }
    }

    /// What makes the certificates of pools, where that is the operator.
    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        match self {
            Self::Operator(certificates) => Some(certificates),
            Self::CertManager(_) => None,
        }
    }

    /// Keeps certificates good for as long as the operator leads. Never ends.
    pub(crate) async fn keep(&self, client: &Client, release: &Release, pools: Pools<'_>) {
        match self {
            Self::Operator(certificates) => certificates.keep(client, release, pools).await,
            Self::CertManager(issued) => issued.keep(client, release).await,
        }
    }
}
