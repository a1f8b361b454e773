//! A whole service of real processes on this machine: one manager, any number
//! of nodes, each with its folder, on ports that were free.

pub mod binaries;
mod managers;
pub mod process;
mod store;
mod user;
mod waits;

pub use process::{Launch, Process, peak_memory_of};

use crate::tree::Tree;
use crate::{library, ports, wire};
use anyhow::{Context, Result};
use binaries::Binaries;
use client::Client;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the tests wait for what ought to happen at once.
pub const SOON: Duration = Duration::from_secs(30);

/// How to start a service.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nodes at the start.
    pub nodes: usize,
    /// Flags added to `manager serve`.
    pub manager_args: Vec<String>,
    /// Flags added to each `node serve`.
    pub node_args: Vec<String>,
    /// Variables for all processes.
    pub env: Vec<(String, String)>,
    /// Where the temporary folder is made.
    pub folder: Option<PathBuf>,
    /// What managers are given as `--store`; an embedded one unless set.
    pub store: Option<String>,
    /// The bearer token of this service's own clients.
    pub bearer: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            manager_args: Vec::new(),
            node_args: Vec::new(),
            env: Vec::new(),
            folder: None,
            store: None,
            bearer: None,
        }
    }
}

/// A node of a cluster: its folder and identity stay while processes come and go.
#[derive(Debug)]
pub struct Node {
    /// Its name, `node-1` and so on.
    pub id: String,
    /// Its pool, `default` unless a test says otherwise.
    pub pool: String,
    /// What it was given as `--data`.
    pub folder: PathBuf,
    /// Its process, while it runs.
    pub process: Option<Process>,
    /// Flags that only it is given.
    pub args: Vec<String>,
    /// Variables that only it is given.
    pub env: Vec<(String, String)>,
    /// The program that starts it, with its arguments; empty where it is started directly.
    pub starter: Vec<String>,
    listen: SocketAddr,
}

/// A manager beside the first one, on the same database.
#[derive(Debug)]
pub struct Other {
    /// Its process, while it runs.
    pub process: Option<Process>,
    http: SocketAddr,
    grpc: SocketAddr,
    ops: SocketAddr,
}

impl Other {
    /// Its REST address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its address of metrics, livez and readyz.
    pub fn ops(&self) -> SocketAddr {
        self.ops
    }
}

/// A running service. Dropping it kills its processes and removes its files;
/// while a test panics they are kept, and the folder is printed.
#[derive(Debug)]
pub struct Cluster {
    /// The manager's process, while it runs.
    pub manager: Option<Process>,
    /// Managers beside the first one, which nodes that start later join too.
    pub others: Vec<Other>,
    /// The nodes, running or not.
    pub nodes: Vec<Node>,
    /// Options that later starts use too.
    pub options: Options,
    /// Variables that only the manager is given.
    pub manager_env: Vec<(String, String)>,
    binaries: Binaries,
    http: SocketAddr,
    grpc: SocketAddr,
    ops: SocketAddr,
    folder: Option<tempfile::TempDir>,
}

impl Cluster {
    /// A service of `nodes` nodes, all available.
    pub async fn start(nodes: usize) -> Result<Self> {
        Self::start_with(Options {
            nodes,
            ..Options::default()
        })
        .await
    }

    /// A service as `options` say, all its nodes available.
    pub async fn start_with(options: Options) -> Result<Self> {
        let nodes = options.nodes;
        let mut cluster = Self::prepare(options)?;
        cluster.start_manager().await?;
        for _ in 0..nodes {
            cluster.add_node().await?;
        }
        cluster.wait_available(nodes).await?;
        Ok(cluster)
    }

    /// Folders and ports, but no process yet.
    pub fn prepare(options: Options) -> Result<Self> {
        let binaries = binaries::find()?;
        let parent = match &options.folder {
            Some(folder) => folder.clone(),
            None => binaries::scratch()?,
        };
        let folder = tempfile::Builder::new()
            .prefix("cluster-")
            .tempdir_in(parent)?;
        // Known before the first start, so that nodes can be started first.
        let [http, grpc, ops] = [ports::free()?, ports::free()?, ports::free()?];
        Ok(Self {
            manager: None,
            others: Vec::new(),
            nodes: Vec::new(),
            options,
            manager_env: Vec::new(),
            binaries,
            http,
            grpc,
            ops,
            folder: Some(folder),
        })
    }

    /// The folder that holds everything of this service.
    pub fn folder(&self) -> &Path {
        self.folder
            .as_ref()
            .map_or(Path::new("/nowhere"), |f| f.path())
    }

    /// Leaves its folder in place when this is dropped.
    pub fn keep(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.disable_cleanup(true);
        }
    }

    /// The REST address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of Registry and Admin.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// The manager's address of metrics, livez and readyz.
    pub fn ops(&self) -> SocketAddr {
        self.ops
    }

    /// The folder of the embedded store.
    pub fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// A client of the REST port, which calls once.
    ///
    /// # Errors
    /// Where the bearer token can't be one.
    pub fn client(&self) -> Result<Client> {
        library::once(self.http, self.options.bearer.as_deref())
    }

    /// What sends requests to the REST port as they are written.
    pub fn wire(&self) -> wire::Client {
        let wire = wire::Client::new(self.http);
        match &self.options.bearer {
            Some(token) => wire.with_bearer(token).unwrap_or(wire),
            None => wire,
        }
    }

    /// The program `manager` with `args`, to be started.
    pub fn manager_command<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Launch {
        Launch {
            program: self.binaries.manager.clone(),
            args: args.into_iter().map(Into::into).collect(),
            env: self.options.env.clone(),
            stderr: self.folder().join("command.log"),
        }
    }

    /// Runs `manager ARGS --manager URL` and gives exit status and stdout.
    pub async fn ask(&self, args: &[&str]) -> Result<(i32, String)> {
        let url = format!("http://{}", self.grpc);
        let args = args.iter().copied().chain(["--manager", &url]);
        let (status, out, log) = self.manager_command(args).output(SOON).await?;
        let code = status.code().context("ended by a signal")?;
        anyhow::ensure!(code < 2, "exit status {code}: {out}{log}");
        Ok((code, out))
    }

    /// The id of a node's volume, as `manager nodes` says it.
    pub async fn volume_of(&self, node: &str) -> Result<String> {
        let (_, lines) = self.ask(&["nodes"]).await?;
        let line = lines
            .lines()
            .find(|line| line.starts_with(&format!("{node} ")));
        let volume = line.and_then(|line| line.split_once("volume="));
        let (_, volume) = volume.with_context(|| format!("{node} in {lines}"))?;
        Ok(volume.to_owned())
    }

    /// How the manager is started.
    pub fn manager_launch(&self) -> Launch {
        self.launch_at([self.http, self.grpc, self.ops], "manager.log")
    }

    fn launch_at(&self, addresses: [SocketAddr; 3], log: &str) -> Launch {
        let mut args: Vec<OsString> = vec!["serve".into()];
        let store = match &self.options.store {
            Some(url) => url.into(),
            None => {
                let mut store = OsString::from("embedded:");
                store.push(self.store());
                store
            }
        };
        let [http, grpc, ops] = addresses.map(|a| a.to_string().into());
        args.extend([
            "--http".into(),
            http,
            "--grpc".into(),
            grpc,
            "--ops".into(),
            ops,
        ]);
        args.extend(["--store".into(), store]);
        args.extend(self.options.manager_args.iter().map(Into::into));
        Launch {
            program: self.binaries.manager.clone(),
            args,
            env: self
                .options
                .env
                .iter()
                .chain(&self.manager_env)
                .cloned()
                .collect(),
            stderr: self.folder().join(log),
        }
    }

    /// How node `index` is started.
    pub fn node_launch(&self, index: usize) -> Launch {
        let node = &self.nodes[index];
        let listen = node.listen.to_string();
        let grpc = std::iter::once(self.grpc).chain(self.others.iter().map(|other| other.grpc));
        let urls: Vec<String> = grpc.map(|grpc| format!("http://{grpc}")).collect();
        let manager = urls.join(",");
        let mut args: Vec<OsString> = vec!["serve".into(), "--data".into()];
        args.push(node.folder.clone().into());
        let rest = [
            "--manager",
            &manager,
            "--listen",
            &listen,
            "--ops",
            "127.0.0.1:0",
        ];
        args.extend(rest.map(Into::into));
        args.extend(["--id", &node.id, "--pool", &node.pool].map(Into::into));
        args.extend(
            self.options
                .node_args
                .iter()
                .chain(&node.args)
                .map(Into::into),
        );
        let mut program = self.binaries.node.clone();
        if let Some((starter, starter_args)) = node.starter.split_first() {
            let own = std::mem::replace(&mut program, starter.into());
            let before = starter_args.iter().map(Into::into);
            args.splice(0..0, before.chain([own.into_os_string()]));
        }
        Launch {
            program,
            args,
            env: self.options.env.iter().chain(&node.env).cloned().collect(),
            stderr: self.folder().join(format!("{}.log", node.id)),
        }
    }

    /// Starts the manager, on the same ports and store each time.
    pub async fn start_manager(&mut self) -> Result<()> {
        let process = self.manager_launch().start().await?;
        self.http = process.address("http")?;
        self.grpc = process.address("grpc")?;
        self.manager = Some(process);
        Ok(())
    }

    /// Starts one more manager on the same database, and gives its index.
    pub async fn add_manager(&mut self) -> Result<usize> {
        let grpc = ports::free()?;
        self.add_manager_reached_at(grpc).await
    }

    /// Starts a manager beside the first one, on the same ports each time.
    pub async fn start_other(&mut self, index: usize) -> Result<()> {
        let Other {
            http, grpc, ops, ..
        } = self.others[index];
        let log = format!("manager-{}.log", index + 2);
        let process = self.launch_at([http, grpc, ops], &log).start().await?;
        self.others[index].process = Some(process);
        Ok(())
    }

    /// kill -9 of a manager beside the first one.
    pub async fn kill_other(&mut self, index: usize) -> Result<()> {
        let process = self.others[index].process.take();
        process.context("the manager is not running")?.kill().await
    }

    /// A client of a manager beside the first one.
    ///
    /// # Errors
    /// As for [`Self::client`].
    pub fn client_of(&self, index: usize) -> Result<Client> {
        library::once(self.others[index].http, self.options.bearer.as_deref())
    }

    /// The manager's process.
    pub fn manager(&self) -> Result<&Process> {
        self.manager.as_ref().context("the manager is not running")
    }

    /// kill -9 of the manager.
    pub async fn kill_manager(&mut self) -> Result<()> {
        let manager = self.manager.take();
        manager.context("the manager is not running")?.kill().await
    }

    /// Makes the folder of one more node and gives its index.
    pub fn new_node(&mut self) -> Result<usize> {
        let id = format!("node-{}", self.nodes.len() + 1);
        let folder = self.folder().join(&id);
        std::fs::create_dir_all(&folder)?;
        self.nodes.push(Node {
            id,
            pool: "default".to_owned(),
            folder,
            process: None,
            args: Vec::new(),
            env: Vec::new(),
            starter: Vec::new(),
            listen: ports::free()?,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Starts one more node and gives its index.
    pub async fn add_node(&mut self) -> Result<usize> {
        let index = self.new_node()?;
        self.start_node(index).await?;
        Ok(index)
    }

    /// Starts a node, on the same port and folder each time.
    pub async fn start_node(&mut self, index: usize) -> Result<()> {
        let process = self.node_launch(index).start().await?;
        self.nodes[index].process = Some(process);
        Ok(())
    }

    /// The inner address of a node.
    pub fn inner_of(&self, index: usize) -> SocketAddr {
        self.nodes[index].listen
    }

    /// The process of a node.
    pub fn node(&self, index: usize) -> Result<&Process> {
        let process = self.nodes[index].process.as_ref();
        process.with_context(|| format!("{} is not running", self.nodes[index].id))
    }

    /// SIGTERM for the manager, then for all nodes; none may fail.
    pub async fn stop(&mut self) -> Result<()> {
        let nodes = self.nodes.iter_mut().map(|node| node.process.take());
        let others = self.others.iter_mut().map(|other| other.process.take());
        let managers = std::iter::once(self.manager.take()).chain(others);
        for process in managers.chain(nodes).flatten() {
            let log = process.log();
            let status = process.terminate(SOON).await?;
            anyhow::ensure!(status.success(), "ended with {status}: {log}");
        }
        Ok(())
    }

    /// kill -9 of a node.
    pub async fn kill_node(&mut self, index: usize) -> Result<()> {
        let process = self.nodes[index].process.take();
        process.context("the node is not running")?.kill().await
    }

    /// What lies on the disk of a node.
    pub fn tree(&self, index: usize) -> Result<Tree> {
        Tree::walk(&self.nodes[index].folder.join("data"))
    }

    /// What lies on the disks of all nodes.
    pub fn trees(&self) -> Result<Vec<Tree>> {
        (0..self.nodes.len())
            .map(|index| self.tree(index))
            .collect()
    }

    /// The ends of all logs, for messages.
    pub fn logs(&self) -> String {
        let mut out = String::new();
        if let Some(manager) = &self.manager {
            out += &format!("--- manager\n{}", manager.log());
        }
        for node in &self.nodes {
            if let Some(process) = &node.process {
                out += &format!("--- {}\n{}", node.id, process.log());
            }
        }
        out
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.manager.take();
        self.nodes
            .iter_mut()
            .for_each(|node| drop(node.process.take()));
        if let Some(folder) = self.folder.take()
            && std::thread::panicking()
        {
            eprintln!("kept for inspection: {}", folder.keep().display());
        }
    }
}
