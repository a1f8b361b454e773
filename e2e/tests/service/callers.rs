//! Who may call the REST API: callers of a file of tokens, their rights and names, and
//! the audit of what they change.

use anyhow::{Context, Result, ensure};
use e2e::callers::{Closed, known};
use e2e::cluster::{Cluster, Launch, Options, SOON};
use e2e::library::{self, names};
use e2e::wire::{Client, Http2, Pieces, Route};
use e2e::{content, raw, wait};
use http::{Method, Request};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The lines of the audit so far.
fn audit(service: &Closed) -> Result<Vec<Value>> {
    let log = std::fs::read_to_string(service.cluster.log_of_manager(0))?;
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(lines
        .filter(|line: &Value| line["target"] == "audit")
        .collect())
}

const REFUSED: (u16, Option<u64>) = (401, Some(7));
const FORBIDDEN: (u16, Option<u64>) = (403, Some(7));

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_known_does_nothing_and_stays_outside() -> Result<()> {
    let service = Closed::start(&[]).await?;
    let known = service.cluster.wire();
    known.put("f", "x").await?.expect(201)?;
    let token = service.cluster.options.bearer.clone().unwrap();
    let basic = format!("Basic {token}");
    let shorter = format!("Bearer {}", &token[..token.len() - 1]);
    let line: Value = serde_json::from_str(&service.lines[0])?;
    let digest = format!("Bearer {}", line["sha256"].as_str().unwrap());
    let none = [
        vec![],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer ")],
        vec![("authorization", basic.as_str())],
        vec![("authorization", shorter.as_str())],
        vec![("authorization", digest.as_str())],
        vec![("authorization", token.as_str())],
    ];
    let anyone = service.anyone();
    for headers in &none {
        for (method, path) in [
            (Method::GET, "/file/f"),
            (Method::HEAD, "/file/f"),
            (Method::GET, "/file/none"),
            (Method::HEAD, "/files"),
            (Method::HEAD, "/status"),
            (Method::OPTIONS, "/file/f"),
            (Method::DELETE, "/file/f"),
            (Method::PUT, "/file/g"),
            (Method::POST, "/file/f/link"),
            (Method::GET, "/files"),
            (Method::GET, "/status"),
        ] {
            let answer = anyone.call_with(method.clone(), path, headers).await?;
            let wanted = if method == Method::HEAD {
                None
            } else {
                Some(7)
            };
            ensure!(
                answer.outcome() == (401, wanted),
                "{method} {path} {headers:?}: {answer:?}"
            );
            ensure!(answer.header("www-authenticate") == "Bearer", "{answer:?}");
        }
    }
    for route in Route::ALL {
        let answer = anyone
            .upload(route, "g", content::bytes(1, 100_000))
            .await?;
        ensure!(answer.outcome() == REFUSED, "{route:?}: {answer:?}");
    }
    // What says nothing of files is open.
    for path in ["/docs", "/openapi.json"] {
        anyone.call(Method::GET, path).await?.expect(200)?;
    }
    let ops = Client::new(service.cluster.ops());
    for path in ["/livez", "/readyz", "/metrics"] {
        ops.call(Method::GET, path).await?.expect(200)?;
    }
    ensure!(anyone.call(Method::GET, "/nowhere").await?.outcome() == (404, Some(6)));
    // Upper and lower case of the scheme are the same (RFC 9110, section 11.1).
    let lower = format!("bearer {token}");
    anyone
        .get_with("f", &[("authorization", &lower)])
        .await?
        .expect(200)?;
    ensure!(names(&service.cluster.client()?).await? == ["f"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_none() -> Result<()> {
    let service = Closed::start(&[]).await?;
    let token = service.cluster.options.bearer.clone().unwrap();
    let twice = format!(
        "GET /file/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let answer = raw::exchange(service.cluster.http(), twice.as_bytes(), false, SOON).await?;
    ensure!((answer.status, answer.code()) == REFUSED, "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_opens_its_own_requests_and_no_other() -> Result<()> {
    let mut service = Closed::start(&[]).await?;
    service.cluster.wire().put("f", "x").await?.expect(201)?;
    let all = ["get", "list", "create", "delete", "admin"];
    let mut callers = Vec::new();
    for right in all {
        let rights = format!("--rights={right}");
        callers.push(service.add(&["--name=one", &rights]).await?.0);
    }
    known(&callers).await?;
    for (right, caller) in all.into_iter().zip(callers) {
        for (needed, method, path) in [
            ("get", Method::GET, "/file/f"),
            ("list", Method::GET, "/files"),
            ("create", Method::PUT, "/file/new"),
            ("admin", Method::GET, "/status"),
            ("delete", Method::DELETE, "/file/f"),
        ] {
            let answer = caller.call(method.clone(), path).await?;
            if needed == right {
                ensure!(
                    answer.status.is_success(),
                    "{right}: {method} {path}: {answer:?}"
                );
                continue;
            }
            ensure!(
                answer.outcome() == FORBIDDEN,
                "{right}: {method} {path}: {answer:?}"
            );
            let told = answer.json()?["detail"].as_str().unwrap().to_owned();
            let name = path.strip_prefix("/file/").unwrap_or_default();
            ensure!(
                told.contains("token:one") && told.contains(needed) && told.contains(name),
                "{told}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_bounds_every_route_by_which_a_name_comes_in() -> Result<()> {
    let mut service = Closed::start(&[]).await?;
    let all = service.cluster.wire();
    all.put("other", "x").await?.expect(201)?;
    let rights = "--rights=get,list,create,delete";
    let caller = service
        .caller(&["--name=ci", rights, "--prefix=ci-"])
        .await?;
    for (at, route) in Route::ALL.into_iter().enumerate() {
        // Small ones and those that have a stream of their own.
        for size in [10, 100_000] {
            let outside = format!("c-{at}-{size}");
            let answer = caller
                .upload(route, &outside, content::bytes(1, size))
                .await?;
            ensure!(answer.outcome() == FORBIDDEN, "{route:?}: {answer:?}");
            let told = answer.json()?["detail"].to_string();
            ensure!(told.contains("ci-") && told.contains(&outside), "{told}");
            let own = format!("ci-{at}-{size}");
            caller
                .upload(route, &own, content::bytes(1, size))
                .await?
                .expect(201)?;
        }
    }
    for (method, path) in [
        (Method::GET, "/file/other"),
        (Method::DELETE, "/file/other"),
        (Method::PUT, "/file/other"),
        (Method::GET, "/file/%6fther"),
        (Method::GET, "/files"),
        (Method::GET, "/files?prefix=c"),
        (Method::GET, "/files?prefix=o"),
        (Method::GET, "/files?prefix=other&limit=1"),
    ] {
        let answer = caller.call(method.clone(), path).await?;
        ensure!(answer.outcome() == FORBIDDEN, "{method} {path}: {answer:?}");
    }
    let listed = caller
        .call(Method::GET, "/files?prefix=ci-")
        .await?
        .expect(200)?;
    let files = listed.json()?["files"].as_array().unwrap().len();
    ensure!(files == 2 * Route::ALL.len(), "{files}");
    let left = names(&service.cluster.client()?).await?;
    ensure!(
        left.iter()
            .all(|name| name == "other" || name.starts_with("ci-")),
        "{left:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_read_again_when_it_changes() -> Result<()> {
    let mut service = Closed::start(&[]).await?;
    let (caller, token) = service.add(&["--name=new", "--rights=get"]).await?;
    let status = async |wanted: u16| {
        wait::until(SOON, async || {
            let status = caller.get("none").await?.status.as_u16();
            ensure!(status == wanted, "{status}");
            Ok(())
        })
        .await
    };
    status(404).await?;
    // A file that is malformed changes nothing, and is reported by its line.
    std::fs::write(
        &service.file,
        format!("{}\n{token}\n", service.lines.join("\n")),
    )?;
    wait::until(SOON, async || {
        let log = std::fs::read_to_string(service.cluster.log_of_manager(0))?;
        ensure!(
            log.contains("line 3") && log.contains("--auth tokens"),
            "{log}"
        );
        Ok(())
    })
    .await?;
    status(404).await?;
    service.lines.pop();
    service.write()?;
    status(401).await?;
    service.cluster.wire().get("none").await?.expect(404)?;
    let log = std::fs::read_to_string(service.cluster.log_of_manager(0))?;
    ensure!(!log.contains(&token), "a token is in the log");
    Ok(())
}

/// Waits for as many lines of the audit, and compares the fields of each that matter.
async fn audited(
    service: &Closed,
    wanted: &[(&str, &str, &str, &str, &Value)],
) -> Result<Vec<Value>> {
    let lines = wait::until(SOON, async || {
        let lines = audit(service)?;
        ensure!(lines.len() >= wanted.len(), "{lines:?}");
        Ok(lines)
    })
    .await?;
    ensure!(lines.len() == wanted.len(), "{lines:#?}");
    for (line, (who, what, name, outcome, id)) in lines.iter().zip(wanted) {
        ensure!(
            (&line["who"], &line["what"], &line["name"], &line["outcome"])
                == (&json!(who), &json!(what), &json!(name), &json!(outcome)),
            "{line}"
        );
        ensure!(&line["id"] == *id, "{line}: {id}");
        ensure!(
            line["from"] == "127.0.0.1" && line["request"].is_string(),
            "{line}"
        );
    }
    Ok(lines)
}

/// A manager on its own, at an address, with flags.
fn manager(cluster: &Cluster, http: &str, flags: &[&str], log: &Path) -> Launch {
    let store = format!("embedded:{}", cluster.folder().join("own").display());
    let own = [
        "serve",
        "--http",
        http,
        "--grpc",
        "127.0.0.1:0",
        "--ops",
        "127.0.0.1:0",
    ];
    let args = own
        .iter()
        .copied()
        .chain(["--store", &store])
        .chain(flags.iter().copied());
    Launch {
        stderr: log.to_owned(),
        ..cluster.manager_command(args.map(str::to_owned))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_is_open_only_if_that_is_said() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let log = cluster.folder().join("own.log");
    let broken = cluster.folder().join("broken");
    std::fs::write(&broken, "secret-token\n")?;
    let broken = format!("tokens:{}", broken.display());
    for (http, flags, told) in [
        ("0.0.0.0:0", &[][..], "--auth"),
        ("[::]:0", &[], "--auth"),
        ("127.0.0.1:0", &["--auth", "none,kubernetes"], "--auth"),
        ("127.0.0.1:0", &["--auth", "tokens:/nowhere"], "/nowhere"),
        ("127.0.0.1:0", &["--auth", &broken], "line 1"),
        ("127.0.0.1:0", &["--auth", "kubernetes"], "--auth-namespace"),
        (
            "127.0.0.1:0",
            &["--link-key-file", "/nowhere"],
            "--link-key-file",
        ),
    ] {
        let (status, said) = manager(&cluster, http, flags, &log).refused(SOON).await?;
        ensure!(
            !status.success() && said.contains(told),
            "{http} {flags:?}: {said}"
        );
        ensure!(!said.contains("secret-token"), "{said}");
    }
    for (http, flags) in [("127.0.0.1:0", &[][..]), ("0.0.0.0:0", &["--auth", "none"])] {
        let manager = manager(&cluster, http, flags, &log).start().await?;
        // The next one has its store.
        manager.kill().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_refusals_are_in_the_audit_and_secrets_in_no_log() -> Result<()> {
    // The audit is there whatever else is logged.
    let mut service = Closed::start(&[]).await?;
    service.cluster.stop_manager().await?;
    service.cluster.manager_env = vec![("RUST_LOG".to_owned(), "error".to_owned())];
    service.cluster.start_manager().await?;
    service.cluster.wait_available(1).await?;
    let all = service.cluster.wire();
    let stored = all.put("f", "x").await?.expect(201)?.json()?;
    let posted = all
        .upload(Route::ALL[2], "p", "x")
        .await?
        .expect(201)?
        .json()?;
    all.get("f").await?.expect(200)?;
    ensure!(all.put("f", "x").await?.outcome() == (409, Some(3)));
    let link = all
        .link("f", r#"{"method":"GET","expires":"1h"}"#)
        .await?
        .expect(201)?;
    let link = link.json()?;
    let url = link["url"].as_str().unwrap().to_owned();
    let (_, path) = url.split_once("/file/").context("a path")?;
    let path = format!("/file/{path}");
    service
        .anyone()
        .call(Method::GET, &path)
        .await?
        .expect(200)?;
    let wrong = path.replace("expires=", "expires=1");
    service
        .anyone()
        .call(Method::GET, &wrong)
        .await?
        .expect(401)?;
    service.anyone().get("f").await?.expect(401)?;
    all.delete("f").await?.expect(204)?;
    let wanted = [
        ("token:all", "putFile", "f", "done", &stored["id"]),
        ("token:all", "postFile", "p", "done", &posted["id"]),
        ("token:all", "putFile", "f", "failed", &Value::Null),
        ("token:all", "makeLink", "f", "done", &stored["id"]),
        ("anyone", "getFile", "f", "refused", &Value::Null),
        ("anyone", "getFile", "f", "refused", &Value::Null),
        ("token:all", "deleteFile", "f", "done", &stored["id"]),
    ];
    let lines = audited(&service, &wanted).await?;
    ensure!(lines[3]["link"] == link["link"], "{}", lines[3]);
    let log = std::fs::read_to_string(service.cluster.log_of_manager(0))?;
    let (_, signature) = url.split_once("signature=").context("a signature")?;
    let token = service.cluster.options.bearer.as_ref().unwrap();
    for secret in [signature, token] {
        ensure!(!log.contains(secret), "{secret} is in the log");
    }
    Ok(())
}

/// One after another, until one is refused; gives the answer and how many came before.
async fn until_refused(client: &Client, name: &str) -> Result<(usize, e2e::wire::Answer)> {
    for before in 0..1000 {
        let answer = client.get(name).await?;
        if answer.status.as_u16() != 200 {
            return Ok((before, answer));
        }
    }
    anyhow::bail!("nothing was refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_over_its_rate_is_refused_and_the_others_are_not() -> Result<()> {
    let flags = ["--caller-requests-per-second=20"];
    let mut service = Closed::prepare(Options::default(), &flags).await?;
    let names = ["--name=one", "--name=other", "--name=slow"];
    let mut clients = Vec::new();
    for name in names {
        clients.push(service.add(&[name, "--rights=get,create"]).await?.0);
    }
    // The last one has rates of its own.
    let last = service.lines.pop().unwrap();
    let own = r#","requests_per_second":0,"bytes_per_second":50000}"#;
    service
        .lines
        .push(last.strip_suffix('}').unwrap().to_owned() + own);
    service.write()?;
    service.run().await?;
    service
        .cluster
        .wire()
        .put("f", content::bytes(1, 100_000))
        .await?
        .expect(201)?;
    let (before, refused) = until_refused(&clients[0], "f").await?;
    ensure!((50..=200).contains(&before), "{before}");
    ensure!(refused.outcome() == (429, Some(9)), "{refused:?}");
    let told = refused.json()?["detail"].to_string();
    ensure!(
        told.contains("--caller-requests-per-second") && told.contains("20"),
        "{told}"
    );
    ensure!(!refused.header("retry-after").is_empty(), "{refused:?}");
    clients[1].get("f").await?.expect(200)?;
    // 250,000 bytes at once, and no more until they are made up for.
    let (before, refused) = until_refused(&clients[2], "f").await?;
    ensure!((1..=4).contains(&before), "{before}");
    ensure!(refused.outcome() == (429, Some(9)), "{refused:?}");
    let told = refused.json()?["detail"].to_string();
    ensure!(
        told.contains("`bytes_per_second`") && told.contains("50000"),
        "{told}"
    );
    let put = clients[2].put("g", "x").await?;
    ensure!(put.outcome() == (429, Some(9)), "{put:?}");
    wait::until(SOON, async || {
        clients[2].get("f").await?.expect(200)?;
        Ok(())
    })
    .await
}

/// `manager check`: whether it succeeded, what it said and what it logged.
async fn check(cluster: &Cluster, args: &[&str]) -> Result<(bool, String, String)> {
    let command = cluster.manager_command(["check"].iter().chain(args));
    let (status, said, log) = command.output(SOON).await?;
    Ok((status.success(), said, log))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_needs_a_caller_and_fails_where_no_file_can_be_stored() -> Result<()> {
    let mut service = Closed::start(&[]).await?;
    let (writer, token) = service
        .add(&["--name=check", "--rights=get,create,delete"])
        .await?;
    known(std::slice::from_ref(&writer)).await?;
    let file = service.cluster.folder().join("bearer");
    std::fs::write(&file, format!("{token}\n"))?;
    let url = format!("--url=http://{}", service.cluster.http());
    let bearer = format!("--bearer-file={}", file.display());
    let (ok, said, log) = check(&service.cluster, &[&url, &bearer]).await?;
    ensure!(ok && said.contains("read back"), "{said}{log}");
    let (ok, said, log) = check(&service.cluster, &[&url]).await?;
    ensure!(!ok && log.contains("401"), "{said}{log}");
    service.cluster.kill_node(0).await?;
    wait::until(SOON, async || {
        let (ok, said, _) = check(&service.cluster, &[&url, &bearer]).await?;
        ensure!(!ok, "{said}");
        Ok(())
    })
    .await
}

/// Over HTTP/2 a client that goes away takes its request along, but not what was begun.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_in_the_audit_though_its_client_went_away() -> Result<()> {
    let service = Closed::start(&[]).await?;
    let all = service.cluster.wire();
    let names: Vec<String> = (0..40).map(|number| format!("f-{number}")).collect();
    for name in &names {
        all.put(name, "x").await?.expect(201)?;
    }
    let token = service.cluster.options.bearer.as_ref().unwrap();
    let bearer = format!("Bearer {token}");
    for (at, name) in names.iter().enumerate() {
        let client = Http2::open(service.cluster.http()).await?;
        let request = Request::delete(format!("/file/{name}")).header("authorization", &bearer);
        let request = client.send(request.body(Pieces::empty().into())?);
        // Its stream is reset when it is dropped.
        let after = Duration::from_micros(100 * at as u64);
        let _ = tokio::time::timeout(after, request).await;
    }
    wait::until(SOON, async || {
        let left = library::names(&service.cluster.client()?).await?;
        let audited: Vec<_> = audit(&service)?;
        let deleted = |name: &&String| !left.contains(name);
        for gone in names.iter().filter(deleted) {
            let line = |line: &Value| line["what"] == "deleteFile" && line["name"] == **gone;
            ensure!(
                audited.iter().any(line),
                "{gone} is gone and not in the audit"
            );
        }
        ensure!(left.len() < names.len(), "nothing was deleted");
        Ok(())
    })
    .await
}
