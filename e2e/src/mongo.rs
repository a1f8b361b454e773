//! A server for the MongoDB driver, since none can be installed everywhere:
//! mongo-java-server with its data in a file, built once with Maven.

use crate::cluster::process::{Launch, Process};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The build file and the one source file; their hash names the build in the cache.
const POM: &str = include_str!("../mongo/pom.xml");
const SOURCE: &str = include_str!("../mongo/src/main/java/MongoWire.java");

/// What the names of its data's files begin with.
const DATA: &str = "mongo-data";

/// The index of the argument that names them.
const DATA_ARGUMENT: usize = 3;

/// Programs that the server needs, each with its Debian package.
const TOOLS: [(&str, &str); 2] = [("java", "default-jdk-headless"), ("mvn", "maven")];

/// A running server; its data stay when it is killed and started again.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    address: SocketAddr,
    folder: PathBuf,
    process: Option<Process>,
}

impl Server {
    /// Builds the server if this machine has not done so yet, and starts it.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, folder).await
    }

    /// The same, on an address of this machine that others reach.
    pub async fn start_at(ip: Ipv4Addr, folder: &Path) -> Result<Self> {
        let jar = build()?;
        let port = std::net::TcpListener::bind((ip, 0))?.local_addr()?;
        let mut args: Vec<OsString> = vec!["-Xmx512m".into(), "-jar".into(), jar.into()];
        args.push(folder.join(DATA).into());
        args.extend([port.ip().to_string(), port.port().to_string()].map(Into::into));
        let launch = Launch {
            program: tools::which("java")?,
            args,
            env: Vec::new(),
            stderr: folder.join("mongo.log"),
        };
        let mut server = Self {
            launch,
            address: port,
            folder: folder.to_owned(),
            process: None,
        };
        server.restart().await?;
        Ok(server)
    }

    /// The URL of a database on it.
    pub fn url(&self, database: &str) -> String {
        format!("mongodb://{}/{database}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it again, on the same port and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = Some(self.launch.start().await?);
        Ok(())
    }

    /// Stops it, and starts it on the data of another folder, on the same port.
    pub async fn switch(&mut self, folder: &Path) -> Result<()> {
        self.stop().await?;
        self.folder = folder.to_owned();
        self.launch.args[DATA_ARGUMENT] = folder.join(DATA).into();
        self.restart().await
    }

    /// Stops it, copies its data into a new folder, and starts it again.
    pub async fn copy_data(&mut self, to: &Path) -> Result<()> {
        self.stop().await?;
        std::fs::create_dir_all(to)?;
        for file in self.data()? {
            let name = file.file_name().context("a file's name")?;
            std::fs::copy(&file, to.join(name))?;
        }
        self.restart().await
    }

    /// The files of its data.
    fn data(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(DATA.as_bytes()) {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    /// Stops it, throws its data away, and starts it again.
    pub async fn empty(&mut self) -> Result<()> {
        self.stop().await?;
        for file in self.data()? {
            std::fs::remove_file(file)?;
        }
        self.restart().await
    }

    /// SIGTERM, and waits until it is gone.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the server is not running")?;
        process
            .terminate(std::time::Duration::from_secs(30))
            .await
            .map(drop)
    }
}

/// The server's archive, kept outside of the checkout by the hash of its source.
pub fn build() -> Result<PathBuf> {
    tools::require(&TOOLS)?;
    let hash = crate::content::sha256(format!("{POM}{SOURCE}").as_bytes());
    let hash = crate::content::hex(&hash[..6]);
    let folder = tools::cache()?.join(format!("mongo-wire-{hash}"));
    let jar = folder.join("target/mongo-wire.jar");
    if jar.is_file() {
        return Ok(jar);
    }
    eprintln!("building the server for the MongoDB driver");
    let source = folder.join("src/main/java");
    std::fs::create_dir_all(&source)?;
    std::fs::write(folder.join("pom.xml"), POM)?;
    std::fs::write(source.join("MongoWire.java"), SOURCE)?;
    let mut command = Command::new(tools::which("mvn")?);
    command.args(["-q", "-B", "-f"]).arg(folder.join("pom.xml"));
    let status = command.arg("package").stdin(Stdio::null()).status()?;
    ensure!(status.success() && jar.is_file(), "mvn package: {status}");
    Ok(jar)
}
