//! What PEM files hold.

use super::TlsError;
use crate::reread::Source;
use rustls::RootCertStore;
use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of a file, at least one.
pub(super) fn certificates(
    file: &Source,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(TlsError::NoCertificate(file.clone())),
        // What it says may repeat a line of the file.
        Err(_) => Err(TlsError::Malformed(file.clone())),
    }
}

/// The first private key of a file.
pub(super) fn key(file: &Source, text: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound => TlsError::NoKey(file.clone()),
        _ => TlsError::Malformed(file.clone()),
    })
}

/// The authorities of a file, whose certificates are trusted.
pub(super) fn authorities(file: &Source, text: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for each in certificates(file, text)? {
        roots
            .add(each)
            .map_err(|error| TlsError::Unusable(file.clone(), error))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::super::issue::Authority;
    use super::*;

    fn file() -> Source {
        Source::new("--tls-cert", "pair.pem".into())
    }

    #[test]
    fn each_kind_is_found_among_others() {
        let pair = Authority::new("ca").server();
        let both = format!("words before\n{}{}{}", pair.key, pair.cert, pair.cert);
        assert_eq!(certificates(&file(), &both).expect("two").len(), 2);
        assert!(key(&file(), &both).is_ok());
        assert_eq!(authorities(&file(), &both).expect("two").len(), 2);
    }

    #[test]
    fn what_is_missing_or_broken_is_named_without_its_text() {
        let pair = Authority::new("ca").server();
        let said = |error: TlsError| error.to_string();
        let no = "--tls-cert pair.pem: no certificate in it";
        for text in ["", "garbage", &pair.key] {
            assert_eq!(said(certificates(&file(), text).expect_err("none")), no);
            assert_eq!(said(authorities(&file(), text).expect_err("none")), no);
        }
        let none = said(key(&file(), &pair.cert).expect_err("no key"));
        assert!(none.contains("pair.pem: no private key in it"), "{none}");
        let broken = pair.key.replace("-----END", "--END");
        let broken = said(key(&file(), &broken).expect_err("it has no end"));
        assert_eq!(broken, "--tls-cert pair.pem: malformed PEM");
        let strange = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(
            authorities(&file(), strange).is_err(),
            "it is no certificate"
        );
    }
}
