//! A real Kubernetes API server on loopback, for what nothing else can judge.

mod build;

pub use build::program;

use crate::cluster::{Launch, binaries};
use crate::tools::{self, Told, feed};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::process::Child;

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(90);

/// An API server and its store. Dropping it ends both.
pub struct ApiServer {
    folder: PathBuf,
    kubectl: PathBuf,
    address: String,
    token: String,
    _etcd: Child,
    _server: Child,
}

impl ApiServer {
    /// Starts one whose data and logs lie in `folder`, and waits until it is ready.
    ///
    /// # Errors
    /// Where a program can't be built or does not start.
    pub async fn start(folder: &Path) -> Result<Self> {
        tools::require(&[("openssl", "openssl")])?;
        let [client, peer, secure] = ports()?;
        let etcd = etcd(folder, client, peer)?.spawn()?;
        let token = format!("{:032x}", rand::random::<u128>());
        let users = format!("{token},admin,admin,\"system:masters\"\n");
        std::fs::write(folder.join("tokens.csv"), users)?;
        let server = server(folder, client, secure)?.spawn()?;
        let started = Self {
            folder: folder.to_owned(),
            kubectl: program("kubectl")?,
            address: format!("https://127.0.0.1:{secure}"),
            token,
            _etcd: etcd,
            _server: server,
        };
        let ready = wait::until(READY, async || {
            let told = started.kubectl(&["get", "--raw", "/readyz"], "")?;
            ensure!(told.ok, "{}", told.text);
            // The default namespace appears a moment later.
            let told = started.kubectl(&["get", "namespace", "default"], "")?;
            ensure!(told.ok, "{}", told.text);
            Ok(())
        });
        ready.await.with_context(|| started.log())?;
        Ok(started)
    }

    /// Runs `kubectl` with `input` on its stdin.
    ///
    /// # Errors
    /// Where it can't be run.
    pub fn kubectl(&self, args: &[&str], input: &str) -> Result<Told> {
        let mut command = Command::new(&self.kubectl);
        command
            .args(["--server", &self.address, "--token", &self.token])
            .args(["--insecure-skip-tls-verify", "--cache-dir"])
            .arg(self.folder.join("kubectl"))
            .args(args)
            .env_remove("KUBECONFIG")
            .env("HOME", &self.folder);
        feed(command, input)
    }

    /// How to start a program of ours that uses this server.
    ///
    /// # Errors
    /// Where there is no such program, or its folder can't be written.
    pub fn launch(&self, name: &str, args: &[&str], env: &[(&str, String)]) -> Result<Launch> {
        let program = binaries::find()?.manager.with_file_name(name);
        let config = self.folder.join("kubeconfig");
        // JSON is YAML.
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "own",
            "contexts": [{ "name": "own", "context": { "cluster": "own", "user": "admin" } }],
            "clusters": [{
                "name": "own",
                "cluster": { "server": self.address, "insecure-skip-tls-verify": true },
            }],
            "users": [{ "name": "admin", "user": { "token": self.token } }],
        });
        std::fs::write(&config, text.to_string())?;
        let own = ("KUBECONFIG".to_owned(), config.display().to_string());
        let env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        let mut launch = launch(program, Vec::new(), &self.folder, &format!("{name}.log"));
        launch.args = args.iter().map(Into::into).collect();
        launch.env = env.chain([own]).collect();
        Ok(launch)
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("apiserver.log")).unwrap_or_default();
        let from = text.len().saturating_sub(2000);
        text.get(from..).unwrap_or_default().to_owned()
    }
}

fn etcd(folder: &Path, client: u16, peer: u16) -> Result<Launch> {
    let (client, peer) = (at("http", client), at("http", peer));
    let mut args = vec![OsString::from("--data-dir"), folder.join("etcd").into()];
    for (flag, value) in [
        ("--listen-client-urls", &client),
        ("--advertise-client-urls", &client),
        ("--listen-peer-urls", &peer),
        ("--initial-advertise-peer-urls", &peer),
        ("--initial-cluster", &format!("default={peer}")),
    ] {
        args.extend([flag.into(), value.into()]);
    }
    // Its data is thrown away with the folder.
    args.push("--unsafe-no-fsync".into());
    Ok(launch(program("etcd")?, args, folder, "etcd.log"))
}

fn server(folder: &Path, client: u16, secure: u16) -> Result<Launch> {
    let key = folder.join("service-accounts.pem");
    let status = Command::new(tools::which("openssl")?)
        .args([
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
        ])
        .arg(&key)
        .status()?;
    ensure!(status.success(), "openssl: {status}");
    let mut args: Vec<OsString> = [
        format!("--etcd-servers={}", at("http", client)),
        format!("--secure-port={secure}"),
    ]
    .map(Into::into)
    .to_vec();
    args.extend(
        [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--endpoint-reconciler-type=none",
        ]
        .map(Into::into),
    );
    for (flag, file) in [
        ("--cert-dir", folder.join("certs")),
        ("--token-auth-file", folder.join("tokens.csv")),
        ("--service-account-key-file", key.clone()),
        ("--service-account-signing-key-file", key),
    ] {
        args.extend([flag.into(), file.into()]);
    }
    let program = program("kube-apiserver")?;
    Ok(launch(program, args, folder, "apiserver.log"))
}

fn launch(program: PathBuf, args: Vec<OsString>, folder: &Path, log: &str) -> Launch {
    Launch {
        program,
        args,
        env: Vec::new(),
        stderr: folder.join(log),
    }
}

fn at(scheme: &str, port: u16) -> String {
    format!("{scheme}://127.0.0.1:{port}")
}

fn ports() -> Result<[u16; 3]> {
    let port = || anyhow::Ok(crate::ports::free()?.port());
    Ok([port()?, port()?, port()?])
}
