//! Certificates are verified in tests as the programs do it.

use crate::read::Certificate;
use proto::identity::{Identity, Role};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webpki::{EndEntityCert, Error, KeyUsage};

/// A moment, in seconds.
pub(crate) fn second(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// The manager of a release.
pub(crate) fn manager(release: &str) -> Identity {
    Identity::new(release, Role::Manager).expect("an identity")
}

/// The certificate of a text.
pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    Certificate::from_pem(pem)
        .expect("a certificate")
        .der()
        .clone()
}

/// What is trusted by whoever has this text.
pub(crate) fn anchors(trust: &str) -> Vec<TrustAnchor<'static>> {
    let all = CertificateDer::pem_slice_iter(trust.as_bytes());
    let anchor = |der: CertificateDer<'static>| {
        let anchor = webpki::anchor_from_trusted_cert(&der).expect("an authority");
        anchor.to_owned()
    };
    all.map(|der| anchor(der.expect("PEM"))).collect()
}

/// Verifies a certificate, with those between it and an authority, as that of a server and
/// as that of a client.
pub(crate) fn verify(
    cert: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    now: SystemTime,
) -> Result<(), Error> {
    let since = now.duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixTime::since_unix_epoch(since);
    let cert = EndEntityCert::try_from(cert)?;
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        let all = webpki::ALL_VERIFICATION_ALGS;
        cert.verify_for_usage(all, anchors, between, now, usage, None, None)?;
    }
    Ok(())
}
