//! What certificates say.

use crate::error::AuthorityError;
use crate::validity::Validity;
use proto::identity::{Identity, Role};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// The first line of a certificate as PEM.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
/// The last one.
const END: &str = "-----END CERTIFICATE-----";

/// A certificate that was read, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    /// Its only name, where that is a URI.
    uri: Option<String>,
    validity: Validity,
}

impl Certificate {
    /// Reads the one certificate of a text.
    ///
    /// # Errors
    /// Where the text holds none, several, or something else.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let der = only_one(pem).ok_or(AuthorityError::NoCertificate)?;
        let x509 = parsed(&der)?;
        let (uri, validity) = (only_uri(&x509), x509.validity());
        let (from, until) = (&validity.not_before, &validity.not_after);
        let validity = Validity::of(from.timestamp(), until.timestamp())?;
        Ok(Self { der, uri, validity })
    }

    /// From when until when it is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whose it is; nothing where that is not its only name.
    pub fn identity(&self) -> Option<Identity> {
        self.uri.as_ref()?.parse().ok()
    }

    /// The release whose authority's it is.
    pub(crate) fn release(&self) -> Result<String, AuthorityError> {
        let x509 = parsed(&self.der)?;
        let signs = match x509.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        let uri = self.uri.as_ref().filter(|_| signs && x509.is_ca());
        uri.and_then(|uri| release_of(uri))
            .ok_or(AuthorityError::NoAuthority)
    }

    /// Whether a public key is its own.
    pub(crate) fn has_key(&self, public_key: &[u8]) -> bool {
        parsed(&self.der).is_ok_and(|x509| x509.public_key().raw == public_key)
    }

    /// Whether another one's key signed it, and it names that one.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        let (Ok(x509), Ok(issuer)) = (parsed(&self.der), parsed(&issuer.der)) else {
            return false;
        };
        x509.issuer().as_raw() == issuer.subject().as_raw()
            && x509.verify_signature(Some(issuer.public_key())).is_ok()
    }

    #[cfg(test)]
    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

/// The name of an authority: that of a SPIFFE ID without its path.
pub(crate) fn uri_of(release: &str) -> Result<String, AuthorityError> {
    let manager = Identity::new(release, Role::Manager)?.to_string();
    let end = format!("/{}", Role::Manager);
    Ok(manager.strip_suffix(&end).unwrap_or(&manager).to_owned())
}

/// The release of such a name.
fn release_of(uri: &str) -> Option<String> {
    let manager: Identity = format!("{uri}/{}", Role::Manager).parse().ok()?;
    let is_bare = *manager.role() == Role::Manager;
    is_bare.then(|| manager.release().to_owned())
}

/// The certificate of a text that holds nothing beside it: the text is handed on, and a
/// key in it would be too.
fn only_one(pem: &str) -> Option<CertificateDer<'static>> {
    let inner = pem.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let is_one = !inner.contains("-----");
    CertificateDer::from_pem_slice(pem.as_bytes())
        .ok()
        .filter(|_| is_one)
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, AuthorityError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], x509)) => Ok(x509),
        Ok(_) | Err(_) => Err(AuthorityError::NoCertificate),
    }
}

fn only_uri(x509: &X509Certificate<'_>) -> Option<String> {
    let names = x509.subject_alternative_name().ok()??;
    match &names.value.general_names[..] {
        [GeneralName::URI(uri)] => Some((*uri).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_authority_is_that_of_its_release_alone() {
        let uri = uri_of("files.dfs").expect("a release");
        assert_eq!(uri, "spiffe://files.dfs");
        assert_eq!(release_of(&uri).as_deref(), Some("files.dfs"));
        for other in [
            "",
            "spiffe://",
            "spiffe:///",
            "spiffe://a/",
            "spiffe://a/node",
            "spiffe://a/manager",
            "https://a",
        ] {
            assert_eq!(release_of(other), None, "{other}");
        }
        assert!(uri_of("Files").is_err());
    }
}
