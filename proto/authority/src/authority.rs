//! An authority: it has a key, and signs certificates with it.

use crate::error::AuthorityError;
use crate::read::{Certificate, uri_of};
use crate::validity::Validity;
use proto::identity::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most characters that the name of a certificate's subject may have.
const LONGEST_NAME: usize = 64;

/// An authority of a release. Its `Debug` shows no key.
pub struct Authority {
    pem: Pair,
    read: Certificate,
    release: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM. Its `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("release", &self.release)
            .field("validity", &self.validity())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

impl Pair {
    /// Whether the key is that of the certificate; not where one of them is malformed.
    pub fn fits(&self) -> bool {
        let (read, key) = (Certificate::from_pem(&self.cert), key_of(&self.key));
        read.is_ok_and(|read| key.is_ok_and(|key| read.has_key(&key.subject_public_key_info())))
    }
}

impl Authority {
    /// Makes one for a release.
    ///
    /// # Errors
    /// Where the release can't have an identity, or the life is too long.
    pub fn new(release: &str, life: Duration, now: SystemTime) -> Result<Self, AuthorityError> {
        let mut params = params(uri_of(release)?, Validity::new(life, now)?)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, name_of(release, now));
        let key = KeyPair::generate()?;
        Self::from_pem(&params.self_signed(&key)?.pem(), &key.serialize_pem())
    }

    /// Reads one that was kept.
    ///
    /// # Errors
    /// Where one of the two is malformed, they don't belong together, or the certificate is
    /// not that of an authority.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, AuthorityError> {
        let read = Certificate::from_pem(cert)?;
        let release = read.release()?;
        let pair = key_of(key)?;
        if !read.has_key(&pair.subject_public_key_info()) {
            return Err(AuthorityError::OtherKey);
        }
        Ok(Self {
            pem: Pair {
                cert: format!("{}\n", cert.trim()),
                key: format!("{}\n", key.trim()),
            },
            issuer: Issuer::from_ca_cert_pem(cert, pair)?,
            read,
            release,
        })
    }

    /// Its certificate, as PEM.
    pub fn cert(&self) -> &str {
        &self.pem.cert
    }

    /// Its key, as PEM.
    pub fn key(&self) -> &str {
        &self.pem.key
    }

    /// The release whose certificates it signs.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// From when until when it is good.
    pub fn validity(&self) -> Validity {
        self.read.validity()
    }

    /// Makes a certificate, with a new key, that is good no longer than the authority.
    ///
    /// # Errors
    /// Where the authority has expired, or the life is too long.
    pub fn sign(
        &self,
        identity: &Identity,
        life: Duration,
        now: SystemTime,
    ) -> Result<Pair, AuthorityError> {
        if self.validity().has_expired(now) {
            return Err(AuthorityError::Expired);
        }
        let validity = Validity::new(life, now)?.within(self.validity());
        let mut params = params(identity.to_string(), validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let name: String = identity.role().to_string();
        let name: String = name.chars().take(LONGEST_NAME).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok(Pair {
            cert: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Whether a certificate has to be made anew: it is malformed, another identity's, not
    /// signed by this authority, or its validity is due. One that ends with this authority
    /// waits for the next one: another one of this authority would be no longer good.
    pub fn is_due(&self, cert: &str, identity: &Identity, now: SystemTime) -> bool {
        Certificate::from_pem(cert).map_or(true, |cert| {
            let validity = cert.validity();
            let is_last =
                validity.has_begun(now) && validity.not_after >= self.validity().not_after;
            cert.identity().as_ref() != Some(identity)
                || validity.is_due(now) && !is_last
                || !cert.is_signed_by(&self.read)
        })
    }
}

/// What certificates of authorities and of others have alike.
fn params(uri: String, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    [params.not_before, params.not_after] = validity.ends()?;
    Ok(params)
}

/// The name of an authority, for people and to tell it from the release's others. A long
/// name of a release is cut off there.
fn name_of(release: &str, now: SystemTime) -> String {
    let end = format!(
        " inner ports {}",
        humantime::format_rfc3339_seconds(now.max(UNIX_EPOCH))
    );
    let room = LONGEST_NAME.saturating_sub(end.len());
    let release: String = release.chars().take(room).collect();
    format!("{release}{end}")
}

fn key_of(pem: &str) -> Result<KeyPair, AuthorityError> {
    KeyPair::from_pem(pem).map_err(|_| AuthorityError::NoKey)
}

#[cfg(test)]
mod tests;
