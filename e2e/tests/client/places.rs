//! Places that are named in a file.

use crate::dfs::{Dfs, ended};
use anyhow::{Result, ensure};
use e2e::callers::{Closed, known};
use e2e::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_used_as_a_whole_or_not_at_all() -> Result<()> {
    let mut closed = Closed::start(&[]).await?;
    let (client, token) = closed.add(&["--name=me", "--rights=create,get"]).await?;
    known(&[client]).await?;
    let dfs = Dfs::of(&closed.cluster)?;
    let settings = dfs.folder().join("settings/dfs");
    std::fs::create_dir_all(&settings)?;
    std::fs::write(settings.join("my.token"), &token)?;
    std::fs::write(dfs.folder().join("file"), "1")?;
    let url = format!("http://{}", closed.cluster.http());
    let text = format!(
        "default = 'mine'\n[places.mine]\nurl = '{url}'\ntoken_file = 'my.token'\n\
         [places.other]\nurl = 'http://127.0.0.1:9'\n\
         [places.bare]\nurl = '{url}'\n"
    );
    std::fs::write(settings.join("config.toml"), text)?;
    let with = async |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = dfs.command(args)?;
        command.env_remove("DFS_URL");
        command.env("XDG_CONFIG_HOME", dfs.folder().join("settings"));
        command.envs(variables.iter().copied());
        ended(command.spawn()?).await
    };
    let ran = async |args: &[&str]| with(args, &[]).await;
    let put = ran(&["put", "file"]).await?;
    ensure!(put.code == 0, "{put:?}");
    let cat = ran(&["cat", "file", "--place", "mine"]).await?;
    ensure!(cat.code == 0 && cat.out == "1", "{cat:?}");
    // The token is of that place alone, also where a URL leads to the same service.
    let cat = ran(&["cat", "file", "--url", &url]).await?;
    ensure!(cat.code == 17, "{cat:?}");
    let cat = ran(&["cat", "file", "--place", "other"]).await?;
    ensure!(cat.code == 1 && cat.err.contains("127.0.0.1:9"), "{cat:?}");
    let both = ran(&["cat", "file", "--place", "mine", "--url", &url]).await?;
    ensure!(
        both.code == 2 && both.err.contains("and so does --url"),
        "{both:?}"
    );
    // A flag counts for more than a variable, and a place has no token but its own.
    let nowhere = [("DFS_URL", "http://127.0.0.1:9")];
    let cat = with(&["cat", "file"], &nowhere).await?;
    ensure!(cat.code == 1 && cat.err.contains("127.0.0.1:9"), "{cat:?}");
    let cat = with(&["cat", "file", "--place", "mine"], &nowhere).await?;
    ensure!(cat.code == 0, "{cat:?}");
    let cat = with(&["cat", "file", "--url", &url], &[("DFS_PLACE", "mine")]).await?;
    ensure!(cat.code == 17, "{cat:?}");
    let other = [("DFS_CLIENT_TOKEN_FILE", "file")];
    let cat = with(&["cat", "file"], &other).await?;
    ensure!(cat.code == 0, "{cat:?}");
    let cat = ran(&["cat", "file", "--token-file", "file"]).await?;
    ensure!(cat.code == 17, "{cat:?}");
    let bare = [("DFS_CLIENT_TOKEN_FILE", "settings/dfs/my.token")];
    let cat = with(&["cat", "file", "--place", "bare"], &bare).await?;
    ensure!(cat.code == 17, "{cat:?}");
    let unknown = ran(&["cat", "file", "--place", "none"]).await?;
    let why = "place none: there is no such place, it has bare, mine, other";
    ensure!(
        unknown.code == 2 && unknown.err.contains(why),
        "{unknown:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_for_a_service_without_tls_are_refused_and_not_left_unused() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let url = format!("http://{}", cluster.http());
    let text = format!("[places.mine]\nurl = '{url}'\n");
    std::fs::write(dfs.folder().join("config"), text)?;
    let why = "--ca: is for https://, and the service is at http://127.0.0.1";
    let by_url = ["--url", &url, "--ca", "ca.crt", "ls"];
    dfs.fails(&by_url, 2, why).await?;
    let with = async |args: &[&str], variables: &[&str]| {
        let mut command = dfs.command(args)?;
        command.env_remove("DFS_URL").env("DFS_CA", "ca.crt");
        command.envs(variables.iter().map(|name| (name, &url)));
        ended(command.spawn()?).await
    };
    let place = ["--config", "config", "--place", "mine", "ls"];
    let by_place = [&place[..], &["--ca", "ca.crt"]].concat();
    dfs.fails(&by_place, 2, why).await?;
    let by_variables = with(&["ls"], &["DFS_URL"]).await?;
    ensure!(
        by_variables.code == 2 && by_variables.err.contains(why),
        "{by_variables:?}"
    );
    // A variable may be meant for another service than a flag or a place.
    for args in [&["--url", &url, "ls"][..], &place] {
        let ran = with(args, &[]).await?;
        ensure!(ran.code == 0, "{args:?}: {ran:?}");
    }
    Ok(())
}
