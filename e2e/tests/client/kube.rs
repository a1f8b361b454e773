//! `dfs --kube`: a service in a cluster, whose API server finds it and forwards its ports.

use crate::api_server::{ApiServer, Manager, State};
use crate::dfs::{Dfs, Ran, ended};
use anyhow::{Result, ensure};
use e2e::callers::{Closed, known};
use e2e::certificates::Authority;
use e2e::cluster::{Cluster, Options};
use e2e::secure::Secure;
use e2e::{content, ports};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// The Service's name is none of this machine.
const HOSTS: &str = "--allowed-hosts=*.dfs.svc";
const RELEASE: &str = "dfs/files";
/// More than is read before it is sent.
const LONG: usize = 3_000_000;

async fn cluster() -> Result<Cluster> {
    let options = Options {
        nodes: 1,
        manager_args: vec![HOSTS.to_owned()],
        ..Options::default()
    };
    Cluster::start_with(options).await
}

fn state(managers: &[SocketAddr], env: &[(&'static str, &'static str)]) -> State {
    let names = ["files-manager-0", "files-manager-1"];
    let managers = names.iter().zip(managers);
    State {
        releases: vec!["files"],
        scheme: "http",
        managers: managers
            .map(|(name, &at)| Manager {
                name,
                ready: true,
                at,
            })
            .collect(),
        env: env.to_vec(),
        ..State::default()
    }
}

const OPEN: &[(&str, &str)] = &[("DFS_AUTH", "none")];
const BY_CLUSTER: &[(&str, &str)] = &[
    ("DFS_AUTH", "kubernetes"),
    ("DFS_AUTH_AUDIENCE", "audience-of-files"),
];

/// The command with a kubeconfig, without anything else that says where a service is.
struct Outside {
    dfs: Dfs,
    server: ApiServer,
    user: String,
}

impl Outside {
    async fn of(cluster: &Cluster, state: State) -> Result<Self> {
        Ok(Self {
            dfs: Dfs::of(cluster)?,
            server: ApiServer::start(state).await?,
            user: "of-the-api-server".to_owned(),
        })
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let kubeconfig = self.server.kubeconfig(self.dfs.folder(), &self.user)?;
        let mut command = self.dfs.command(args)?;
        command.env_remove("DFS_URL").env("KUBECONFIG", kubeconfig);
        // Nothing of whoever runs the test.
        command.env("HOME", self.dfs.folder());
        Ok(command)
    }

    async fn run(&self, args: &[&str]) -> Result<Ran> {
        ended(self.command(args)?.spawn()?).await
    }

    async fn does(&self, args: &[&str]) -> Result<String> {
        let ran = self.run(args).await?;
        ensure!(ran.code == 0, "{args:?}: {ran:?}");
        Ok(ran.out)
    }

    async fn fails(&self, args: &[&str], code: i32, says: &str) -> Result<()> {
        let ran = self.run(args).await?;
        let good = ran.code == code && ran.err.contains(says);
        ensure!(good, "{args:?}: {ran:?} does not say {says}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_out_from_outside_of_a_cluster() -> Result<()> {
    let cluster = cluster().await?;
    let outside = Outside::of(&cluster, state(&[cluster.http()], OPEN)).await?;
    let bytes = content::bytes(7, 9_000_000);
    std::fs::write(outside.dfs.folder().join("photo"), &bytes)?;
    outside.does(&["--kube", RELEASE, "put", "photo"]).await?;
    // The namespace is that of the context, where none is named.
    ensure!(outside.does(&["--kube", "files", "ls"]).await? == "photo\n");
    let get = ["--kube", RELEASE, "get", "photo", "-o", "copy"];
    outside.does(&get).await?;
    ensure!(std::fs::read(outside.dfs.folder().join("copy"))? == bytes);
    let status = outside.does(&["--kube", RELEASE, "status"]).await?;
    ensure!(status.starts_with("1 file, "), "{status}");
    let mut by_variable = outside.command(&["cat", "photo"])?;
    by_variable
        .env("DFS_KUBE", RELEASE)
        .env("DFS_PLACE", "none");
    ensure!(ended_bytes(by_variable).await? == bytes);
    let config = "[places.c]\nkube = 'dfs/files'\n[places.both]\nkube = 'a'\nurl = 'http://b'\n";
    std::fs::write(outside.dfs.folder().join("config"), config)?;
    let at = |place| ["--config", "config", "--place", place, "ls"];
    ensure!(outside.does(&at("c")).await? == "photo\n");
    outside.fails(&at("both"), 2, "url or kube").await?;
    // Only what is needed was asked for.
    let asked = outside.server.state.lock();
    let paths: Vec<_> = asked.asked.keys().map(String::as_str).collect();
    let of = |what| format!("/api/v1/namespaces/dfs/{what}");
    ensure!(paths == [of("pods"), of("services")], "{paths:?}");
    Ok(())
}

async fn ended_bytes(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_calls_with_a_token_for_the_services_audience() -> Result<()> {
    let mut closed = Closed::start(&[HOSTS]).await?;
    let (client, token) = closed.add(&["--name=me", "--rights=create,list"]).await?;
    known(&[client]).await?;
    let managers = [closed.cluster.http()];
    let outside = Outside::of(&closed.cluster, state(&managers, BY_CLUSTER)).await?;
    outside.server.state.lock().token = token.clone();
    std::fs::write(outside.dfs.folder().join("file"), "1")?;
    let as_account = ["--kube", RELEASE, "--service-account", "team/app"];
    let calling = |args: &[&'static str]| [&as_account[..], args].concat();
    outside.does(&calling(&["put", "file"])).await?;
    let path = "/api/v1/namespaces/team/serviceaccounts/app/token";
    let asked = outside.server.state.lock().asked[path].clone();
    let audiences = serde_json::json!(["audience-of-files"]);
    ensure!(asked["spec"]["audiences"] == audiences, "{asked}");
    // The account's rights are all that it has.
    let refused = outside.run(&calling(&["cat", "file"])).await?;
    ensure!(
        refused.code == 17 && refused.err.contains("get"),
        "{refused:?}"
    );
    // The user's own token is for the API server, and never sent.
    let ls = ["--kube", RELEASE, "ls"];
    outside.fails(&ls, 2, "--service-account").await?;
    std::fs::write(outside.dfs.folder().join("token"), token)?;
    let by_file = ["--kube", RELEASE, "--token-file", "token", "ls"];
    ensure!(outside.does(&by_file).await? == "file\n");
    // A variable's token is the release's only where no variable has a URL.
    for (url, code) in [(None, 0), (Some("http://127.0.0.1:9"), 2)] {
        let mut by_variable = outside.command(&ls)?;
        by_variable.env("DFS_CLIENT_TOKEN_FILE", "token");
        by_variable.envs(url.map(|url| ("DFS_URL", url)));
        let ran = ended(by_variable.spawn()?).await?;
        ensure!(ran.code == code, "{ran:?}");
    }
    outside.server.state.lock().forbidden = Some("/token");
    let right = "needs create of serviceaccounts/token";
    outside.fails(&calling(&["ls"]), 2, right).await?;
    outside.server.state.lock().env = vec![("DFS_AUTH", "tokens:/etc/dfs/tokens")];
    outside.fails(&ls, 2, "a token that it knows").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_replaced_once() -> Result<()> {
    let mut closed = Closed::start(&[HOSTS]).await?;
    let (client, token) = closed.add(&["--name=me", "--rights=create,get"]).await?;
    known(&[client]).await?;
    let managers = [closed.cluster.http()];
    let outside = Outside::of(&closed.cluster, state(&managers, BY_CLUSTER)).await?;
    outside.server.state.lock().token = token;
    for (name, size) in [("small", 100), ("long", LONG)] {
        let unknown = "of-another-cluster".to_owned();
        outside.server.state.lock().unknown_token = Some(unknown);
        outside.server.state.lock().tokens = 0;
        let bytes = content::bytes(7, size);
        std::fs::write(outside.dfs.folder().join(name), &bytes)?;
        let as_account = ["--kube", RELEASE, "--service-account", "team/app"];
        outside
            .does(&[&as_account[..], &["put", name]].concat())
            .await?;
        ensure!(outside.server.state.lock().tokens == 2);
        let cat = outside.command(&[&as_account[..], &["cat", name]].concat())?;
        ensure!(ended_bytes(cat).await? == bytes);
    }
    // A body that can be read only once is not sent again, whatever token there is by then.
    let unknown = "of-another-cluster".to_owned();
    outside.server.state.lock().unknown_token = Some(unknown);
    let put = [
        "--kube",
        RELEASE,
        "--service-account",
        "team/app",
        "put",
        "-",
        "--as",
        "piped",
    ];
    let mut put = outside.command(&put)?;
    put.stdin(std::fs::File::open(outside.dfs.folder().join("long"))?);
    let piped = ended(put.spawn()?).await?;
    let cat = [
        "--kube",
        RELEASE,
        "--service-account",
        "team/app",
        "cat",
        "piped",
    ];
    if piped.code == 0 {
        // The refusal came before anything was read.
        let cat = outside.command(&cat)?;
        ensure!(ended_bytes(cat).await? == content::bytes(7, LONG));
    } else {
        ensure!(piped.code == 17, "{piped:?}");
        outside.fails(&cat, 12, "File does not exist").await?;
    }
    // One that the service knows no better is not asked for time and again.
    outside.server.state.lock().token = "of-another-cluster".to_owned();
    outside.server.state.lock().tokens = 0;
    let all = [
        "--kube",
        RELEASE,
        "--service-account",
        "team/app",
        "put",
        "small",
        "long",
    ];
    outside.fails(&all, 17, "--token-file").await?;
    let tokens = outside.server.state.lock().tokens;
    ensure!(tokens == 2, "{tokens}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_does_not_answer_is_not_waited_for() -> Result<()> {
    let cluster = cluster().await?;
    let unanswered = async |end: &'static str, says: &str| {
        let mut silent = state(&[cluster.http()], BY_CLUSTER);
        silent.unanswered = Some(end);
        if end.contains("secrets") {
            silent.scheme = "https";
        }
        let outside = Outside::of(&cluster, silent).await?;
        let ls = ["--kube", RELEASE, "--service-account", "team/app", "ls"];
        let says = format!("{says}: no answer of the API server in 15 s");
        outside.fails(&ls, 2, &says).await
    };
    let token = "requesting a token of ServiceAccount app in namespace team";
    let secret = "the authority of its certificate from Secret tls in namespace dfs";
    tokio::try_join!(
        unanswered("/services", "listing services in namespace dfs"),
        unanswered("/pods", "listing pods in namespace dfs"),
        unanswered("/secrets/tls", secret),
        unanswered("/token", token),
        unanswered(
            "/portforward",
            "forwarding a port of pod files-manager-0 in namespace dfs"
        ),
    )?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_must_be_for_the_services_name() -> Result<()> {
    let mut secure = Secure::prepare(&[HOSTS])?;
    let name = secure.authority.server_of(&["files-manager.dfs.svc"])?;
    name.place(&secure.cluster.folder().join("tls"))?;
    secure.run().await?;
    let mut by_tls = state(&[secure.cluster.http()], OPEN);
    (by_tls.scheme, by_tls.ca) = ("https", secure.authority.pem());
    let outside = Outside::of(&secure.cluster, by_tls).await?;
    let ls = ["--kube", RELEASE, "ls"];
    outside.does(&ls).await?;
    let other = Authority::new("other")?.pem();
    std::fs::write(outside.dfs.folder().join("other.crt"), other)?;
    let distrusted = [&ls[..], &["--ca", "other.crt"]].concat();
    outside.fails(&distrusted, 1, "certificate").await?;
    // Where it is known it is not read: the Secret has the key, too.
    let own = secure.authority.pem();
    std::fs::write(outside.dfs.folder().join("own.crt"), own)?;
    outside.server.state.lock().forbidden = Some("/secrets/tls");
    outside.fails(&ls, 2, "with --ca").await?;
    outside
        .does(&[&ls[..], &["--ca", "own.crt"]].concat())
        .await?;
    // The handshake waits for the connection that is being forwarded.
    outside.server.state.lock().slow = Duration::from_secs(7);
    outside
        .does(&[&ls[..], &["--ca", "own.crt"]].concat())
        .await?;
    outside.server.state.lock().slow = Duration::ZERO;
    outside.server.state.lock().releases = vec!["other"];
    let misnamed = ["--kube", "dfs/other", "ls", "--ca", "own.crt"];
    outside.fails(&misnamed, 1, "other-manager.dfs.svc").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_dies_is_replaced_by_another_one() -> Result<()> {
    let cluster = cluster().await?;
    let dead = ports::free()?;
    let outside = Outside::of(&cluster, state(&[cluster.http(), dead], OPEN)).await?;
    std::fs::write(outside.dfs.folder().join("file"), "1")?;
    let put = ["--kube", RELEASE, "--deadline", "20s", "put", "file"];
    outside.does(&put).await?;
    // The first time it is only seen whether that is allowed.
    let forwarded = outside.server.state.lock().forwarded.clone();
    let turns = ["files-manager-0", "files-manager-1", "files-manager-0"];
    ensure!(forwarded == turns, "{forwarded:?}");
    // Where none of them answers, the message says what is known of it.
    outside.server.state.lock().managers.remove(0);
    let ls = ["--kube", RELEASE, "ls"];
    let why = "pod files-manager-1: Connection refused";
    outside.fails(&ls, 1, why).await?;
    let json = ["--json", "--kube", RELEASE, "ls"];
    outside.fails(&json, 1, why).await?;
    outside.server.state.lock().managers[0].ready = false;
    let none = "no manager of release dfs/files is ready: files-manager-1 is Running";
    outside.fails(&ls, 2, none).await?;
    // Within the deadline it waits for one.
    outside.server.state.lock().asked.clear();
    let patient = ["--kube", RELEASE, "--deadline", "30s", "ls"];
    let waits = outside.command(&patient)?.spawn()?;
    e2e::wait::until(e2e::cluster::SOON, async || {
        let pods = "/api/v1/namespaces/dfs/pods";
        ensure!(outside.server.state.lock().asked.contains_key(pods));
        Ok(())
    })
    .await?;
    let ready = state(&[cluster.http()], OPEN).managers;
    outside.server.state.lock().managers = ready;
    let waited = ended(waits).await?;
    ensure!(waited.code == 0 && waited.out == "file\n", "{waited:?}");
    outside.server.state.lock().managers.clear();
    outside.fails(&ls, 2, "it has no pods").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_in_words() -> Result<()> {
    let cluster = cluster().await?;
    let outside = Outside::of(&cluster, state(&[cluster.http()], OPEN)).await?;
    for (forbidden, right) in [
        ("/services", "needs list of services"),
        ("/pods", "needs list of pods"),
        ("/portforward", "needs get and create of pods/portforward"),
    ] {
        outside.server.state.lock().forbidden = Some(forbidden);
        // At once, whatever the deadline.
        let ls = ["--kube", RELEASE, "--deadline", "1h", "ls"];
        outside.fails(&ls, 2, right).await?;
    }
    outside.server.state.lock().forbidden = None;
    for (args, says) in [
        (
            &["--kube", "dfs/fils", "ls"][..],
            "no release fils in namespace dfs, it has files",
        ),
        (&["--kube", "a/b/c", "ls"], "NAMESPACE/NAME"),
        (
            &["--kube", RELEASE, "--url", "http://x", "ls"],
            "and so does --url",
        ),
        (
            &["--kube", RELEASE, "--context", "none", "ls"],
            "no kubeconfig that can be used",
        ),
        (
            &["--url", "http://x", "--context", "here", "ls"],
            "needs --kube",
        ),
        (
            &[
                "--kube",
                RELEASE,
                "--service-account",
                "a",
                "--token-file",
                "b",
                "ls",
            ],
            "and so does --token-file",
        ),
        (
            &["--kube", RELEASE, "--config", "config", "ls"],
            "--config: is not read, since --kube says",
        ),
        (
            &["--kube", RELEASE, "--ca", "ca.crt", "ls"],
            "--ca: is for https://, and the service is at http://files-manager",
        ),
    ] {
        outside.fails(args, 2, says).await?;
    }
    let mut without = outside.command(&["--kube", RELEASE, "ls"])?;
    without.env("KUBECONFIG", "none");
    let without = ended(without.spawn()?).await?;
    let why = "no kubeconfig that can be used (KUBECONFIG, or ~/.kube/config)";
    ensure!(
        without.code == 2 && without.err.contains(why),
        "{without:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_plugin_of_kubectl_it_finds_the_only_release() -> Result<()> {
    let cluster = cluster().await?;
    let outside = Outside::of(&cluster, state(&[cluster.http()], OPEN)).await?;
    let plugin = outside.dfs.folder().join("kubectl-dfs");
    std::os::unix::fs::symlink(e2e::cluster::binaries::find()?.dfs, &plugin)?;
    let called = async |args: &[&str]| plugged(&outside, &plugin, args).await;
    std::fs::write(outside.dfs.folder().join("file"), "1")?;
    let put = called(&["put", "file"]).await?;
    ensure!(put.code == 0, "{put:?}");
    let ls = called(&["ls", "-n", "dfs"]).await?;
    ensure!(ls.code == 0 && ls.out == "file\n", "{ls:?}");
    let kube = called(&["ls", "--kube", "files", "--namespace", "dfs"]).await?;
    ensure!(kube.code == 0 && kube.out == "file\n", "{kube:?}");
    let help = called(&["ls", "--help"]).await?;
    ensure!(help.out.contains("Usage: kubectl dfs ls"), "{help:?}");
    outside.server.state.lock().releases = vec!["files", "more"];
    let wrong = called(&["ls", "-n", "a,b"]).await?;
    ensure!(
        wrong.code == 2 && wrong.err.contains("--namespace"),
        "{wrong:?}"
    );
    let several = called(&["ls"]).await?;
    let why = "has the releases files, more: name one with --kube dfs/files";
    ensure!(
        several.code == 2 && several.err.contains(why),
        "{several:?}"
    );
    let one = called(&["ls", "--kube", "more"]).await?;
    ensure!(one.code == 0, "{one:?}");
    outside.server.state.lock().releases.clear();
    let none = called(&["ls", "-n", "team"]).await?;
    let why = "there is no release in namespace team";
    ensure!(none.code == 2 && none.err.contains(why), "{none:?}");
    Ok(())
}

/// Runs it under another name, with the variables of a service elsewhere.
async fn plugged(outside: &Outside, plugin: &Path, args: &[&str]) -> Result<Ran> {
    let own = outside.command(args)?;
    let mut command = Command::new(plugin);
    command.args(args).env_clear();
    for (name, value) in own.as_std().get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("DFS_URL", "http://127.0.0.1:9");
    command
        .current_dir(outside.dfs.folder())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    ended(command.spawn()?).await
}
