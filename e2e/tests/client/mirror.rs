//! One side holds what the other one holds, and nothing more than needed is sent.

use crate::dfs::Dfs;
use crate::folders::files;
use anyhow::{Context, Result, ensure};
use e2e::callers::{Closed, known};
use e2e::cluster::Cluster;
use e2e::content;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The ids of all files by their names.
async fn ids(dfs: &Dfs) -> Result<BTreeMap<String, String>> {
    let listed = dfs.does(&["ls", "--json"]).await?;
    let ids = listed.lines().map(|line| {
        let file: Value = serde_json::from_str(line)?;
        let text = |field: &str| Some(file[field].as_str()?.to_owned());
        text("filename").zip(text("id")).context(line.to_owned())
    });
    ids.collect()
}

fn write(folder: &Path, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    Ok(std::fs::write(path, bytes)?)
}

fn make(folder: &Path) -> Result<()> {
    for (seed, path) in ["a.txt", "b/c", "b-c", "b/d/100%", "é"]
        .into_iter()
        .enumerate()
    {
        write(
            folder,
            path,
            content::bytes(seed as u64, 100 + seed * 700_000),
        )?;
    }
    Ok(())
}

/// Runs it; the last line must be this one, but for what was moved.
async fn mirrors(dfs: &Dfs, args: &[&str], says: &str) -> Result<()> {
    let ran = dfs.run(&[&["mirror"], args].concat()).await?;
    let last = ran.err.lines().last().unwrap_or_default();
    let (done, left) = last.split_once(';').unwrap_or((last, ""));
    let is_count = |part: &&str| part.ends_with(|last: char| last.is_ascii_digit());
    let done: Vec<&str> = done.split(", ").filter(is_count).collect();
    let said = [&done.join(", "), left].join(";");
    let said = said.trim_end_matches(';');
    ensure!(ran.code == 0 && said == says, "{args:?}: {ran:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_differs_is_sent() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let dfs = Dfs::of(&cluster)?;
    let tree = dfs.folder().join("tree");
    make(&tree)?;
    cluster.client()?.put("tree-old", "1").await?;
    let would = "would store 5, replace 0, delete 0, unchanged 0";
    mirrors(&dfs, &["tree", "--dry-run"], would).await?;
    ensure!(ids(&dfs).await?.len() == 1);
    mirrors(
        &dfs,
        &["tree"],
        "stored 5, replaced 0, deleted 0, unchanged 0",
    )
    .await?;
    let first = ids(&dfs).await?;
    ensure!(first.contains_key("tree%2Fb%2Fd%2F100%25"), "{first:?}");
    mirrors(
        &dfs,
        &["tree"],
        "stored 0, replaced 0, deleted 0, unchanged 5",
    )
    .await?;
    ensure!(ids(&dfs).await? == first);
    // What `put -r` stored is what a mirror would.
    dfs.does(&["rm", "-r", "tree%2F", "--yes"]).await?;
    dfs.does(&["put", "-r", "tree"]).await?;
    mirrors(
        &dfs,
        &["tree"],
        "stored 0, replaced 0, deleted 0, unchanged 5",
    )
    .await?;
    let before = ids(&dfs).await?;

    // Other bytes of the same size, another size, a new one, and one that is gone.
    write(&tree, "b/c", content::bytes(77, 700_100))?;
    write(&tree, "b-c", "short")?;
    write(&tree, "b/new", "")?;
    std::fs::remove_file(tree.join("é"))?;
    let did = "stored 1, replaced 2, deleted 0, unchanged 2; 1 only in the service";
    mirrors(&dfs, &["tree"], did).await?;
    let after = ids(&dfs).await?;
    let same = after
        .iter()
        .filter(|(name, id)| before.get(*name) == Some(*id));
    let same: Vec<&str> = same.map(|(name, _)| name.as_str()).collect();
    let expected = [
        "tree%2Fa.txt",
        "tree%2Fb%2Fd%2F100%25",
        "tree%2Fé",
        "tree-old",
    ];
    ensure!(same == expected, "{same:?}");

    dfs.fails(&["mirror", "tree", "--delete"], 2, "say --yes")
        .await?;
    let delete = ["tree", "--delete", "--yes"];
    let would = "would store 0, replace 0, delete 1, unchanged 5";
    mirrors(&dfs, &["tree", "--delete", "--dry-run"], would).await?;
    ensure!(ids(&dfs).await? == after);
    mirrors(
        &dfs,
        &delete,
        "stored 0, replaced 0, deleted 1, unchanged 5",
    )
    .await?;
    dfs.does(&["get", "-r", "tree%2F", "-o", "out"]).await?;
    ensure!(files(&dfs.folder().join("out/tree"))? == files(&tree)?);
    ensure!(ids(&dfs).await?.contains_key("tree-old"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_what_the_service_holds() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let dfs = Dfs::of(&cluster)?;
    let tree = dfs.folder().join("tree");
    make(&tree)?;
    let flags = ["--as", "", "--separator", ":"];
    let up = [&["tree"][..], &flags].concat();
    let down = [&["copy", "--down"][..], &flags].concat();
    mirrors(&dfs, &up, "stored 5, replaced 0, deleted 0, unchanged 0").await?;
    mirrors(&dfs, &down, "fetched 5, replaced 0, deleted 0, unchanged 0").await?;
    let copy = dfs.folder().join("copy");
    ensure!(files(&copy)? == files(&tree)?);
    write(&copy, "b/c", content::bytes(77, 700_100))?;
    write(&copy, "b/more", "1")?;
    std::fs::remove_file(copy.join("a.txt"))?;
    let did = "fetched 1, replaced 1, deleted 0, unchanged 3; 1 only in the folder";
    mirrors(&dfs, &down, did).await?;
    ensure!(copy.join("b/more").exists());
    let delete = [&down[..], &["--delete", "--yes"]].concat();
    mirrors(
        &dfs,
        &delete,
        "fetched 0, replaced 0, deleted 1, unchanged 5",
    )
    .await?;
    ensure!(files(&copy)? == files(&tree)?);
    let lines = dfs
        .does(&[&["mirror", "--json", "-n"], &up[..], &["--delete"]].concat())
        .await?;
    ensure!(lines.is_empty(), "{lines}");
    std::fs::remove_file(copy.join("é"))?;
    let lines = dfs
        .does(&[&["mirror", "--json"], &down[..]].concat())
        .await?;
    let line: Value = serde_json::from_str(&lines)?;
    let size = 100 + 4 * 700_000;
    ensure!(line == serde_json::json!({"filename": "é", "action": "fetched", "size": size}));
    Ok(())
}

/// What was not read, not listed or not copied is not taken for missing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_unless_all_else_was_done() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let tree = dfs.folder().join("tree");
    write(&tree, "good", "1")?;
    for name in ["tree%2Fgone", "tree%2F..%2Fout", "tree%2Flink"] {
        cluster.client()?.put(name, "3").await?;
    }
    let delete = ["mirror", "tree", "--delete", "--yes"];
    write(&tree, "bad\nname", "1")?;
    dfs.fails(&delete, 1, "1 failed").await?;
    ensure!(ids(&dfs).await?.len() == 4);
    std::fs::remove_file(tree.join("bad\nname"))?;
    // A link is left out, and what is stored under its name and below it stays.
    symlink("good", tree.join("link"))?;
    std::fs::create_dir(dfs.folder().join("elsewhere"))?;
    symlink(dfs.folder().join("elsewhere"), tree.join("moved"))?;
    for name in ["tree%2Fmoved%2Fa", "tree%2Fmoved2"] {
        cluster.client()?.put(name, "3").await?;
    }
    let why = "tree/link is neither a file nor a folder";
    dfs.fails(&delete, 1, why).await?;
    let kept = ["tree%2Fgood", "tree%2Flink", "tree%2Fmoved%2Fa"];
    ensure!(ids(&dfs).await?.keys().eq(&kept), "{:?}", ids(&dfs).await?);
    // A disk that is not mounted.
    for path in ["good", "link", "moved"] {
        std::fs::remove_file(tree.join(path))?;
    }
    let why = "there are no files in tree";
    dfs.fails(&delete, 12, why).await?;
    dfs.fails(&["mirror", "tree"], 12, why).await?;
    ensure!(ids(&dfs).await?.keys().eq(&kept));
    dfs.fails(&["mirror", "none"], 2, "none is no folder")
        .await?;
    let down = [
        "mirror", "tree", "--down", "--as", "other", "--delete", "--yes",
    ];
    write(&tree, "mine", "1")?;
    let why = "the service has no files whose names begin with \"other%2F\"";
    dfs.fails(&down, 12, why).await?;
    ensure!(tree.join("mine").exists());
    Ok(())
}

/// What is to be replaced is deleted only when the new one would be stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_stored_replaces_none() -> Result<()> {
    let mut closed = Closed::start(&["--max-body-bytes=1000"]).await?;
    let rights = "--rights=list,get,create,delete";
    let (all, token) = closed.add(&["--name=all", rights]).await?;
    let (deletes, may_delete) = closed
        .add(&["--name=deletes", "--rights=list,get,delete"])
        .await?;
    known(&[all, deletes]).await?;
    let dfs = Dfs::of(&closed.cluster)?;
    let tree = dfs.folder().join("tree");
    std::fs::write(dfs.folder().join("token"), &token)?;
    std::fs::write(dfs.folder().join("may-delete"), &may_delete)?;
    let mirror = ["mirror", "tree", "--token-file", "token"];
    write(&tree, "a", "1")?;
    write(&tree, "b", "1")?;
    dfs.does(&mirror).await?;
    let before = dfs.does(&["ls", "-l", "--token-file", "token"]).await?;
    write(&tree, "a", "22")?;
    let limited = ["mirror", "tree", "--token-file", "may-delete"];
    dfs.fails(&limited, 17, "tree%2Fa: Not authorized").await?;
    write(&tree, "a", vec![0; 1001])?;
    dfs.fails(&mirror, 16, "1000").await?;
    ensure!(dfs.does(&["ls", "-l", "--token-file", "token"]).await? == before);
    write(&tree, "a", "22")?;
    ensure!(dfs.does(&mirror).await? == "replaced tree%2Fa, 2 B\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_folder_is_mirrored_by_its_own_name() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    write(&dfs.folder().join("release-7"), "a", "1")?;
    symlink("release-7", dfs.folder().join("current"))?;
    dfs.does(&["mirror", "current"]).await?;
    dfs.does(&["mirror", "current", "--as", "", "--delete", "--yes"])
        .await?;
    ensure!(ids(&dfs).await?.keys().eq(["a"]));
    dfs.does(&["put", "-r", "current"]).await?;
    ensure!(ids(&dfs).await?.keys().eq(["a", "current%2Fa"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_beyond_the_folder() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let names = [
        "t%2F..%2Fout",
        "t%2Flink%2Fin",
        "t%2F%61",
        "t%2Fa",
        "t%2Fspecial",
        "t%2Ffile%2Fin",
        "t%2Ffolder",
    ];
    for name in names {
        cluster.client()?.put(name, "3").await?;
    }
    let (tree, elsewhere) = (dfs.folder().join("t"), dfs.folder().join("elsewhere"));
    write(&elsewhere, "file", "mine")?;
    std::fs::create_dir(&tree)?;
    symlink(&elsewhere, tree.join("link"))?;
    symlink(elsewhere.join("file"), tree.join("special"))?;
    write(&tree, "file", "mine")?;
    write(&tree, "folder/in", "mine")?;
    let ran = dfs
        .run(&["mirror", "t", "-j1", "--down", "--delete", "--yes"])
        .await?;
    ensure!(
        ran.code == 1 && ran.out == "fetched t%2Fa, 1 B\n",
        "{ran:?}"
    );
    ensure!(ran.err.contains("7 failed"), "{ran:?}");
    for why in ["t/file is a file here", "t/folder is a folder here"] {
        ensure!(ran.err.contains(why), "{ran:?}");
    }
    ensure!(std::fs::read(tree.join("a"))? == b"3");
    ensure!(std::fs::read_dir(&elsewhere)?.count() == 1);
    ensure!(std::fs::read(elsewhere.join("file"))? == b"mine");
    ensure!(!dfs.folder().join("out").exists());
    Ok(())
}
