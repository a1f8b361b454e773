//! Who shows a certificate, and whether it is one of the release.

use super::provider;
use proto::identity::{Identity, NotAnIdentity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why a certificate says nobody's identity.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// It can't be read.
    #[error("a malformed certificate")]
    Malformed,
    /// It has no URI, or several.
    #[error("a certificate with {0} URIs in place of the one that says who has it")]
    Uris(usize),
    /// Its URI is another one.
    #[error("a certificate whose URI is no identity: {0}")]
    Other(#[from] NotAnIdentity),
    /// It is of another release.
    #[error("a certificate of the release {0}")]
    Release(String),
}

/// The identity in a certificate; who signed that is not checked here.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Identity, NoIdentity> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| NoIdentity::Malformed)?;
    let names = parsed.subject_alternative_name();
    let names = names.map_err(|_| NoIdentity::Malformed)?;
    let mut uris = Vec::new();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            // It may be one that others read as a URI.
            GeneralName::Invalid(..) => return Err(NoIdentity::Malformed),
            _ => {}
        }
    }
    match uris.as_slice() {
        [one] => Ok(one.parse()?),
        others => Err(NoIdentity::Uris(others.len())),
    }
}

/// Verifies that a peer is of the release: its certificate is signed by one of the
/// authorities, is good now, and names the release.
#[derive(Debug)]
pub(super) struct Members {
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    release: String,
}

impl Members {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        release: &str,
    ) -> Result<Self, VerifierBuilderError> {
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider());
        Ok(Self {
            // Which authorities there are is no peer's business before it has shown its own.
            clients: clients.clear_root_hint_subjects().build()?,
            roots,
            release: release.to_owned(),
        })
    }

    fn names_the_release(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let refused = |why| Error::from(CertificateError::Other(OtherError(Arc::new(why))));
        let release = of(certificate).map_err(refused)?.release().to_owned();
        match release == self.release {
            true => Ok(()),
            false => Err(refused(NoIdentity::Release(release))),
        }
    }
}

impl ClientCertVerifier for Members {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.clients.verify_client_cert(certificate, between, now)?;
        self.names_the_release(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Members {
    /// The name is not compared: the identity says who it is, wherever it answers.
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, between, now, algorithms)?;
        self.names_the_release(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    // A signature is checked alike, whichever side made it.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(self)
    }
}
