//! A node's configuration: the flags of `node serve`, checked.

use crate::scrub::Pace;
use clap::{Args, Parser, Subcommand};
use kit::inner::{Inner, InnerArgs};
use kit::spans::{OtlpArgs, Tracer};
use kit::units::{long_time, size, time};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use proto::NodeId;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Uri;

/// One file-server node: keeps files on its disk and serves them to managers.
#[derive(Debug, Parser)]
#[command(name = "node", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The node's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the files of one volume
    Serve(Box<ServeArgs>),
}

/// The flags of `node serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory of this node's volume; made and formatted if it is new
    #[arg(long, env = "DFS_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// Managers to join, as http://HOST:PORT; every address behind a name is joined (repeat the flag or separate by commas)
    #[arg(long, env = "DFS_MANAGER", value_name = "URL", value_delimiter = ',', required = true, value_parser = manager)]
    pub manager: Vec<Uri>,
    /// Address that managers and other nodes call; port 0 takes a free one
    #[arg(
        long,
        env = "DFS_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "[::]:9100"
    )]
    pub listen: SocketAddr,
    /// HOST:PORT under which managers and other nodes reach this node; the address listened on unless that is every address; an IPv6 address needs no brackets
    #[arg(long, env = "DFS_ADVERTISE", value_name = "HOST:PORT", value_parser = host_port)]
    pub advertise: Option<String>,
    /// This node's id, the same for as long as its volume lives
    #[arg(long, env = "DFS_ID", value_name = "NAME")]
    pub id: NodeId,
    /// Pool that this node belongs to
    #[arg(long, env = "DFS_POOL", value_name = "NAME", default_value = "default", value_parser = pool)]
    pub pool: String,
    /// Address of /livez, /readyz and /metrics, which ask for no token
    #[arg(
        long,
        env = "DFS_OPS",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:9101"
    )]
    pub ops: SocketAddr,
    /// Bytes of the disk that uploads never use (suffixes KiB, MiB, GiB, TiB)
    #[arg(long, env = "DFS_RESERVE", value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub reserve: u64,
    /// The most bytes that files may take on this volume; all of the disk unless set
    #[arg(long, env = "DFS_CAPACITY", value_name = "SIZE", value_parser = size)]
    pub capacity: Option<u64>,
    /// Refuse a data directory that is not on a mount of its own
    #[arg(long, env = "DFS_REQUIRE_MOUNT")]
    pub require_mount: bool,
    /// Bytes a second that are re-read in the background and compared with their checksums; 0 turns that off
    #[arg(long, env = "DFS_SCRUB_BYTES_PER_SECOND", value_name = "SIZE", default_value = "10MiB", value_parser = size)]
    pub scrub_bytes_per_second: u64,
    /// Shortest time from the beginning of one pass over all files to that of the next
    #[arg(long, env = "DFS_SCRUB_EVERY", value_name = "TIME", default_value = "7days", value_parser = long_time)]
    pub scrub_every: Duration,
    /// How long an upload may bring nothing before it is given up
    #[arg(long, env = "DFS_UPLOAD_IDLE", value_name = "TIME", default_value = "60s", value_parser = time)]
    pub upload_idle: Duration,
    /// How long requests in flight may take to finish after SIGTERM
    #[arg(long, env = "DFS_DRAIN_TIMEOUT", value_name = "TIME", default_value = "300s", value_parser = time)]
    pub drain_timeout: Duration,
    /// Stage files under names even where the filesystem has unnamed ones
    #[arg(long, env = "DFS_NO_TMPFILE", hide = true)]
    pub no_tmpfile: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub inner: InnerArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub otlp: OtlpArgs,
}

/// What a node needs to run.
#[derive(Clone)]
pub struct Config {
    /// The volume's directory.
    pub data: PathBuf,
    /// The managers to join.
    pub managers: Vec<Uri>,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where others reach the node; the address listened on if unset.
    pub advertise: Option<String>,
    /// The node's id.
    pub id: NodeId,
    /// Its pool.
    pub pool: String,
    /// The ops port's address; none within another process.
    pub ops: Option<SocketAddr>,
    /// Bytes that uploads never use.
    pub reserve: u64,
    /// The most bytes that files may take.
    pub capacity: Option<u64>,
    /// Refuse a volume that is no mount.
    pub require_mount: bool,
    /// How fast and how often files are re-read.
    pub scrub: Pace,
    /// How long an upload may bring no bytes.
    pub upload_idle: Duration,
    /// How long requests may take to finish at the end.
    pub drain_timeout: Duration,
    /// Stage under names.
    pub no_tmpfile: bool,
    /// What opens the inner ports.
    pub inner: Inner,
    /// What makes the spans of its work.
    pub tracer: Tracer,
    /// Where the metrics go; a registry of its own if unset.
    pub registry: Option<Arc<Mutex<Registry>>>,
    /// Tombstones of one session, see [`crate::creates::MAX_TOMBSTONES`].
    pub max_tombstones: usize,
}

impl Config {
    /// A node on loopback with a port of the system's choice, as tests and
    /// `manager standalone` want it.
    pub fn local(data: PathBuf, id: NodeId, managers: Vec<Uri>) -> Self {
        Self {
            data,
            managers,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            id,
            pool: "default".to_owned(),
            ops: None,
            reserve: 64 << 20,
            capacity: None,
            require_mount: false,
            scrub: Pace {
                bytes_per_second: 10 << 20,
                every: Duration::from_secs(7 * 86_400),
            },
            upload_idle: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(300),
            no_tmpfile: false,
            inner: Inner::default(),
            tracer: Tracer::default(),
            registry: None,
            max_tombstones: crate::creates::MAX_TOMBSTONES,
        }
    }
}

impl ServeArgs {
    /// Checks the flags against one another.
    ///
    /// # Errors
    /// Names the flag.
    pub fn into_config(self) -> anyhow::Result<Config> {
        let inner = self.inner.load()?;
        inner.allows_listening("--listen", self.listen)?;
        let secure = |manager: &&Uri| manager.scheme_str() == Some("https");
        if let Some(manager) = self.manager.iter().find(secure)
            && !inner.is_secured()
        {
            anyhow::bail!("--manager {manager}: needs --certs");
        }
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            anyhow::bail!(
                "--advertise: is needed where --listen is {}",
                self.listen.ip()
            );
        }
        Ok(Config {
            data: self.data,
            managers: self.manager,
            listen: self.listen,
            advertise: self.advertise,
            id: self.id,
            pool: self.pool,
            ops: Some(self.ops),
            reserve: self.reserve,
            capacity: self.capacity,
            require_mount: self.require_mount,
            scrub: Pace {
                bytes_per_second: self.scrub_bytes_per_second,
                every: self.scrub_every,
            },
            upload_idle: self.upload_idle,
            drain_timeout: self.drain_timeout,
            no_tmpfile: self.no_tmpfile,
            inner,
            tracer: Tracer::default(),
            registry: None,
            max_tombstones: crate::creates::MAX_TOMBSTONES,
        })
    }
}

/// Parses a manager's address.
///
/// # Errors
/// When it is no `http://HOST:PORT` or `https://HOST:PORT`.
pub fn manager(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "must be http://HOST:PORT".to_owned())?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !scheme || uri.host().is_none() || !bare {
        return Err("must be http://HOST:PORT, or https:// with --certs".to_owned());
    }
    Ok(uri)
}

/// A host and a port. An IPv6 address may come without brackets, since that is how a
/// pod is given its own.
fn host_port(text: &str) -> Result<String, String> {
    let text = match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]:{port}"),
        _ => text.to_owned(),
    };
    let fits = text
        .parse::<tonic::codegen::http::uri::Authority>()
        .is_ok_and(|authority| {
            authority.port_u16().is_some_and(|port| port > 0) && !authority.host().is_empty()
        });
    if fits {
        Ok(text)
    } else {
        Err("must be HOST:PORT".to_owned())
    }
}

fn pool(text: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 128 letters, digits or any of . _ - /".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    #[test]
    fn what_asks_for_no_token_is_served_to_this_machine_alone_unless_told_otherwise() {
        let told = |more: &[&str]| {
            let must = [
                "node",
                "--data",
                "d",
                "--id",
                "n",
                "--manager",
                "http://m:9000",
            ];
            let cli = Cli::try_parse_from(must.iter().chain(more)).expect("flags");
            cli.serve.ops.to_string()
        };
        assert_eq!(told(&[]), "127.0.0.1:9101");
        assert_eq!(told(&["--ops", "[::]:9101"]), "[::]:9101");
    }

    #[test]
    fn a_manager_is_an_http_address_with_or_without_tls() {
        for good in [
            "http://m:9000",
            "https://m:9000",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000",
        ] {
            assert!(manager(good).is_ok(), "{good}");
        }
        for bad in [
            "m:9000",
            "https://m:9000/x",
            "http://m:9000/x",
            "http://",
            "https://",
            "",
        ] {
            assert!(manager(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_ipv6_is_advertised_with_brackets_however_it_is_given() {
        for (given, advertised) in [
            ("n:9100", Some("n:9100")),
            ("10.0.0.1:9100", Some("10.0.0.1:9100")),
            ("::1:9100", Some("[::1]:9100")),
            ("fd00:10:244::a:9100", Some("[fd00:10:244::a]:9100")),
            ("[fd00::a]:9100", Some("[fd00::a]:9100")),
            ("n", None),
            (":1", None),
            ("::1", None),
            ("fd00::a:0", None),
            ("fd00::a:99999", None),
        ] {
            let host = host_port(given);
            assert_eq!(host.ok().as_deref(), advertised, "{given}");
        }
    }
}
