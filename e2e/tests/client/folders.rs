//! Folders go in, and come out as they were.

use crate::dfs::Dfs;
use anyhow::{Result, ensure};
use e2e::cluster::Cluster;
use e2e::content;
use e2e::library::names;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files below a folder, with their bytes.
pub(crate) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let below = path.strip_prefix(folder)?.to_owned();
                    found.insert(below, std::fs::read(&path)?);
                }
            }
        }
    }
    Ok(found)
}

fn make(folder: &Path) -> Result<()> {
    let paths = [
        "top.txt",
        "a/b/c/deep",
        "a/100%",
        "a/b%2Fc",
        "ü/名 前",
        "a/b:c",
        "a_b/c_d",
        "a/.hidden",
    ];
    for (seed, path) in paths.into_iter().enumerate() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, content::bytes(seed as u64, seed * 300_000))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_comes_back_as_it_was() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let dfs = Dfs::of(&cluster)?;
    let tree = dfs.folder().join("tree");
    make(&tree)?;
    let before = files(&tree)?;
    dfs.fails(&["put", "tree"], 1, "store it with -r").await?;
    for separator in ["%2F", ":", "_"] {
        let flags = ["--separator", separator];
        let put = [&["put", "-r", "tree"][..], &flags[..]].concat();
        dfs.does(&put).await?;
        let stored = names(&cluster.client()?).await?;
        ensure!(stored.len() == before.len(), "{stored:?}");
        ensure!(
            stored
                .iter()
                .all(|name| name.starts_with(&format!("tree{separator}"))),
            "{stored:?}"
        );
        let nested = ["tree", "ü", "名 前"].join(separator);
        ensure!(stored.contains(&nested), "{stored:?}");
        let get = [&["get", "-r", "tree", "-o", "out"][..], &flags[..]].concat();
        dfs.does(&get).await?;
        ensure!(
            files(&dfs.folder().join("out/tree"))? == before,
            "{separator}"
        );
        std::fs::remove_dir_all(dfs.folder().join("out"))?;
        dfs.fails(&["rm", "-r", "tree"], 2, "would delete 8 files; say --yes")
            .await?;
        dfs.does(&["rm", "-r", "tree", "--yes"]).await?;
        ensure!(names(&cluster.client()?).await?.is_empty());
    }
    dfs.does(&["put", "-r", "tree", "--as", ""]).await?;
    ensure!(dfs.does(&["ls", "top"]).await? == "top.txt\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beside_folders_come_back_too() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    std::fs::create_dir(dfs.folder().join("50"))?;
    for path in ["50%41.txt", "50/a"] {
        std::fs::write(dfs.folder().join(path), path)?;
    }
    dfs.does(&["put", "-r", "50", "50%41.txt"]).await?;
    // What begins with two of them is fetched once.
    let out = dfs.does(&["get", "-r", "50", "5", "-o", "out"]).await?;
    ensure!(out.lines().count() == 2, "{out}");
    let fetched = files(&dfs.folder().join("out"))?;
    let paths = ["50/a", "50%41.txt"].map(PathBuf::from);
    ensure!(fetched.keys().eq(&paths), "{fetched:?}");
    for call in [&["get", "-r", "none"][..], &["rm", "-r", "none", "--yes"]] {
        dfs.fails(call, 12, "no file's name begins so").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_only_printable_elsewhere_is_left_out() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    std::fs::create_dir(dfs.folder().join("tree"))?;
    std::fs::write(dfs.folder().join("tree/a\nb"), "1")?;
    dfs.fails(&["put", "-r", "tree"], 1, "control characters")
        .await?;
    ensure!(names(&cluster.client()?).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_name_or_a_path_is_left_out_and_said() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let tree = dfs.folder().join("tree");
    std::fs::create_dir(&tree)?;
    std::fs::write(tree.join("good"), "1")?;
    std::os::unix::fs::symlink("/etc/passwd", tree.join("link"))?;
    std::fs::write(tree.join("é".repeat(120) + "%%%%%"), "2")?;
    let ran = dfs.run(&["put", "-r", "tree"]).await?;
    ensure!(ran.code == 1, "{ran:?}");
    ensure!(
        ran.err.contains("tree/link is neither a file nor a folder"),
        "{ran:?}"
    );
    ensure!(ran.err.contains("the limit is 255 bytes"), "{ran:?}");
    ensure!(names(&cluster.client()?).await? == ["tree%2Fgood"]);
    // Stored by others under names that lead out of the folder.
    for name in ["x%2F..%2F..%2Fout", "x%2F", "x%2F%2Fetc%2Fout"] {
        cluster.client()?.put(name, "3").await?;
    }
    let ran = dfs.run(&["get", "-r", "x", "tree", "-o", "to"]).await?;
    ensure!(ran.code == 1 && ran.err.contains("3 failed"), "{ran:?}");
    let fetched = files(&dfs.folder().join("to"))?;
    ensure!(fetched.keys().eq([Path::new("tree/good")]), "{fetched:?}");
    ensure!(!dfs.folder().join("out").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_over_another_file_or_out_of_the_folder() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    for name in ["100%", "100%25", "link%2Fa"] {
        cluster.client()?.put(name, name).await?;
    }
    let (to, outside) = (dfs.folder().join("to"), dfs.folder().join("outside"));
    for folder in [&to, &outside] {
        std::fs::create_dir(folder)?;
    }
    std::os::unix::fs::symlink(&outside, to.join("link"))?;
    for (begins, why) in [("100", "is no name that 100% has"), ("link", "left out")] {
        let get = ["get", "-r", "--force", "-o", "to", begins];
        dfs.fails(&get, 1, why).await?;
    }
    ensure!(std::fs::read(to.join("100%"))? == b"100%25");
    ensure!(files(&outside)?.is_empty());
    Ok(())
}
