//! A person outside of the cluster, with a kubeconfig and `dfs --kube` alone: no Service, pod
//! or port is reached but through the API server.

use super::readme::{blocks, page};
use super::{ROLLED_OUT, World};
use crate::certificates::Authority;
use crate::content;
use crate::kubernetes::release::{Release, values};
use crate::tools::{Told, feed};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Who has the Role of the page and nothing else.
const PERSON: &str = "person";
/// The ServiceAccount and the Secret that the page names.
const ACCOUNT: &str = "uploader";
const SECRET: &str = "files-certificate";
/// Files that are stored while a manager dies, and the bytes of each.
const FILES: u64 = 300;
const BYTES: usize = 100_000;
/// For how long calls are tried again, longer than a manager takes to come back.
const DEADLINE: &str = "120s";
/// How long a right may take until the API server follows it.
const FOLLOWED: Duration = Duration::from_secs(30);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let outside = Outside::new(&world.release)?;
    let begun = Instant::now();
    outside.stores_and_finds(&[])?;
    let killed = outside.outlives_its_manager().await?;
    let mut closed = values();
    closed["auth"] = json!({ "clients": { "mode": "kubernetes" } });
    outside.upgrade(&closed)?;
    outside.known().await?;
    let pair = outside.authority.server_of(&[&outside.host()])?;
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": { "name": SECRET, "namespace": world.release.namespace },
        "stringData": {
            "tls.crt": pair.cert,
            "tls.key": pair.key,
            "ca.crt": outside.authority.pem(),
        },
    });
    world.kube.apply(&secret)?;
    closed["tls"] = json!({ "http": { "mode": "secret", "existingSecret": SECRET } });
    outside.upgrade(&closed)?;
    outside.secured()?;
    outside.plugged()?;
    outside.upgrade(&values())?;
    outside.clean(&outside.names("")?)?;
    let compared = world.compare().await?;
    Ok(format!(
        "files in and out without a port, {killed}, with callers, TLS and as kubectl dfs, in {:.0} s; {compared} compared",
        begun.elapsed().as_secs_f64()
    ))
}

struct Outside {
    release: Release,
    folder: tempfile::TempDir,
    authority: Authority,
    /// The program.
    dfs: PathBuf,
}

impl Outside {
    fn new(release: &Release) -> Result<Self> {
        // Built together with this program.
        let dfs = std::env::current_exe()?.with_file_name("dfs");
        let folder = tempfile::Builder::new()
            .prefix("outside-")
            .tempdir_in(crate::cluster::binaries::scratch()?)?;
        let plugin = folder.path().join("kubectl-dfs");
        std::os::unix::fs::symlink(&dfs, plugin)?;
        Ok(Self {
            release: release.clone(),
            folder,
            authority: Authority::new("outside")?,
            dfs,
        })
    }

    /// A copy of the kubeconfig with a context for the person in it.
    fn config(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The name of the Service, which a certificate has to have.
    fn host(&self) -> String {
        let (service, namespace) = (self.release.full_name(), &self.release.namespace);
        format!("{service}-manager.{namespace}.svc")
    }

    fn kube(&self) -> String {
        format!("{}/{}", self.release.namespace, self.release.name)
    }

    fn upgrade(&self, values: &Value) -> Result<()> {
        self.release.helm("upgrade", values)?;
        self.release.rolled_out("sts", "manager", ROLLED_OUT)
    }

    fn kubectl(&self, args: &[&str]) -> Result<String> {
        let namespace = ["-n", self.release.namespace.as_str()];
        self.release.kube.kubectl(&[&namespace, args].concat())
    }

    /// The command, without anything of this machine's but the kubeconfig and its proxies.
    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.folder.path().to_owned()].into_iter();
        let folders = folders.chain(std::env::split_paths(&path));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(folders).unwrap_or(path))
            .env("DFS_DEADLINE", DEADLINE)
            .env("HOME", self.folder.path());
        if self.config().exists() {
            command.env("KUBECONFIG", self.config());
        }
        command
    }

    fn run(&self, args: &[&str]) -> Result<Told> {
        let kube = self.kube();
        let args = [&["--kube", &kube][..], args].concat();
        feed(self.command(&self.dfs, &args), "")
    }

    fn does(&self, args: &[&str]) -> Result<String> {
        self.run(args)?.expect(&format!("dfs {}", args.join(" ")))
    }

    fn fails(&self, args: &[&str], says: &str) -> Result<()> {
        let told = self.run(args)?;
        ensure!(
            !told.ok && told.text.contains(says),
            "{args:?}: {}",
            told.text
        );
        Ok(())
    }

    /// Stores a file, fetches and lists it, and reads the status.
    fn stores_and_finds(&self, as_whom: &[&str]) -> Result<()> {
        let with = |args: &[&'static str]| [as_whom, args].concat();
        let data = content::bytes(11, 20_000_000);
        std::fs::write(self.folder.path().join("large"), &data)?;
        self.does(&with(&["put", "large", "--as", "outside-large"]))?;
        self.does(&with(&["get", "outside-large", "-o", "copy", "--force"]))?;
        let copy = std::fs::read(self.folder.path().join("copy"))?;
        ensure!(copy == data, "it came back as {} bytes", copy.len());
        let listed = self.does(&with(&["ls", "outside-large"]))?;
        ensure!(listed == "outside-large\n", "{listed}");
        self.does(&with(&["rm", "outside-large"]))?;
        if as_whom.is_empty() {
            let status = self.does(&["status"])?;
            ensure!(status.contains("NODE"), "{status}");
        }
        Ok(())
    }

    /// The manager that a port is forwarded of is killed: every file is stored all the same.
    async fn outlives_its_manager(&self) -> Result<String> {
        let files = self.folder.path().join("many");
        std::fs::create_dir(&files)?;
        for number in 0..FILES {
            std::fs::write(
                files.join(number.to_string()),
                content::bytes(number, BYTES),
            )?;
        }
        let kube = self.kube();
        let put = [
            "--kube",
            &kube,
            "put",
            "-r",
            "many",
            "--as",
            "outside-many",
            "-j",
            "2",
        ];
        let mut command = self.command(&self.dfs, &put);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        wait::until(ROLLED_OUT, async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let stored = self.names("outside-many")?.len();
            ensure!(stored > 3, "{stored} stored");
            Ok(())
        })
        .await?;
        let manager = format!("{}-manager-0", self.release.full_name());
        self.kubectl(&["delete", "pod", &manager, "--grace-period=0", "--force"])?;
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", output.status);
        ensure!(said.contains("trying again"), "it noticed nothing: {said}");
        self.does(&["get", "-r", "outside-many", "-o", "back"])?;
        for number in 0..FILES {
            let name = format!("back/outside-many/{number}");
            let back = std::fs::read(self.folder.path().join(name))?;
            ensure!(back == content::bytes(number, BYTES), "{number}");
        }
        Ok(format!(
            "{FILES} files stored while their manager was killed"
        ))
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self.does(&["ls", prefix])?;
        let names = listed.lines().filter(|name| name.starts_with("outside-"));
        Ok(names.map(str::to_owned).collect())
    }

    /// A person with the Role of the page, who calls as a ServiceAccount.
    async fn known(&self) -> Result<()> {
        self.fails(&["ls"], "--service-account")?;
        let (namespace, kube) = (&self.release.namespace, &self.release.kube);
        for account in [PERSON, ACCOUNT] {
            self.kubectl(&["create", "serviceaccount", account])?;
        }
        let writer = format!("{namespace}.{}-files-writer", self.release.full_name());
        let writer = format!("--clusterrole={writer}");
        self.bind(ACCOUNT, &writer, ACCOUNT)?;
        let text = page("docs/dfs.md")?;
        let mut roles = blocks(&text).into_iter();
        let role = roles.find(|(language, _)| *language == "yaml");
        let (_, role) = role.context("the page has no Role")?;
        let role = role.replace("namespace: dfs", &format!("namespace: {namespace}"));
        let applied = kube.try_kubectl(&["apply", "-f", "-"], &role)?;
        applied.expect("the page's Role")?;
        self.bind(PERSON, "--role=dfs-outside", PERSON)?;
        let token = self.kubectl(&["create", "token", PERSON, "--duration=1h"])?;
        self.kubeconfig(token.trim())?;
        let as_account = ["--context", PERSON, "--service-account", ACCOUNT];
        let ls = [&as_account[..], &["ls", "outside-"]].concat();
        wait::until(FOLLOWED, async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.does(&ls).map(drop)
        })
        .await?;
        self.stores_and_finds(&as_account)?;
        // That is all that it may.
        let other = ["--context", PERSON, "--service-account", "default", "ls"];
        self.fails(&other, "needs create of serviceaccounts/token")?;
        let status = [&as_account[..], &["status"]].concat();
        self.fails(&status, "admin")
    }

    fn bind(&self, name: &str, role: &str, account: &str) -> Result<()> {
        let account = format!("--serviceaccount={}:{account}", self.release.namespace);
        self.kubectl(&["create", "rolebinding", name, role, &account])
            .map(drop)
    }

    /// Adds a context with this token to a copy of the kubeconfig.
    fn kubeconfig(&self, token: &str) -> Result<()> {
        let shown = self.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])?;
        let mut config: Value = serde_json::from_str(&shown)?;
        let current = config["current-context"].clone();
        let contexts = config["contexts"].as_array_mut().context("contexts")?;
        let found = contexts.iter().find(|one| one["name"] == current);
        let cluster = found.context("a context")?["context"]["cluster"].clone();
        contexts.push(json!({
            "name": PERSON,
            "context": { "cluster": cluster, "user": PERSON },
        }));
        let users = config["users"].as_array_mut().context("users")?;
        users.push(json!({ "name": PERSON, "user": { "token": token } }));
        Ok(std::fs::write(self.config(), config.to_string())?)
    }

    /// With TLS, whose authority is in the Secret that the Service names.
    fn secured(&self) -> Result<()> {
        self.stores_and_finds(&["--context", PERSON, "--service-account", ACCOUNT])?;
        let other = Authority::new("other")?.pem();
        std::fs::write(self.folder.path().join("other.crt"), other)?;
        let distrusted = ["--service-account", ACCOUNT, "--ca", "other.crt", "ls"];
        self.fails(&distrusted, "certificate")
    }

    /// `kubectl dfs`, with the only release of the namespace.
    fn plugged(&self) -> Result<()> {
        let namespace = self.release.namespace.as_str();
        let ls = ["dfs", "ls", "-n", namespace, "--service-account", ACCOUNT];
        let kubectl = Path::new("kubectl");
        let listed = feed(self.command(kubectl, &ls), "")?.expect("kubectl dfs ls")?;
        ensure!(listed.contains("outside-many"), "{listed}");
        let none = ["dfs", "ls", "-n", "kube-system"];
        let told = feed(self.command(kubectl, &none), "")?;
        let why = "there is no release in namespace kube-system";
        ensure!(!told.ok && told.text.contains(why), "{}", told.text);
        let help = feed(self.command(kubectl, &["dfs", "--help"]), "")?;
        ensure!(help.text.contains("Usage: kubectl dfs"), "{}", help.text);
        Ok(())
    }

    fn clean(&self, names: &[String]) -> Result<()> {
        let names = names.iter().map(String::as_str);
        self.does(&["rm"].into_iter().chain(names).collect::<Vec<_>>())?;
        for object in [
            "role/dfs-outside",
            &format!("rolebinding/{PERSON}"),
            &format!("rolebinding/{ACCOUNT}"),
            &format!("serviceaccount/{PERSON}"),
            &format!("serviceaccount/{ACCOUNT}"),
            &format!("secret/{SECRET}"),
        ] {
            self.kubectl(&["delete", object])?;
        }
        Ok(())
    }
}
