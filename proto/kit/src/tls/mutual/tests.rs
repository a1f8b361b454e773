use super::super::issue::{Authority, Pair};
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MANAGER: &str = "spiffe://files/manager";
const NODE: &str = "spiffe://files/node/a/p";

fn texts(pair: Pair, trusted: &[&Authority]) -> Texts {
    let trusted = trusted.iter().map(|authority| authority.pem()).collect();
    [pair.cert, pair.key, trusted]
}

fn mutual(pair: Pair, trusted: &[&Authority]) -> Mutual {
    Mutual::of(&texts(pair, trusted)).expect("usable")
}

/// A connection from a client to a server that sends a byte each way: what each of them
/// sees of it.
async fn meet(
    server: &Mutual,
    client: &Mutual,
    whom: Whom,
) -> (io::Result<Identity>, io::Result<()>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let serving = async {
        let (mut stream, identity) = server.accept(far).await?;
        stream.write_all(&[1]).await?;
        stream.read_u8().await?;
        Ok(identity)
    };
    let calling = async {
        let mut stream = client.connect(&whom, near).await?;
        stream.write_all(&[1]).await?;
        // The server's verdict on the client comes with its first answer.
        stream.read_u8().await.map(drop)
    };
    tokio::join!(serving, calling)
}

#[tokio::test]
async fn members_of_a_release_see_who_the_other_one_is() {
    let authority = Authority::new("ca");
    let manager = mutual(authority.member(MANAGER), &[&authority]);
    let node = mutual(authority.member(NODE), &[&authority]);
    assert_eq!(manager.identity().to_string(), MANAGER);
    let (identity, called) = meet(&manager, &node, Whom::Manager).await;
    assert_eq!(identity.expect("let in").to_string(), NODE);
    called.expect("answered");
    for whom in [Whom::Node, Whom::NodeOf("a/p".to_owned())] {
        let (identity, called) = meet(&node, &manager, whom).await;
        assert_eq!(identity.expect("let in").to_string(), MANAGER);
        called.expect("answered");
    }
}

#[tokio::test]
async fn who_is_not_of_the_release_is_refused_by_either_side() {
    let (authority, another) = (Authority::new("ca"), Authority::new("ca"));
    let manager = mutual(authority.member(MANAGER), &[&authority]);
    let of_release = |release: &str| format!("spiffe://{release}/node/a/p");
    for (strange, why) in [
        (another.member(NODE), "another authority"),
        (authority.member(&of_release("other")), "another release"),
        (authority.member(&of_release("files.b")), "a longer name"),
        (authority.member_until(NODE, 2001), "expired"),
    ] {
        let strange = mutual(strange, &[&authority]);
        let (identity, called) = meet(&manager, &strange, Whom::Manager).await;
        assert!(identity.is_err(), "{why}");
        assert!(called.is_err(), "{why}");
        let (_, called) = meet(&strange, &manager, Whom::Node).await;
        assert!(called.is_err(), "{why}");
    }
}

#[tokio::test]
async fn a_server_has_to_be_the_one_that_is_wanted() {
    let authority = Authority::new("ca");
    let [node, manager, operator] = [NODE, MANAGER, "spiffe://files/operator"]
        .map(|identity| mutual(authority.member(identity), &[&authority]));
    for (server, whom) in [
        (&node, Whom::Manager),
        (&operator, Whom::Manager),
        (&manager, Whom::Node),
        (&operator, Whom::Node),
        (&node, Whom::NodeOf("a/q".to_owned())),
        (&node, Whom::NodeOf("a".to_owned())),
    ] {
        let (_, called) = meet(server, &manager, whom.clone()).await;
        let refused = called.expect_err("it is another one");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{whom:?}");
    }
}

#[tokio::test]
async fn a_certificate_has_one_identity() {
    let authority = Authority::new("ca");
    let manager = mutual(authority.member(MANAGER), &[&authority]);
    for uris in [
        &[][..],
        &[NODE, "spiffe://files/operator"],
        &["https://files"],
    ] {
        let made = Mutual::of(&texts(authority.member_of_many(uris), &[&authority]));
        let refused = made.expect_err("it has not one").to_string();
        assert!(
            refused.starts_with("--certs tls.crt: a certificate w"),
            "{refused}"
        );
    }
    // Nor does the other side take one that is shown all the same.
    let own = manager.0.0.read().client.clone();
    let key = |pair: Pair| {
        let file = Source::new(FLAG, "tls.crt".into());
        let certs = pem::certificates(&file, &pair.cert).expect("one");
        server::certified(&file, &file, certs, &pair.key).expect("a pair")
    };
    let mut config = ClientConfig::clone(&own);
    let two = authority.member_of_many(&[NODE, "spiffe://files/operator"]);
    config.client_auth_cert_resolver = key(two);
    manager.0.0.write().client = Arc::new(config);
    let server = mutual(authority.member(MANAGER), &[&authority]);
    let (identity, _) = meet(&server, &manager, Whom::Manager).await;
    assert!(identity.is_err());
}

#[tokio::test]
async fn a_new_authority_is_trusted_before_it_signs() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let manager = mutual(old.member(MANAGER), &[&old]);
    let node = mutual(old.member(NODE), &[&old]);
    let ok = async |manager: &Mutual, node: &Mutual| {
        let (up, called) = meet(manager, node, Whom::Manager).await;
        let (down, back) = meet(node, manager, Whom::Node).await;
        up.is_ok() && called.is_ok() && down.is_ok() && back.is_ok()
    };
    for (step, (side, texts)) in [
        (&node, texts(old.member(NODE), &[&old, &new])),
        (&manager, texts(old.member(MANAGER), &[&old, &new])),
        (&node, texts(new.member(NODE), &[&old, &new])),
        (&manager, texts(new.member(MANAGER), &[&new, &old])),
        (&manager, texts(new.member(MANAGER), &[&new])),
        (&node, texts(new.member(NODE), &[&new])),
    ]
    .into_iter()
    .enumerate()
    {
        side.replace(&texts).expect("usable");
        assert!(ok(&manager, &node).await, "step {step}");
    }
    let late = mutual(old.member(NODE), &[&old]);
    assert!(!ok(&manager, &late).await, "the old authority is gone");
}

#[tokio::test]
async fn the_certificate_of_another_process_is_not_taken_while_this_one_runs() {
    let authority = Authority::new("ca");
    let node = mutual(authority.member(NODE), &[&authority]);
    let other = texts(authority.member(MANAGER), &[&authority]);
    let refused = node.replace(&other).expect_err("it is a manager's");
    assert!(
        refused
            .to_string()
            .contains("is now the certificate of spiffe://files/manager")
    );
    let mixed = [
        other[0].clone(),
        texts(authority.member(NODE), &[])[1].clone(),
        other[2].clone(),
    ];
    let refused = node.replace(&mixed).expect_err("the key is another's");
    assert_eq!(
        refused.to_string(),
        "--certs tls.key: does not belong to --certs tls.crt"
    );
    assert_eq!(node.identity().to_string(), NODE);
}

#[tokio::test]
async fn what_files_say_is_taken_and_what_is_missing_is_named() {
    let authority = Authority::new("ca");
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Mutual::load(folder.path())
        .expect_err("there are none")
        .to_string();
    assert!(
        missing.starts_with("--certs ") && missing.contains("tls.crt"),
        "{missing}"
    );
    let texts = texts(authority.member(NODE), &[&authority]);
    for (name, text) in FILES.iter().zip(texts) {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let loaded = Mutual::load(folder.path()).expect("usable");
    assert_eq!(loaded.identity().to_string(), NODE);
}

#[tokio::test]
async fn members_agree_on_the_cipher_that_costs_least() {
    let authority = Authority::new("ca");
    let manager = mutual(authority.member(MANAGER), &[&authority]);
    let node = mutual(authority.member(NODE), &[&authority]);
    let (near, far) = tokio::io::duplex(1 << 16);
    let (served, called) = tokio::join!(node.accept(far), manager.connect(&Whom::Node, near));
    let stream = called.expect("connected");
    served.expect("let in");
    let suite = stream.get_ref().1.negotiated_cipher_suite();
    let suite = suite.map(|suite| suite.suite());
    assert_eq!(suite, Some(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256));
}
