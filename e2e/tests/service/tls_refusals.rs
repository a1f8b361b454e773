//! Who gets no session of TLS from the REST API, and with which files it does not start.

use anyhow::{Result, ensure};
use e2e::certificates::{Authority, Pair};
use e2e::cluster::SOON;
use e2e::secure::Secure;
use e2e::wire::{Client, Tls};
use e2e::{raw, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The first message of a client that speaks a version and no later one.
fn hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35];
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session, the cipher suites, no compression.
    body.extend([0, 0, suites.len() as u8]);
    body.extend(suites);
    body.extend([1, 0]);
    let length = body.len() as u8;
    let message = [&[1, 0, 0, length][..], &body].concat();
    let record = [22, 3, 1, 0, message.len() as u8];
    [&record[..], &message].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn older_versions_get_an_alert_and_no_session() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    for minor in [0, 1, 2] {
        let mut stream = TcpStream::connect(secure.cluster.http()).await?;
        stream.write_all(&hello(minor)).await?;
        let mut answer = Vec::new();
        wait::at_most(SOON, stream.read_to_end(&mut answer)).await??;
        // A fatal alert, of the version (70) or of what came with it later (40), and no
        // other record.
        ensure!(answer.len() == 7 && answer[0] == 21, "{answer:?}");
        ensure!(
            answer[5] == 2 && [40, 70].contains(&answer[6]),
            "{answer:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_answered_that_the_port_speaks_tls() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let http = secure.cluster.http();
    let requests: [&[u8]; 3] = [
        b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[
            b"PUT /file/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
            &[b'x'; 100_000][..],
        ]
        .concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for request in requests {
        let answer = raw::exchange(http, request, false, SOON).await?;
        ensure!(
            (answer.status, answer.code()) == (400, Some(6)),
            "{answer:?}"
        );
        let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
        ensure!(
            body["detail"] == "this port speaks TLS: use https://",
            "{body}"
        );
        ensure!(!answer.head.contains("strict-transport"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_trust_the_authority_has_no_session() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let stranger = Tls::trusting(&Authority::new("another")?.pem())?;
    let refused = stranger.connect(secure.cluster.http(), "h2").await;
    let why = format!("{:#}", refused.err().unwrap());
    ensure!(why.contains("UnknownIssuer"), "{why}");
    let tls = secure.tls()?;
    let other = tls.connect(secure.cluster.http(), "ftp").await;
    ensure!(other.is_err(), "a protocol that is not served");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_must_show_a_certificate_that_is_good_and_of_the_authority() -> Result<()> {
    let clients = Authority::new("clients")?;
    let good = clients.client()?;
    let mut secure = Secure::prepare(&[])?;
    secure.ask_clients_for(&clients.pem())?;
    secure.run().await?;
    let trusted = secure.authority.pem();
    let answers = async |pair: Option<&Pair>| {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let tls = Tls::new(&trusted, &[version], pair)?;
            let client = Client::over_tls(secure.cluster.http(), tls);
            client
                .call(http::Method::GET, "/files")
                .await?
                .expect(200)?;
        }
        anyhow::Ok(())
    };
    answers(Some(&good)).await?;
    let why = async |pair: Option<&Pair>| {
        let refused = answers(pair).await.err();
        refused.map(|why| format!("{why:#}")).unwrap_or_default()
    };
    let none = why(None).await;
    ensure!(
        none.contains("CertificateRequired") || none.contains("HandshakeFailure"),
        "{none}"
    );
    let own = why(Some(&Pair::self_signed()?)).await;
    ensure!(own.contains("UnknownCA"), "{own}");
    let expired = why(Some(&clients.expired_client()?)).await;
    ensure!(expired.contains("CertificateExpired"), "{expired}");
    let servers = why(Some(&secure.authority.client()?)).await;
    ensure!(servers.contains("UnknownCA"), "{servers}");
    let of_server = why(Some(&clients.server()?)).await;
    ensure!(
        of_server.is_empty(),
        "one for no certain use is for any: {of_server}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_clients_authorities_hold_for_new_connections() -> Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let mut secure = Secure::prepare(&[])?;
    let file = secure.ask_clients_for(&old.pem())?;
    secure.run().await?;
    let trusted = secure.authority.pem();
    let client = |pair: &Pair| {
        let tls = Tls::showing(&trusted, pair)?;
        anyhow::Ok(Client::over_tls(secure.cluster.http(), tls))
    };
    let (of_old, of_new) = (client(&old.client()?)?, client(&new.client()?)?);
    let list = async |client: &Client| client.call(http::Method::GET, "/files").await;
    list(&of_old).await?.expect(200)?;
    ensure!(list(&of_new).await.is_err());
    std::fs::write(file, new.pem())?;
    wait::until(SOON, async || {
        list(&of_new).await?.expect(200)?;
        Ok(())
    })
    .await?;
    list(&of_old).await?.expect(200)?;
    ensure!(
        list(&client(&old.client()?)?).await.is_err(),
        "it is not let in any more"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_can_not_be_used_are_refused_at_the_start_by_name() -> Result<()> {
    for (file, text, wanted) in [
        ("tls.crt", "", "no certificate in it"),
        ("tls.key", "", "no private key in it"),
        (
            "tls.key",
            &Authority::new("a")?.server()?.key[..],
            "does not belong to --tls-cert",
        ),
    ] {
        let secure = Secure::prepare(&[])?;
        let path = secure.cluster.folder().join("tls/..data").join(file);
        std::fs::write(&path, text)?;
        let (status, log) = secure.cluster.manager_launch().refused(SOON).await?;
        let flag = if file == "tls.crt" {
            "--tls-cert"
        } else {
            "--tls-key"
        };
        let said = format!("{flag} {}: {wanted}", path.display());
        ensure!(!status.success() && log.contains(&said), "{log}");
    }
    Ok(())
}
