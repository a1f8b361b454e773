//! Certificates for tests of TLS.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// An authority that signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let made = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(made))
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of a server on this machine.
    pub fn server(&self) -> Result<Pair> {
        self.server_of(&["localhost", "127.0.0.1", "::1"])
    }

    /// A certificate of a server with these names.
    pub fn server_of(&self, names: &[&str]) -> Result<Pair> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(CertificateParams::new(names)?)
    }

    /// A certificate of a client.
    pub fn client(&self) -> Result<Pair> {
        self.sign(of_client()?)
    }

    /// A certificate of a client that is not good any more.
    pub fn expired_client(&self) -> Result<Pair> {
        let mut params = of_client()?;
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Pair> {
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.0)?;
        Ok(Pair::of(&cert, &key))
    }
}

fn of_client() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec!["client".to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

impl Pair {
    /// A client's certificate that no authority signed.
    pub fn self_signed() -> Result<Self> {
        let key = KeyPair::generate()?;
        let cert = of_client()?.self_signed(&key)?;
        Ok(Self::of(&cert, &key))
    }

    fn of(cert: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes it into a folder as Kubernetes does: both files of a Secret are replaced at
    /// once, by a link. Gives the paths of certificate and key.
    pub fn place(&self, folder: &Path) -> Result<[PathBuf; 2]> {
        let version = tempfile::Builder::new()
            .prefix("..version-")
            .tempdir_in(folder)?
            .keep();
        std::fs::write(version.join("tls.crt"), &self.cert)?;
        std::fs::write(version.join("tls.key"), &self.key)?;
        let (link, data) = (folder.join("..next"), folder.join("..data"));
        std::os::unix::fs::symlink(&version, &link)?;
        std::fs::rename(link, &data)?;
        Ok(["tls.crt", "tls.key"].map(|name| data.join(name)))
    }
}
