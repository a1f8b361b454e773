//! What a server's TLS is made of, and what becomes of it when the files change.

use super::super::issue::{Authority, Pair};
use super::super::provider;
use super::*;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;

fn files(dir: &Path, client_ca: bool) -> ServerFiles {
    let file = |flag, name| Source::new(flag, dir.join(name));
    ServerFiles {
        cert: file("--tls-cert", "tls.crt"),
        key: file("--tls-key", "tls.key"),
        client_ca: client_ca.then(|| file("--tls-client-ca", "ca.crt")),
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("written");
}

/// The files of a pair in a directory.
fn placed(pair: &Pair) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "tls.crt", &pair.cert);
    write(dir.path(), "tls.key", &pair.key);
    dir
}

/// Why the files of a directory make no TLS.
fn refused(dir: &TempDir, client_ca: bool) -> String {
    let loaded = ServerTls::load(files(dir.path(), client_ca));
    let said = loaded.expect_err("it is bad").to_string();
    said.replace(&format!("{}/", dir.path().display()), "")
}

/// Has the server take what the files say now, as its thread does it.
fn reload(tls: &ServerTls, files: &ServerFiles) -> Result<(), String> {
    let read = |file: &Source| file.read().expect("read");
    let texts: Vec<_> = files.sources().iter().map(read).collect();
    tls.current
        .take(files, &texts)
        .map_err(|why| why.to_string())
}

/// A client that trusts an authority, and what it shows of itself.
fn client(authority: &Authority, shows: Option<&Pair>) -> ClientConfig {
    let file = Source::new("--tls-ca", "ca.crt".into());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .expect("versions")
        .with_root_certificates(pem::authorities(&file, &authority.pem()).expect("an authority"));
    match shows {
        Some(pair) => {
            let certs = pem::certificates(&file, &pair.cert).expect("a certificate");
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(certs, key).expect("a pair")
        }
        None => builder.with_no_client_auth(),
    }
}

/// Sends a byte there and one back; gives what was agreed on to be spoken.
async fn talk(tls: &ServerTls, client: ClientConfig) -> io::Result<Option<Vec<u8>>> {
    let (ours, theirs): (DuplexStream, _) = tokio::io::duplex(1 << 16);
    let served = async {
        let mut stream = tls.accept(theirs).await.map_err(|(error, _)| error)?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.shutdown().await
    };
    let asked = async {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, ours).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 7);
        // Its end is said, not only a connection closed.
        assert_eq!(stream.read(&mut [0]).await?, 0);
        Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    let (served, asked) = tokio::join!(served, asked);
    served.and(asked)
}

#[tokio::test]
async fn a_pair_is_served_and_a_protocol_agreed_on() {
    let authority = Authority::new("ca");
    let dir = placed(&authority.server());
    let tls = ServerTls::load(files(dir.path(), false)).expect("a good pair");
    for (offered, wanted) in [
        (vec![], None),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec!["http/1.1", "h2"], Some("h2")),
    ] {
        let mut client = client(&authority, None);
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().into()).collect();
        let agreed = talk(&tls, client).await.expect("served");
        assert_eq!(agreed.as_deref(), wanted.map(str::as_bytes));
    }
    let stranger = client(&Authority::new("another"), None);
    assert!(talk(&tls, stranger).await.is_err(), "it is not trusted");
}

#[test]
fn what_can_not_be_used_names_its_flag_and_file() {
    let authority = Authority::new("ca");
    let (one, other) = (authority.server(), authority.server());
    let dir = placed(&one);
    write(dir.path(), "tls.key", &other.key);
    let foreign = "--tls-key tls.key: does not belong to --tls-cert tls.crt";
    assert_eq!(refused(&dir, false), foreign);
    write(dir.path(), "tls.key", &one.cert);
    assert!(refused(&dir, false).starts_with("--tls-key tls.key: no private key in it"));
    write(dir.path(), "tls.key", &one.key);
    assert!(refused(&dir, true).starts_with("--tls-client-ca ca.crt: "));
    write(dir.path(), "ca.crt", "garbage");
    let none = "--tls-client-ca ca.crt: no certificate in it";
    assert_eq!(refused(&dir, true), none);
    write(dir.path(), "tls.crt", &one.key);
    let none = "--tls-cert tls.crt: no certificate in it";
    assert_eq!(refused(&dir, false), none);
    std::fs::remove_file(dir.path().join("tls.crt")).expect("removed");
    assert!(refused(&dir, false).starts_with("--tls-cert tls.crt: No such file"));
}

#[test]
fn an_expired_certificate_is_taken() {
    let dir = placed(&Authority::new("ca").server_until(2001));
    assert!(ServerTls::load(files(dir.path(), false)).is_ok());
}

#[tokio::test]
async fn what_changed_is_for_new_connections_and_what_is_bad_changes_nothing() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let dir = placed(&old.server());
    let files = files(dir.path(), false);
    let tls = ServerTls::load(files.clone()).expect("a good pair");
    let pair = new.server();
    write(dir.path(), "tls.crt", &pair.cert);
    let half = reload(&tls, &files).expect_err("the key is still the old one");
    assert!(half.contains("does not belong to --tls-cert "), "{half}");
    assert!(talk(&tls, client(&old, None)).await.is_ok(), "as before");
    write(dir.path(), "tls.key", &pair.key);
    reload(&tls, &files).expect("they belong to each other");
    assert!(talk(&tls, client(&new, None)).await.is_ok());
    assert!(talk(&tls, client(&old, None)).await.is_err());
    write(dir.path(), "tls.crt", "garbage");
    reload(&tls, &files).expect_err("no certificate");
    assert!(talk(&tls, client(&new, None)).await.is_ok(), "as before");
}

#[tokio::test]
async fn clients_must_show_a_certificate_of_their_authority() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let dir = placed(&ours.server());
    write(dir.path(), "ca.crt", &theirs.pem());
    let files = files(dir.path(), true);
    let tls = ServerTls::load(files.clone()).expect("good files");
    let good = theirs.client();
    assert!(talk(&tls, client(&ours, Some(&good))).await.is_ok());
    assert!(talk(&tls, client(&ours, None)).await.is_err(), "none");
    let foreign = ours.client();
    assert!(talk(&tls, client(&ours, Some(&foreign))).await.is_err());
    let expired = theirs.server_until(2001);
    assert!(talk(&tls, client(&ours, Some(&expired))).await.is_err());
    // Another authority from now on, also for a client that has a session.
    let known = client(&ours, Some(&good));
    assert!(talk(&tls, known.clone()).await.is_ok());
    write(dir.path(), "ca.crt", &ours.pem());
    reload(&tls, &files).expect("good files");
    assert!(talk(&tls, known).await.is_err());
    assert!(talk(&tls, client(&ours, Some(&foreign))).await.is_ok());
}
