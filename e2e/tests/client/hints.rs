//! Errors that say what to do next.

use crate::dfs::{Dfs, ended};
use anyhow::{Context, Result, ensure};
use client::Code;
use e2e::certificates::Authority;
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use e2e::secure::Secure;
use e2e::wait;
use serde_json::Value;
use std::path::PathBuf;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// A service with a folder in it.
async fn with_photos() -> Result<(Cluster, Dfs)> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    std::fs::create_dir_all(dfs.folder().join("in/photos"))?;
    std::fs::write(dfs.folder().join("in/photos/a.jpg"), "1")?;
    dfs.does(&["put", "-r", "in/photos"]).await?;
    Ok((cluster, dfs))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_in_place_of_a_name_is_answered_with_the_name() -> Result<()> {
    let (_cluster, dfs) = with_photos().await?;
    let path = "photos/a.jpg";
    let says = "names have no slash: `dfs put -r` calls that path photos%2Fa.jpg, and";
    for command in ["get", "cat", "stat", "rm"] {
        dfs.fails(&[command, path], 1, says).await?;
    }
    let link = ["link", path, "--expires", "1h"];
    dfs.fails(&link, 2, says).await?;
    let says = "those of that folder begin with photos%2F: `-r 'photos%2F'` takes them all";
    for command in ["get", "rm"] {
        dfs.fails(&[command, "photos/"], 1, says).await?;
        dfs.fails(&[command, "-r", "photos/"], 12, says).await?;
    }
    let listed = dfs.run(&["ls", "photos/"]).await?;
    ensure!(
        listed.code == 0 && listed.err.contains("`dfs ls 'photos%2F'`"),
        "{listed:?}"
    );
    for call in [&["put"][..], &["put", "-r"], &["mirror"]] {
        let call = [call, &["in/photos", "--as", "a/b"]].concat();
        dfs.fails(
            &call,
            2,
            "must be a name, which has no slash, such as a%2Fb",
        )
        .await?;
    }
    let call = ["put", "-r", "in/photos", "--as", "a%b"];
    let says = "must be a name of which `dfs get -r` makes a path, such as a%25b";
    dfs.fails(&call, 2, says).await?;
    ensure!(dfs.does(&["cat", "photos%2Fa.jpg"]).await? == "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_place_of_a_name_is_answered_with_the_command_for_it() -> Result<()> {
    let (_cluster, dfs) = with_photos().await?;
    let begins = "files have names that begin with photos%2F";
    for (command, all) in [
        ("get", "-r"),
        ("cat", "dfs ls"),
        ("stat", "dfs ls"),
        ("rm", "-r"),
    ] {
        let says = format!("{begins}: `{all} 'photos%2F'`");
        for folder in ["photos", "photos%2F"] {
            dfs.fails(&[command, folder], 12, &says).await?;
        }
        let ran = dfs.run(&[command, "none"]).await?;
        ensure!(ran.code == 12 && !ran.err.contains("begin"), "{ran:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_scheme_or_an_unknown_authority_is_answered_with_what_helps() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let dfs = Dfs::of(&secure.cluster)?;
    let at = secure.cluster.http();
    let (plain, tls) = (format!("http://{at}"), format!("https://{at}"));
    std::fs::write(dfs.folder().join("ca.crt"), secure.authority.pem())?;
    let other = Authority::new("another")?.pem();
    std::fs::write(dfs.folder().join("other.crt"), other)?;
    // At once, whatever the deadline.
    let with = |url| ["--deadline", "1h", "--url", url];
    for (command, code) in [(["ls"].as_slice(), 16), (&["stat", "a"], 1)] {
        let call = [&with(&plain), command].concat();
        dfs.fails(&call, code, "https://").await?;
        let call = [&with(&tls), &["--ca", "other.crt"][..], command].concat();
        let says = "who signed its certificate is not trusted here: give that authority";
        dfs.fails(&call, 1, says).await?;
    }
    dfs.does(&["--url", &tls, "--ca", "ca.crt", "ls"]).await?;
    let cluster = Cluster::start(1).await?;
    let tls = format!("https://{}", cluster.http());
    for command in [["ls"].as_slice(), &["put", "ca.crt"]] {
        let call = [&with(&tls), &["--ca", "ca.crt"][..], command].concat();
        dfs.fails(&call, 1, "take http:// in place of https://")
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_for_a_certificate_is_answered_with_the_flags_for_it() -> Result<()> {
    let mut secure = Secure::prepare(&[])?;
    secure.ask_clients_for(&Authority::new("clients")?.pem())?;
    secure.run().await?;
    let dfs = Dfs::of(&secure.cluster)?;
    std::fs::write(dfs.folder().join("ca.crt"), secure.authority.pem())?;
    let url = format!("https://{}", secure.cluster.http());
    let call = ["--url", &url, "--ca", "ca.crt", "ls"];
    dfs.fails(&call, 1, "with --cert and --key").await?;
    // At once, whatever the deadline.
    let strangers = Authority::new("strangers")?.client()?;
    let [certificate, key] = strangers.place(dfs.folder())?;
    let text = |path: &PathBuf| path.to_str().map(str::to_owned).context("no text");
    let (certificate, key) = (text(&certificate)?, text(&key)?);
    let shown = ["--cert", &certificate, "--key", &key, "--deadline", "1h"];
    let says = "it does not trust the certificate of --cert";
    dfs.fails(&[&shown[..], &call].concat(), 1, says).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_ends_alike_where_a_file_is_unavailable() -> Result<()> {
    let (mut cluster, dfs) = with_photos().await?;
    let name = "photos%2Fa.jpg";
    cluster.kill_node(0).await?;
    let client = cluster.client()?;
    wait::until(SOON, async || {
        refused(client.get(name).await, Code::FileUnavailable)
    })
    .await?;
    for command in ["get", "cat", "stat", "rm"] {
        let says = "File unavailable (code 4)";
        dfs.fails(&[command, name], 14, says).await?;
    }
    dfs.fails(&["put", "in/photos/a.jpg"], 11, "code 1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_json_has_what_helps_and_the_id_of_its_request() -> Result<()> {
    let (_cluster, dfs) = with_photos().await?;
    let failed = async |args: &[&str]| -> Result<Value> {
        let ran = dfs.run(args).await?;
        Ok(serde_json::from_str(&ran.err)?)
    };
    let missing = failed(&["--json", "cat", "photos"]).await?;
    let id = missing["request_id"].as_str().unwrap_or_default();
    ensure!(id.len() == 16, "{missing}");
    let hint = missing["hint"].as_str().unwrap_or_default();
    ensure!(hint.contains("`dfs ls 'photos%2F'`"), "{missing}");
    // Fields are there also where they have nothing to say.
    let left_out = failed(&["--json", "put", "in"]).await?;
    for field in ["code", "request_id", "hint"] {
        ensure!(left_out.get(field) == Some(&Value::Null), "{left_out}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_a_service_that_never_answered_ends_and_another_goes_on() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let nobody = format!("http://{}", e2e::ports::free()?);
    let watch = ["status", "--watch"];
    let elsewhere = [&["--url", &nobody][..], &watch].concat();
    dfs.fails(&elsewhere, 1, "is the service up").await?;
    let mut child = dfs.command(watch)?.spawn()?;
    let stdout = child.stdout.as_mut().context("no stdout")?;
    wait::at_most(SOON, stdout.read_exact(&mut [0; 16])).await??;
    cluster.kill_manager().await?;
    // Twice, so that it went on after the first time.
    let stderr = child.stderr.as_mut().context("no stderr")?;
    let mut lines = BufReader::new(stderr).lines();
    let mut seen = 0;
    while seen < 2 {
        let line = wait::at_most(SOON, lines.next_line()).await??;
        let line = line.context("it ended")?;
        seen += usize::from(line.contains("no answer from"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_to_the_second_for_people_and_as_they_were_sent_in_json() -> Result<()> {
    let (_cluster, dfs) = with_photos().await?;
    let name = "photos%2Fa.jpg";
    let json = async |args: &[&str]| -> Result<String> {
        let out = dfs.does(&[&["--json"][..], args].concat()).await?;
        let file: Value = serde_json::from_str(&out)?;
        Ok(file["created"].as_str().context("no moment")?.to_owned())
    };
    let listed = json(&["ls"]).await?;
    let second = format!("{}Z", listed.split_once('.').context("no part")?.0);
    ensure!(listed.len() == second.len() + 4, "{listed}");
    for args in [&["stat", name][..], &["get", name]] {
        let told = json(args).await?;
        ensure!(told == second, "{args:?}: {told}, not {second}");
    }
    for args in [&["ls", "-l"][..], &["stat", name]] {
        let told = dfs.does(args).await?;
        ensure!(told.contains(&second), "{args:?}: {told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_without_a_file_is_answered_with_the_file_and_how_a_place_is_written() -> Result<()>
{
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let mut command = dfs.command(["--place", "home", "ls"])?;
    command.env_remove("DFS_URL");
    command.env("XDG_CONFIG_HOME", dfs.folder());
    let ran = ended(command.spawn()?).await?;
    let file = dfs.folder().join("dfs/config.toml").display().to_string();
    let line = "places.home.url = \"https://files.example:8000\"";
    for says in [&file, "there is no such file", line] {
        ensure!(ran.code == 2 && ran.err.contains(says), "{ran:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folders_of_one_name_are_refused_before_anything_is_sent() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    for folder in ["A/photos", "B/photos", "B/more"] {
        std::fs::create_dir_all(dfs.folder().join(folder))?;
        std::fs::write(dfs.folder().join(folder).join("a"), folder)?;
    }
    let both = ["put", "-r", "A/photos", "B/more", "B/photos/"];
    let says = "A/photos and B/photos/ would both be stored as photos%2F…";
    dfs.fails(&both, 2, says).await?;
    dfs.fails(&both, 2, "--as").await?;
    ensure!(names(&cluster.client()?).await?.is_empty());
    dfs.does(&both[..4]).await?;
    Ok(())
}
