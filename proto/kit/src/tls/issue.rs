//! Certificates for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For `localhost`.
    pub(crate) fn server(&self) -> Pair {
        self.sign(|params| params.not_after = date_time_ymd(4000, 1, 1))
    }

    /// For `localhost`, and expired.
    pub(crate) fn server_until(&self, year: i32) -> Pair {
        self.sign(|params| params.not_after = date_time_ymd(year, 1, 1))
    }

    /// For `localhost`, and not good yet.
    pub(crate) fn server_from(&self, year: i32) -> Pair {
        self.sign(|params| params.not_before = date_time_ymd(year, 1, 1))
    }

    /// For a client.
    pub(crate) fn client(&self) -> Pair {
        self.sign(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// For a member of a release, with its identity.
    pub(crate) fn member(&self, identity: &str) -> Pair {
        self.sign(|params| *params = of(&[identity]))
    }

    /// The same, with several identities or none.
    pub(crate) fn member_of_many(&self, identities: &[&str]) -> Pair {
        self.sign(|params| *params = of(identities))
    }

    /// The same, and expired.
    pub(crate) fn member_until(&self, identity: &str, year: i32) -> Pair {
        self.sign(|params| {
            *params = of(&[identity]);
            params.not_after = date_time_ymd(year, 1, 1);
        })
    }

    fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names = vec!["localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("signed");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn of(identities: &[&str]) -> CertificateParams {
    let uri = |text: &&str| SanType::URI((*text).try_into().expect("ASCII"));
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.subject_alt_names = identities.iter().map(uri).collect();
    params
}
