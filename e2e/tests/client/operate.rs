//! The commands of whoever operates the service, and the rights that they need.

use crate::dfs::Dfs;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::NodeState;
use e2e::callers::Closed;
use e2e::cluster::{Cluster, SOON};
use e2e::library::names;
use e2e::older_store::with_an_older_store;
use e2e::wire;
use e2e::{content, wait};
use http::{Method, Request};
use serde_json::Value;

async fn with_files(nodes: usize, files: u64) -> Result<(Cluster, Dfs)> {
    let cluster = Cluster::start(nodes).await?;
    let client = cluster.client()?;
    for number in 0..files {
        let name = format!("f{number}");
        client.put(&name, content::bytes(number, 100)).await?;
    }
    let dfs = Dfs::of(&cluster)?;
    Ok((cluster, dfs))
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_are_ordered_watched_and_cancelled() -> Result<()> {
    let (cluster, dfs) = with_files(3, 30).await?;
    let none = dfs.run(&["drain"]).await?;
    ensure!(none.code == 0 && none.out.is_empty(), "{none:?}");
    ensure!(none.err == "no node is drained\n", "{none:?}");
    dfs.fails(&["drain", "node-9"], 16, "node-9").await?;
    dfs.fails(&["drain", "node-1", "node 2"], 16, "nodes[1]: node id")
        .await?;
    dfs.fails(&["drain", "--cancel"], 2, "NODE").await?;
    let all = ["drain", "node-1", "node-2", "node-3"];
    dfs.fails(&all, 18, "not drained: node-1, node-2, node-3")
        .await?;

    let told = dfs.does(&["drain", "--wait", "node-1"]).await?;
    let last = told.lines().last().context("nothing was printed")?;
    ensure!(last == "node-1 is empty", "{told}");
    ensure!(cluster.tree(0)?.files.is_empty());
    let drains = dfs.does(&["drain", "--json"]).await?;
    let drain: Value = serde_json::from_str(&drains)?;
    ensure!(
        drain["node"] == "node-1" && drain["records_left"] == 0,
        "{drain}"
    );

    let told = dfs.does(&["drain", "--cancel", "node-1"]).await?;
    ensure!(told == "node-1 takes files again\n", "{told}");
    cluster.wait_available(3).await?;
    dfs.fails(&["drain", "--cancel", "node-9"], 16, "node-9")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_given_up_after_its_cost_was_printed() -> Result<()> {
    let (mut cluster, dfs) = with_files(3, 30).await?;
    let volume = cluster.volume_of("node-3").await?;
    dfs.fails(&["abandon", "node-3"], 16, "node node-3 is alive")
        .await?;
    dfs.fails(&["abandon", "node-9"], 16, "there is no node node-9")
        .await?;
    dfs.fails(&["abandon", "node-3", "--lose-files", "1"], 2, "--volume")
        .await?;
    cluster.kill_node(2).await?;
    cluster.wait_available(2).await?;
    let cost = dfs.run(&["abandon", "node-3"]).await?;
    ensure!(cost.code == 1, "{cost:?}");
    ensure!(
        cost.out.contains("giving it up costs 10 files, 1000 B"),
        "{cost:?}"
    );
    let order = format!("dfs abandon node-3 --volume {volume} --lose-files 10");
    ensure!(cost.err.contains(&order), "{cost:?}");
    ensure!(names(&cluster.client()?).await?.len() == 30);

    let order: Vec<&str> = order.split(' ').skip(1).collect();
    let mut wrong = order.clone();
    *wrong.last_mut().context("no number")? = "9";
    dfs.fails(&wrong, 16, "10 files would be lost, not 9")
        .await?;
    let other = "00000000-0000-4000-8000-000000000000";
    let wrong = ["abandon", "node-3", "--volume", other, "--lose-files", "10"];
    dfs.fails(&wrong, 16, "has volume").await?;
    ensure!(names(&cluster.client()?).await?.len() == 30);

    let told = dfs.does(&order).await?;
    ensure!(told.contains("node-3 is given up: 10 files"), "{told}");
    ensure!(names(&cluster.client()?).await?.len() == 20);
    dfs.fails(&order, 16, "there is no node node-3").await
}

#[tokio::test(flavor = "multi_thread")]
async fn fsck_ends_with_3_where_there_is_a_difference() -> Result<()> {
    let (mut cluster, dfs) = with_files(2, 20).await?;
    cluster.wait_fsck_clean(SOON).await?;
    let clean = dfs.run(&["fsck"]).await?;
    ensure!(clean.code == 0 && clean.out.is_empty(), "{clean:?}");
    ensure!(clean.err == "0 differences\n", "{clean:?}");
    cluster.kill_node(1).await?;
    cluster.wait_available(1).await?;
    let found = dfs.run(&["fsck", "--json"]).await?;
    ensure!(found.code == 3, "{found:?}");
    let line: Value = serde_json::from_str(found.out.trim())?;
    ensure!(
        line["kind"] == "node-unavailable" && line["node"] == "node-2",
        "{line}"
    );
    ensure!(
        line.get("filename").is_none() && line.get("id").is_none(),
        "{line}"
    );
    // Bytes that are gone.
    let (name, path) = cluster
        .tree(1)?
        .files
        .into_iter()
        .next()
        .context("no file")?;
    std::fs::remove_file(path)?;
    cluster.start_node(1).await?;
    cluster.wait_available(2).await?;
    wait::until(SOON, async || {
        let found = dfs.run(&["fsck"]).await?;
        let wanted = format!("missing-bytes on node-2: {name} (");
        ensure!(
            found.code == 3 && found.out.starts_with(&wanted),
            "{found:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_quarantine_is_listed_adopted_and_removed() -> Result<()> {
    let cluster = with_an_older_store().await?;
    let dfs = Dfs::of(&cluster)?;
    let listed = dfs.does(&["quarantine", "ls", "--json"]).await?;
    let copies: Vec<Value> = listed
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(copies.len() == 10, "{listed}");
    ensure!(copies.iter().all(|copy| copy["size"] == 100), "{listed}");
    let mut of_nodes = 0;
    for node in ["node-1", "node-2"] {
        let of_node = dfs.does(&["quarantine", "ls", "--node", node]).await?;
        ensure!(
            of_node.lines().all(|line| line.starts_with(node)),
            "{of_node}"
        );
        of_nodes += of_node.lines().count();
    }
    ensure!(of_nodes == 10, "{of_nodes}");
    let two = cluster
        .wire()
        .call(Method::GET, "/quarantine?limit=2")
        .await?
        .expect(200)?;
    ensure!(
        two.body.iter().filter(|byte| **byte == b'\n').count() == 2,
        "{two:?}"
    );
    dfs.fails(
        &["quarantine", "ls", "--node", "node-9"],
        16,
        "there is no node node-9",
    )
    .await?;
    dfs.fails(&["quarantine", "ls", "--node", "a b"], 16, "node: node id")
        .await?;

    // By what the list prints.
    let text = dfs.does(&["quarantine", "ls"]).await?;
    let copy = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("  {name}  ")));
        let words = line.map(|line| line.split_whitespace().take(3).collect::<Vec<_>>());
        words.with_context(|| format!("no {name} in {text}"))
    };
    let adopt = [vec!["quarantine", "adopt"], copy("new3")?].concat();
    let mut newer = adopt.clone();
    *newer.last_mut().context("no generation")? = "7";
    dfs.fails(&newer, 12, "File does not exist").await?;
    ensure!(dfs.does(&adopt).await? == "adopted new3\n");
    let back = cluster.client()?.get("new3").await?.bytes().await?;
    ensure!(back == content::bytes(103, 100));
    dfs.fails(&adopt, 12, "File does not exist").await?;
    let remove = [vec!["quarantine", "rm"], copy("new4")?].concat();
    dfs.fails(&remove, 2, "say --yes").await?;
    let mut newer = [&remove[..], &["--yes"]].concat();
    newer[4] = "7";
    dfs.fails(&newer, 12, "File does not exist").await?;
    let removed = dfs.does(&[&remove[..], &["--yes"]].concat()).await?;
    ensure!(removed == "removed new4\n", "{removed}");
    dfs.fails(
        &[&remove[..], &["--yes"]].concat(),
        12,
        "File does not exist",
    )
    .await?;
    adopt_all(&dfs, &cluster, copy("new5")?).await?;
    ensure!(names(&cluster.client()?).await?.len() == 19);
    Ok(())
}

/// What is left, of one node and then of all.
async fn adopt_all(dfs: &Dfs, cluster: &Cluster, new5: Vec<&str>) -> Result<()> {
    // Somebody has taken a name meanwhile.
    cluster.client()?.put("new5", "other").await?;
    let taken = [vec!["quarantine", "adopt"], new5].concat();
    dfs.fails(&taken, 13, "new5 is file").await?;
    let of_node = ["--json", "quarantine", "adopt", "--all", "--node", "node-2"];
    let of_node = dfs.run(&of_node).await?;
    let became: Vec<Value> = of_node
        .out
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let others = became.iter().any(|copy| copy["node"] != "node-2");
    ensure!(!became.is_empty() && !others, "{of_node:?}");
    let adopted = became.iter().filter(|copy| copy["adopted"] == true);
    let left = 7 - adopted.count();
    let all = dfs.run(&["quarantine", "adopt", "--all"]).await?;
    ensure!(all.code == 1, "{all:?}");
    let told = format!("{left} adopted, 1 kept in quarantine\n");
    ensure!(left > 0 && all.err == told, "{all:?}");
    ensure!(all.out.contains("kept new5 (node-"), "{all:?}");
    Ok(())
}

/// The status that an order is answered with.
async fn status(wire: &wire::Client, method: &str, path: &str, body: &'static str) -> Result<u16> {
    let request = Request::builder().method(method).uri(path);
    let answer = wire.send(request.body(Bytes::from(body).into())?).await?;
    Ok(answer.status.as_u16())
}

/// All of them, each of which would be taken from a caller with the right.
const ORDERS: [(&str, &str, &str); 9] = [
    ("GET", "/drains", ""),
    ("POST", "/drains", r#"{"nodes":["node-1"]}"#),
    ("DELETE", "/drains?node=node-1", ""),
    ("POST", "/abandon", r#"{"node":"node-1"}"#),
    ("GET", "/fsck", ""),
    ("GET", "/quarantine", ""),
    ("POST", "/quarantine/adopt", "{}"),
    ("POST", "/quarantine/adopt-all", "{}"),
    (
        "DELETE",
        "/quarantine?node=node-1&id=01a210eb-4e12-73ea-91ea-c90301660f8e&generation=1",
        "",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_right_operates_and_each_order_is_in_the_audit() -> Result<()> {
    let mut closed = Closed::start(&[]).await?;
    let reader = closed
        .caller(&["--name=reader", "--rights=get,list,create,delete"])
        .await?;
    let (all, nobody) = (closed.cluster.wire(), closed.anyone());
    for (method, path, body) in ORDERS {
        let (known, unknown) = (
            status(&reader, method, path, body).await?,
            status(&nobody, method, path, body).await?,
        );
        ensure!((known, unknown) == (403, 401), "{method} {path}");
    }
    ensure!(status(&all, "DELETE", "/drains?node=node-1", "").await? == 200);
    ensure!(status(&all, "POST", "/abandon", r#"{"node":"node-1"}"#).await? == 409);
    ensure!(status(&all, "GET", "/fsck", "").await? == 200);
    let log = std::fs::read_to_string(closed.cluster.log_of_manager(0))?;
    let audit = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<Value> = audit.filter(|line| line["target"] == "audit").collect();
    let noted = |what: &str, outcome: &str| {
        let fits = |line: &&Value| line["what"] == what && line["outcome"] == outcome;
        audit.iter().find(fits).map(|line| line["nodes"].clone())
    };
    for (what, outcome, nodes) in [
        ("cancelDrain", "done", Some("node-1".into())),
        ("abandonNode", "failed", Some("node-1".into())),
        ("orderDrains", "refused", Some(Value::Null)),
        ("checkFiles", "refused", Some(Value::Null)),
        // Reading does not count.
        ("checkFiles", "done", None),
    ] {
        ensure!(noted(what, outcome) == nodes, "{what} {outcome}: {audit:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_wrong_is_refused_as_what_it_is() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let wire = cluster.wire();
    for (method, path, body, wanted) in [
        ("DELETE", "/drains?nodes=node-1", "", 400),
        ("DELETE", "/drains", "", 400),
        ("POST", "/drains", r#"{"nodes":[]}"#, 400),
        ("POST", "/drains", r#"{"node":"node-1"}"#, 400),
        ("POST", "/drains", r#"{"nodes":["node-1","node-1"]}"#, 400),
        ("POST", "/drains?a=b", r#"{"nodes":["node-1"]}"#, 400),
        ("POST", "/abandon", r#"{"node":"node-9"}"#, 404),
        (
            "POST",
            "/abandon",
            r#"{"node":"node-1","lose_files":0}"#,
            400,
        ),
        ("GET", "/fsck?node=node-1", "", 400),
        ("GET", "/quarantine?node=node-9", "", 404),
        ("GET", "/quarantine?limit=0", "", 400),
        ("GET", "/quarantine?limit=1", "", 200),
        ("HEAD", "/fsck", "", 200),
        ("POST", "/quarantine/adopt-all?node=node-1", "{}", 400),
        ("POST", "/quarantine/adopt-all", r#"{"node":"node-9"}"#, 404),
        ("POST", "/quarantine/adopt-all", r#"{"node":null}"#, 400),
        ("PUT", "/quarantine", "", 405),
        // Fields without their names.
        ("POST", "/drains", r#"[["node-1"]]"#, 400),
        ("POST", "/abandon", r#"["node-9"]"#, 400),
        ("POST", "/quarantine/adopt-all", "[]", 400),
    ] {
        let status = status(&wire, method, path, body).await?;
        ensure!(status == wanted, "{method} {path} {body}: {status}");
    }
    ensure!(cluster.client()?.status().await?.nodes[0].state == NodeState::Available);
    Ok(())
}
