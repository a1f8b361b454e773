//! What `dfs` prints, and how it ends.

use crate::dfs::{Dfs, ended};
use anyhow::{Context, Result, ensure};
use e2e::callers::Closed;
use e2e::cluster::{Cluster, Options};
use e2e::content;
use e2e::library::names;
use serde_json::Value;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_found_fetched_and_deleted() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let dfs = Dfs::of(&cluster)?;
    let photo = content::bytes(1, 3_000_000);
    std::fs::write(dfs.folder().join("hello.txt"), "Hello, world!\n")?;
    std::fs::write(dfs.folder().join("photo.jpg"), &photo)?;
    let out = dfs.does(&["put", "hello.txt"]).await?;
    ensure!(out == "stored hello.txt, 14 B\n", "{out}");
    let ran = dfs.run(&["put", "hello.txt", "photo.jpg"]).await?;
    ensure!(ran.code == 13, "{ran:?}");
    ensure!(ran.out == "stored photo.jpg, 2.9 MiB\n", "{ran:?}");
    ensure!(
        ran.err
            .contains("hello.txt: File name already exists (code 3)"),
        "{ran:?}"
    );
    ensure!(
        ran.err.contains("stored 1 file") && ran.err.contains("1 failed"),
        "{ran:?}"
    );
    dfs.does(&[
        "put",
        "hello.txt",
        "--as",
        "hi there",
        "--content-type",
        "text/x-greeting",
    ])
    .await?;
    ensure!(dfs.does(&["ls"]).await? == "hello.txt\nhi there\nphoto.jpg\n");
    ensure!(dfs.does(&["ls", "h"]).await? == "hello.txt\nhi there\n");
    let long = dfs.does(&["ls", "-l", "photo"]).await?;
    ensure!(
        long.contains("2.9 MiB") && long.contains("node-") && long.ends_with("photo.jpg\n"),
        "{long}"
    );
    ensure!(dfs.does(&["cat", "hello.txt", "hi there"]).await? == "Hello, world!\nHello, world!\n");
    let told = dfs.does(&["stat", "hi there"]).await?;
    ensure!(
        told.contains("text/x-greeting") && told.contains("(14 bytes)"),
        "{told}"
    );
    dfs.does(&["get", "photo.jpg", "-o", "copy.jpg"]).await?;
    ensure!(std::fs::read(dfs.folder().join("copy.jpg"))? == photo);
    dfs.does(&["get", "hello.txt", "hi there", "-o", "there"])
        .await?;
    ensure!(std::fs::read(dfs.folder().join("there/hi there"))? == b"Hello, world!\n");
    ensure!(dfs.does(&["rm", "hello.txt"]).await? == "deleted hello.txt\n");
    dfs.fails(&["cat", "hello.txt"], 12, "File does not exist (code 2)")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_nodes_are_told() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let dfs = Dfs::of(&cluster)?;
    cluster.client()?.put("a", content::bytes(1, 2048)).await?;
    let status = dfs.does(&["status"]).await?;
    ensure!(
        status.contains("on 2 nodes of which 2 are available"),
        "{status}"
    );
    let nodes = dfs.does(&["nodes"]).await?;
    let lines: Vec<&str> = nodes.lines().collect();
    ensure!(lines.len() == 3 && lines[0].starts_with("NODE"), "{nodes}");
    ensure!(
        lines[1].starts_with("node-1  default  available"),
        "{nodes}"
    );
    let json: Value = serde_json::from_str(&dfs.does(&["status", "--json"]).await?)?;
    ensure!(
        json["nodes"].as_array().context("nodes")?.len() == 2,
        "{json}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_there_is_a_line_for_each() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    for name in ["a", "b"] {
        std::fs::write(dfs.folder().join(name), name)?;
    }
    let of = |out: &str| -> Result<Vec<Value>> {
        out.lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    };
    let stored = of(&dfs.does(&["--json", "put", "a", "b"]).await?)?;
    ensure!(
        stored.len() == 2 && stored.iter().all(|file| file["size"] == 1),
        "{stored:?}"
    );
    let listed = of(&dfs.does(&["ls", "--json"]).await?)?;
    ensure!(
        listed[0]["filename"] == "a" && listed[1]["node"] == "node-1",
        "{listed:?}"
    );
    let fetched = of(&dfs.does(&["get", "a", "-o", "c", "--json"]).await?)?;
    ensure!(
        fetched[0]["path"] == "c" && fetched[0]["id"] == listed[0]["id"],
        "{fetched:?}"
    );
    let ran = dfs.run(&["--json", "rm", "a", "none"]).await?;
    let failed: Value = serde_json::from_str(&ran.err)?;
    ensure!(
        ran.code == 12 && failed["code"] == 2 && failed["filename"] == "none",
        "{ran:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_and_output_are_files_too() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let data = "0123456789".repeat(300_000);
    dfs.fails(&["put", "-"], 2, "give it one with --as").await?;
    let mut child = dfs
        .command(["put", "-", "--as", "piped"])?
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(data.as_bytes()).await?;
    drop(stdin);
    let ran = ended(child).await?;
    ensure!(ran.code == 0 && ran.out.contains("stored piped"), "{ran:?}");
    ensure!(dfs.does(&["get", "piped", "-o", "-"]).await? == data);
    // Whoever reads it has seen enough.
    let mut child = dfs.command(["cat", "piped"])?.spawn()?;
    drop(child.stdout.take());
    let ran = ended(child).await?;
    ensure!(ran.code == 0 && ran.err.is_empty(), "{ran:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_replaced_only_if_asked_for() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    cluster.client()?.put("a", "theirs").await?;
    std::fs::write(dfs.folder().join("a"), "mine")?;
    dfs.fails(&["get", "a"], 1, "--force replaces it").await?;
    ensure!(std::fs::read(dfs.folder().join("a"))? == b"mine");
    dfs.does(&["get", "a", "--force"]).await?;
    ensure!(std::fs::read(dfs.folder().join("a"))? == b"theirs");
    // What a link leads to is replaced, and stays as private as it was.
    let (secret, link) = (dfs.folder().join("secret"), dfs.folder().join("link"));
    std::fs::write(&secret, "mine")?;
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600))?;
    std::os::unix::fs::symlink(&secret, &link)?;
    dfs.fails(&["get", "a", "-o", "link"], 1, "--force replaces it")
        .await?;
    dfs.does(&["get", "a", "-o", "link", "--force"]).await?;
    ensure!(link.symlink_metadata()?.is_symlink() && std::fs::read(&secret)? == b"theirs");
    ensure!(secret.metadata()?.permissions().mode() & 0o777 == 0o600);
    // A device is written to.
    dfs.does(&["get", "a", "-o", "/dev/null"]).await?;
    ensure!(std::fs::metadata("/dev/null")?.file_type().is_char_device());
    dfs.does(&["get", "a", "-o", "new/"]).await?;
    ensure!(std::fs::read(dfs.folder().join("new/a"))? == b"theirs");
    dfs.fails(&["get", "a", "-o", "new/a/b"], 1, "new/a")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_is_done_all_the_same() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    for name in ["a", "b", "c"] {
        std::fs::write(dfs.folder().join(name), name)?;
    }
    let mut child = dfs.command(["put", "a", "b"])?.spawn()?;
    drop(child.stdout.take());
    let ran = ended(child).await?;
    ensure!(ran.code == 0, "{ran:?}");
    ensure!(names(&cluster.client()?).await? == ["a", "b"]);
    for args in [&["put", "c"][..], &["drain", "node-1", "--cancel"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
        let child = dfs.command(args)?.stdout(full).spawn()?;
        let ran = ended(child).await?;
        ensure!(
            ran.code == 1 && ran.err.contains("writing to standard output"),
            "{ran:?}"
        );
    }
    ensure!(names(&cluster.client()?).await?.len() == 3);
    Ok(())
}

/// The file with the token of who may do everything.
fn token_of(closed: &Closed) -> Result<String> {
    let file = closed.cluster.folder().join("own-token");
    let token = closed.cluster.options.bearer.as_deref();
    std::fs::write(&file, token.context("no token")?)?;
    Ok(file.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_what_failed() -> Result<()> {
    let closed = Closed::start(&[]).await?;
    let dfs = Dfs::of(&closed.cluster)?;
    dfs.fails(&["ls"], 17, "--token-file").await?;
    dfs.fails(&["get", "none", "other"], 17, "2 failed").await?;
    dfs.fails(
        &["--token-file", "none", "ls"],
        2,
        "reading the token from none",
    )
    .await?;
    dfs.fails(&["--url", "files", "ls"], 2, "url").await?;
    dfs.fails(&["put"], 2, "required").await?;
    dfs.fails(&["get", "../up"], 1, "filename").await?;
    dfs.fails(&["rm", "-r", "", "--yes"], 2, "an empty name")
        .await?;
    let nobody = e2e::ports::free()?;
    let url = format!("http://{nobody}");
    dfs.fails(&["--url", &url, "ls"], 1, "is the service up")
        .await?;
    let token = token_of(&closed)?;
    ensure!(dfs.does(&["--token-file", &token, "ls"]).await?.is_empty());
    dfs.fails(&["--token-file", &token, "cat", "none"], 12, "code 2")
        .await?;
    let link = dfs
        .run(&["--token-file", &token, "link", "none", "--expires", "1h"])
        .await?;
    ensure!(link.code == 12, "{link:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_needs_no_token() -> Result<()> {
    let closed = Closed::start(&[]).await?;
    let dfs = Dfs::of(&closed.cluster)?;
    closed.cluster.client()?.put("a b", "1").await?;
    let token = token_of(&closed)?;
    let link = dfs
        .does(&["--token-file", &token, "link", "a b", "--expires", "1h"])
        .await?;
    let url = closed.anyone().url();
    let path = link.trim().strip_prefix(&url).context(link.clone())?;
    let read = closed
        .anyone()
        .call(http::Method::GET, path)
        .await?
        .expect(200)?;
    ensure!(read.body == "1");
    let put = ["link", "new", "--expires", "90s", "--put", "10KiB"];
    let link = dfs
        .does(&[&["--token-file", token.as_str()][..], &put[..]].concat())
        .await?;
    ensure!(link.contains("max_bytes=10240"), "{link}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_and_man_know_every_command() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let dfs = Dfs::of(&cluster)?;
    let commands = [
        "put", "get", "cat", "ls", "stat", "rm", "link", "status", "nodes",
    ];
    for shell in ["bash", "zsh", "fish"] {
        let script = dfs.does(&["completions", shell]).await?;
        ensure!(
            commands.iter().all(|command| script.contains(command)),
            "{shell}"
        );
        ensure!(script.contains("token-file"), "{shell}");
        if shell == "bash" {
            let checked = std::process::Command::new("bash")
                .args(["-n", "-c", &script])
                .output()?;
            ensure!(checked.status.success(), "{checked:?}");
        }
    }
    dfs.does(&["man", "pages"]).await?;
    for command in commands {
        let page = dfs.folder().join(format!("pages/dfs-{command}.1"));
        let page = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        ensure!(page.contains(".TH"), "{page}");
    }
    ensure!(dfs.folder().join("pages/dfs.1").is_file());
    Ok(())
}
