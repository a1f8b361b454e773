//! Whether a certificate is good by now: one that is not is served all the same, since
//! whoever replaces it needs a service that runs, and it is written to the log.

use super::provider;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

/// Why a certificate is not good now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lapse {
    Expired(UnixTime),
    NotYet(UnixTime),
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(since) => write!(f, "it has expired: {}", shown(*since)),
            Self::NotYet(until) => write!(f, "it is not good before {}", shown(*until)),
        }
    }
}

fn shown(time: UnixTime) -> humantime::Rfc3339Timestamp {
    let since = Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since)
}

/// What is wrong with the time of a certificate, if anything is. The library checks that
/// first of all, so that neither its issuer nor its name matters here.
pub(super) fn lapse(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Lapse> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider());
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED));
    let verified = verifier
        .build()
        .ok()?
        .verify_server_cert(certificate, &[], &name, &[], now);
    match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Lapse::Expired(not_after))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
            not_before, ..
        })) => Some(Lapse::NotYet(not_before)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::issue::Authority;
    use super::super::pem;
    use super::*;
    use crate::reread::Source;

    #[test]
    fn the_time_of_a_certificate_is_checked_whoever_signed_it() {
        let authority = Authority::new("ca");
        let file = Source::new("--tls-cert", "cert.pem".into());
        let now = |text: &str| {
            let all = pem::certificates(&file, text).expect("a certificate");
            lapse(&all[0], UnixTime::now()).map(|lapse| lapse.to_string())
        };
        assert_eq!(now(&authority.server().cert), None);
        assert_eq!(now(&authority.pem()), None);
        let expired = now(&authority.server_until(2001).cert).expect("it has");
        assert_eq!(expired, "it has expired: 2001-01-01T00:00:00Z");
        let early = now(&authority.server_from(4000).cert).expect("it is");
        assert_eq!(early, "it is not good before 4000-01-01T00:00:00Z");
    }
}
