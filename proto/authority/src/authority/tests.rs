use super::*;
use crate::verify::{anchors, der, manager, second, verify};
use proto::identity::Role;
use x509_parser::prelude::{FromDer, X509Certificate};

const NOW: u64 = 1_795_963_670;
const DAY: Duration = Duration::from_secs(86_400);

fn authority(release: &str) -> Authority {
    Authority::new(release, DAY * 730, second(NOW)).expect("made")
}

fn node(pool: &str) -> Identity {
    let pool = pool.to_owned();
    Identity::new("files.dfs", Role::Node { pool }).expect("an identity")
}

#[test]
fn an_authority_signs_for_servers_and_clients_and_nothing_else() {
    let authority = authority("files.dfs");
    let pair = authority.sign(&node("dfs/fast"), DAY * 30, second(NOW));
    let pair = pair.expect("signed");
    let (leaf, trusted) = (der(&pair.cert), anchors(authority.cert()));
    assert_eq!(verify(&leaf, &[], &trusted, second(NOW)), Ok(()));
    let (_, x509) = X509Certificate::from_der(&leaf).expect("x509");
    assert!(!x509.is_ca());
    let usage = x509.key_usage().expect("one").expect("one").value;
    assert_eq!(usage.flags, 1, "digitalSignature");
    let extended = x509.extended_key_usage().expect("one").expect("one").value;
    assert!(extended.server_auth && extended.client_auth && extended.other.is_empty());
    assert_eq!(x509.subject().to_string(), "CN=node/dfs/fast");
    let read = Certificate::from_pem(&pair.cert).expect("a certificate");
    assert_eq!(read.identity(), Some(node("dfs/fast")));
    assert!(pair.fits());
}

#[test]
fn an_authority_says_who_it_is_and_signs_no_authorities() {
    let authority = authority("files.dfs");
    let ca = der(authority.cert());
    let (_, x509) = X509Certificate::from_der(&ca).expect("x509");
    let basic = x509.basic_constraints().expect("one").expect("one");
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint, Some(0));
    let usage = x509.key_usage().expect("one").expect("one").value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && usage.flags.count_ones() == 2);
    let name = "CN=files.dfs inner ports 2026-11-29T14:47:50Z";
    assert_eq!(x509.subject().to_string(), name);
    assert_eq!(authority.release(), "files.dfs");
    let long = name_of(&"a".repeat(255), second(NOW));
    assert!(long.len() == 64 && long.ends_with("a inner ports 2026-11-29T14:47:50Z"));
}

#[test]
fn nobody_but_an_authority_can_sign() {
    let authority = authority("files.dfs");
    let manager = manager("files.dfs");
    let leaf = authority.sign(&manager, DAY, second(NOW)).expect("signed");
    let key = key_of(&leaf.key).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&leaf.cert, key).expect("an issuer");
    let validity = Validity::new(DAY, second(NOW)).expect("fits");
    let mut forged = params(manager.to_string(), validity).expect("params");
    forged.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let own = KeyPair::generate().expect("a key");
    let forged = forged.signed_by(&own, &issuer).expect("signed");
    let (between, trusted) = ([der(&leaf.cert)], anchors(authority.cert()));
    let verified = verify(forged.der(), &between, &trusted, second(NOW));
    assert_eq!(verified, Err(webpki::Error::EndEntityUsedAsCa));
    // Nor is it taken for an authority.
    let read = Authority::from_pem(&leaf.cert, &leaf.key);
    assert!(matches!(read, Err(AuthorityError::NoAuthority)), "{read:?}");
}

#[test]
fn a_certificate_ends_with_its_authority_at_the_latest() {
    let authority = authority("files.dfs");
    let Validity {
        not_before,
        not_after,
    } = authority.validity();
    assert_eq!(not_before, second(NOW - 300));
    assert_eq!(not_after, second(NOW + 730 * 86_400));
    let signed = |now: SystemTime| {
        let pair = authority.sign(&manager("files.dfs"), DAY * 30, now)?;
        Certificate::from_pem(&pair.cert).map(|read| read.validity())
    };
    let first = signed(second(NOW)).expect("signed");
    assert_eq!(first.not_before, second(NOW - 300));
    assert_eq!(first.not_after, second(NOW) + DAY * 30);
    let early = signed(second(NOW - 200)).expect("signed");
    assert_eq!(early.not_before, not_before);
    let last = signed(not_after - DAY).expect("signed");
    assert_eq!(last.not_after, not_after);
    let late = signed(not_after + DAY);
    assert!(matches!(late, Err(AuthorityError::Expired)), "{late:?}");
}

#[test]
fn an_authority_is_read_as_it_was_kept_and_nothing_else_is_one() {
    let (one, other) = (authority("files.dfs"), authority("files.dfs"));
    let again = Authority::from_pem(one.cert(), one.key()).expect("read");
    assert_eq!((again.cert(), again.key()), (one.cert(), one.key()));
    assert_eq!(again.validity(), one.validity());
    let manager = manager("files.dfs");
    let pair = again.sign(&manager, DAY, second(NOW)).expect("signed");
    assert!(!one.is_due(&pair.cert, &manager, second(NOW)));
    let both = format!("{}{}", one.cert(), other.cert());
    let with_key = format!("{}{}", one.key(), one.cert());
    for (cert, key, why) in [
        ("", one.key(), "must be one certificate as PEM"),
        ("words", one.key(), "must be one certificate as PEM"),
        (&both, one.key(), "must be one certificate as PEM"),
        (&with_key, one.key(), "must be one certificate as PEM"),
        (one.cert(), "", "must be a private key as PEM"),
        (one.cert(), one.cert(), "must be a private key as PEM"),
        (
            one.cert(),
            other.key(),
            "the key is not that of the certificate",
        ),
    ] {
        let refused = Authority::from_pem(cert, key).expect_err(why);
        assert_eq!(refused.to_string(), why);
    }
    for release in ["", "Files", "a b"] {
        assert!(
            Authority::new(release, DAY, second(NOW)).is_err(),
            "{release}"
        );
    }
}

#[test]
fn a_certificate_is_due_when_it_is_old_or_not_what_it_should_be() {
    let (authority, other) = (authority("files.dfs"), authority("files.dfs"));
    let manager = manager("files.dfs");
    let signed = |by: &Authority, identity: &Identity| {
        by.sign(identity, DAY * 30, second(NOW))
            .expect("signed")
            .cert
    };
    let own = signed(&authority, &manager);
    let due = |cert: &str, now| authority.is_due(cert, &manager, now);
    assert!(!due(&own, second(NOW)));
    assert!(!due(&own, second(NOW) + DAY * 19));
    assert!(due(&own, second(NOW) + DAY * 20));
    assert!(due(&own, second(NOW) - DAY), "the clock was ahead");
    assert!(due("", second(NOW)));
    assert!(due(&own.replace('M', "N"), second(NOW)));
    assert!(due(&signed(&authority, &node("a")), second(NOW)));
    // One of the same name, made in the same second.
    let strange = signed(&other, &manager);
    assert!(due(&strange, second(NOW)));
    assert!(due(authority.cert(), second(NOW)));
}

#[test]
fn keys_are_not_shown() {
    let authority = authority("files.dfs");
    let pair = authority.sign(&manager("files.dfs"), DAY, second(NOW));
    let pair = pair.expect("signed");
    let shown = format!("{authority:?} {pair:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
    let line = |key: &str| key.lines().nth(1).expect("a line").to_owned();
    for key in [authority.key(), &pair.key] {
        assert!(!shown.contains(&line(key)), "{shown}");
    }
    let other = authority.sign(&manager("files.dfs"), DAY, second(NOW));
    let key = other.expect("signed").key;
    assert!(!Pair { key, ..pair }.fits());
}
