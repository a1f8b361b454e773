//! Callers of the REST API whom the cluster knows: two teams, each with a ServiceAccount
//! in a namespace of its own, and their rights by RBAC.

use super::World;
use crate::kubernetes::release::{Release, values};
use crate::wait;
use crate::wire::Client;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The namespaces of the two teams.
pub(super) const TEAMS: [&str; 2] = ["team-a", "team-b"];
/// The account of each.
const ACCOUNT: &str = "app";
/// Whom callers' tokens are meant for.
const AUDIENCE: &str = "distributed-file-server";
/// How long the manager uses what the API server said.
const FRESH: Duration = Duration::from_secs(6);
/// How much longer while the API server does not answer.
const STALE: Duration = Duration::from_secs(15);
/// Files that the first team may have stored.
const MOST_FILES: u64 = 3;
/// How long a change may take until the manager follows it.
const FOLLOWED: Duration = Duration::from_secs(40);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    for team in TEAMS {
        Release::new(&release.kube, team, "none").make_namespace()?;
        let account = ["-n", team, "create", "serviceaccount", ACCOUNT];
        release.kube.kubectl(&account)?;
    }
    let mut closed = values();
    closed["auth"] = json!({"clients": {
        "mode": "kubernetes",
        "cacheTime": format!("{}s", FRESH.as_secs()),
        "staleTime": format!("{}s", STALE.as_secs()),
        "namespaceQuotas": {TEAMS[0]: {"files": MOST_FILES}, "*": {"bytes": "1MiB"}},
    }});
    release.helm("upgrade", &closed)?;
    let seen = closed_to_strangers(&release).await?;
    let teams = rights(&release).await?;
    release
        .kube
        .helm(&["test", &release.name, "-n", &release.namespace], "")?;
    quotas(&teams).await?;
    let away = without_answers(&release, &teams).await?;
    let gone = deleted_account(&release, &teams).await?;
    secrets_stay_secret(&release, &teams)?;
    for team in TEAMS {
        release
            .kube
            .kubectl(&["delete", "namespace", team, "--wait=false"])?;
        let binding = ["-n", &release.namespace, "delete", "rolebinding", team];
        release.kube.kubectl(&binding)?;
    }
    release.helm("upgrade", &values())?;
    let client = release.wire()?;
    reaches(&client, "/status", 200).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "{seen}; a namespace held to its {MOST_FILES} files; {away}; {gone}; {compared} compared"
    ))
}

/// Waits until a path is answered so.
async fn reaches(client: &Client, path: &str, wanted: u16) -> Result<()> {
    wait::until(FOLLOWED, async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let answer = client.call(http::Method::GET, path).await?;
        let status = answer.status.as_u16();
        ensure!(status == wanted, "{status}: {answer:?}");
        Ok(())
    })
    .await
}

/// A token of a team's account.
fn token(release: &Release, team: &str, audience: &str) -> Result<String> {
    let audience = format!("--audience={audience}");
    let create = ["-n", team, "create", "token", ACCOUNT, &audience];
    Ok(release.kube.kubectl(&create)?.trim().to_owned())
}

fn bind(release: &Release, team: &str, role: &str) -> Result<()> {
    let role = format!(
        "--clusterrole={}.{}-files-{role}",
        release.namespace,
        release.full_name()
    );
    let account = format!("--serviceaccount={team}:{ACCOUNT}");
    let create = [
        "-n",
        &release.namespace,
        "create",
        "rolebinding",
        team,
        &role,
        &account,
    ];
    release.kube.kubectl(&create).map(drop)
}

/// Without a token, and with those of others, nothing is served.
async fn closed_to_strangers(release: &Release) -> Result<String> {
    let anyone = release.wire()?;
    reaches(&anyone, "/status", 401).await?;
    let own = token(release, TEAMS[0], AUDIENCE)?;
    let other = token(release, TEAMS[0], "another-service")?;
    let mut changed = own.clone().into_bytes();
    let last = changed.len() - 10;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed)?;
    for wrong in [other.as_str(), &changed, "dfs_nonsense"] {
        let answer = anyone.with_bearer(wrong)?.get("f").await?;
        ensure!(answer.outcome() == (401, Some(7)), "{answer:?}");
        ensure!(answer.header("www-authenticate") == "Bearer", "{answer:?}");
    }
    let known = anyone.with_bearer(&own)?.get("f").await?;
    ensure!(known.outcome() == (403, Some(7)), "{known:?}");
    let told = known.json()?["detail"].to_string();
    let who = format!("system:serviceaccount:{}:{ACCOUNT}", TEAMS[0]);
    ensure!(told.contains(&who) && told.contains("get"), "{told}");
    Ok("strangers refused".to_owned())
}

/// The first team may write, the second one read, and the API server says so too.
async fn rights(release: &Release) -> Result<[(Client, String); 2]> {
    bind(release, TEAMS[0], "writer")?;
    bind(release, TEAMS[1], "reader")?;
    let anyone = release.wire()?;
    let client = |team| {
        let token = token(release, team, AUDIENCE)?;
        anyhow::Ok((anyone.with_bearer(&token)?, token))
    };
    let teams = [client(TEAMS[0])?, client(TEAMS[1])?];
    for (client, _) in &teams {
        reaches(client, "/file/none", 404).await?;
    }
    let [(writer, _), (reader, _)] = &teams;
    writer.put("of-team-a", "x").await?.expect(201)?;
    ensure!(reader.get("of-team-a").await?.expect(200)?.body == "x");
    for refused in [
        reader.put("of-team-b", "x").await?,
        reader.delete("of-team-a").await?,
        reader.call(http::Method::GET, "/status").await?,
        writer.call(http::Method::GET, "/status").await?,
    ] {
        ensure!(refused.outcome() == (403, Some(7)), "{refused:?}");
    }
    for (team, verb, wanted) in [
        (0, "create", true),
        (0, "admin", false),
        (1, "get", true),
        (1, "create", false),
    ] {
        ensure!(
            allowed(release, TEAMS[team], verb)? == wanted,
            "{team} {verb}"
        );
    }
    Ok(teams)
}

/// The first team's namespace is bounded by files, which is counted from what it has.
async fn quotas(teams: &[(Client, String); 2]) -> Result<()> {
    let (writer, _) = &teams[0];
    for number in 1..MOST_FILES {
        let stored = writer.put(&format!("more-{number}"), "x").await?;
        stored.expect(201)?;
    }
    let refused = writer.put("one-too-many", "x").await?;
    ensure!(refused.outcome() == (507, Some(8)), "{refused:?}");
    let told = refused.json()?["detail"].to_string();
    let wanted = format!(
        "{MOST_FILES} files may be stored for the namespace {}",
        TEAMS[0]
    );
    ensure!(told.contains(&wanted), "{told}");
    for number in 1..MOST_FILES {
        let deleted = writer.delete(&format!("more-{number}")).await?;
        deleted.expect(204)?;
    }
    writer.put("more-1", "x").await?.expect(201)?;
    writer.delete("more-1").await?.expect(204)?;
    Ok(())
}

/// What the API server says of a right, as a person asks it.
fn allowed(release: &Release, team: &str, verb: &str) -> Result<bool> {
    let account = format!("--as=system:serviceaccount:{team}:{ACCOUNT}");
    let namespace = &release.namespace;
    let ask = [
        "-n",
        namespace,
        "auth",
        "can-i",
        verb,
        "files.fileserver.dev",
        &account,
    ];
    let told = release.kube.try_kubectl(&ask, "")?.text;
    // Of a verb that it does not know itself kubectl warns.
    match told.lines().next() {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        _ => anyhow::bail!("{told}"),
    }
}

/// The manager may not ask any more: it answers from what it knows for a while, and then
/// refuses everybody.
async fn without_answers(release: &Release, teams: &[(Client, String); 2]) -> Result<String> {
    let binding = release
        .kube
        .kubectl(&["get", "clusterrolebinding", "-o", "json"])?;
    let all: Value = serde_json::from_str(&binding)?;
    let manager = format!("{}-manager", release.full_name());
    let mut own = all["items"].as_array().context("items")?.iter();
    let own = own
        .find(|one| {
            one["roleRef"]["name"] == "system:auth-delegator"
                && one["subjects"][0]["name"] == manager.as_str()
                && one["subjects"][0]["namespace"] == release.namespace.as_str()
        })
        .context("no binding to system:auth-delegator")?;
    let name = own["metadata"]["name"].as_str().context("its name")?;
    let (writer, _) = &teams[0];
    writer.get("of-team-a").await?.expect(200)?;
    let from = Instant::now();
    release
        .kube
        .kubectl(&["delete", "clusterrolebinding", name])?;
    let stranger = release
        .wire()?
        .with_bearer(&token(release, TEAMS[1], AUDIENCE)?)?;
    // Within its time nobody notices.
    while from.elapsed() < STALE {
        writer.get("of-team-a").await?.expect(200)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let answer = stranger.get("of-team-a").await?;
    ensure!(answer.outcome() == (503, Some(1)), "{answer:?}");
    reaches(writer, "/file/of-team-a", 503).await?;
    let held = from.elapsed();
    ensure!(held < FRESH + STALE + FOLLOWED, "{held:?}");
    let mut again = own.clone();
    again["metadata"] = json!({ "name": name });
    let applied = release
        .kube
        .try_kubectl(&["create", "-f", "-"], &again.to_string())?;
    applied.expect("kubectl create")?;
    reaches(writer, "/file/of-team-a", 200).await?;
    Ok(format!(
        "without answers served for {:.0} s, then 503",
        held.as_secs_f64()
    ))
}

/// An account that was deleted is refused within the cache's time.
async fn deleted_account(release: &Release, teams: &[(Client, String); 2]) -> Result<String> {
    let (reader, _) = &teams[1];
    reader.get("of-team-a").await?.expect(200)?;
    let from = Instant::now();
    let delete = ["-n", TEAMS[1], "delete", "serviceaccount", ACCOUNT];
    release.kube.kubectl(&delete)?;
    reaches(reader, "/file/of-team-a", 401).await?;
    let took = from.elapsed();
    ensure!(took < FRESH + Duration::from_secs(15), "{took:?}");
    let (writer, _) = &teams[0];
    writer.delete("of-team-a").await?.expect(204)?;
    Ok(format!(
        "a deleted account refused after {:.0} s",
        took.as_secs_f64()
    ))
}

/// No token is in a log of manager or operator, in an event, or in a pool's status.
fn secrets_stay_secret(release: &Release, teams: &[(Client, String); 2]) -> Result<()> {
    let mut told = String::new();
    for component in ["manager", "operator", "node"] {
        let selector = format!("-lapp.kubernetes.io/component={component}");
        let logs = [
            "-n",
            &release.namespace,
            "logs",
            &selector,
            "--tail=-1",
            "--prefix",
        ];
        told += &release.kube.kubectl(&logs)?;
    }
    ensure!(
        told.contains("\"target\":\"audit\""),
        "no audit in the logs"
    );
    for kind in ["events", "fsp", "pods"] {
        let list = ["-n", &release.namespace, "get", kind, "-o", "json"];
        told += &release.kube.kubectl(&list)?;
    }
    for (_, token) in teams {
        ensure!(!told.contains(token.as_str()), "a token was shown");
        let signature = token.rsplit('.').next().context("a signature")?;
        ensure!(!told.contains(signature), "a token's signature was shown");
    }
    Ok(())
}
