//! The Certificate of a pool's nodes, for cert-manager to make.

use super::Parts;
use crate::release::{CertificateSource, IssuedTerms};
use crate::requested::Certificate;
use proto::identity::{Identity, NotAnIdentity, Role};
use serde_json::json;

/// What is wanted of cert-manager; nothing where somebody else makes certificates.
pub(super) fn certificate(parts: &Parts<'_>) -> Result<Option<Certificate>, NotAnIdentity> {
    let terms = match parts.release.of_nodes() {
        Some(CertificateSource::CertManager(terms)) => terms,
        Some(CertificateSource::Operator(_)) | None => return Ok(None),
    };
    let IssuedTerms { issuer, life, .. } = terms;
    let pool = &parts.pool.name;
    let role = Role::Node {
        pool: pool.at_manager(),
    };
    let identity = Identity::new(&parts.release.in_identities(), role)?;
    let seconds = life.as_secs();
    let spec = json!({
        "secretName": pool.issued_secret(),
        "issuerRef": { "name": issuer.name, "kind": issuer.kind, "group": issuer.group },
        "uris": [identity.to_string()],
        "duration": format!("{seconds}s"),
        "renewBefore": format!("{}s", seconds / 3),
        "privateKey": { "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always" },
        "usages": ["digital signature", "server auth", "client auth"],
    });
    Ok(Some(Certificate::new(parts.owned(), spec)))
}
