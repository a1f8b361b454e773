//! The flags about callers.

use super::quotas::{NamespaceQuota, once};
use clap::Args;
use kit::units::time;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A way to let callers in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Anyone may do everything.
    Open,
    /// Those whom a file names.
    Tokens(PathBuf),
    /// Those whom the cluster's API server knows, with their rights there.
    Kubernetes,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::Open),
            None if text == "kubernetes" && cfg!(feature = "kubernetes") => Ok(Self::Kubernetes),
            None if text == "kubernetes" => Err("this program was built without it".to_owned()),
            Some(("tokens", file)) if !file.is_empty() => Ok(Self::Tokens(file.into())),
            _ => Err("none, tokens:FILE or kubernetes is wanted".to_owned()),
        }
    }
}

/// Whether changes and refusals are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Audit {
    /// Where callers are known.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Who may call the REST API.
#[derive(Debug, Clone, Args)]
pub struct AuthArgs {
    /// Who may call the REST API: none (anyone), tokens:FILE (callers that a file names), kubernetes (those the cluster knows, with their RBAC rights on files.fileserver.dev), or the last two, separated by a comma; it must be given where --http is no loopback address
    #[arg(long, env = "DFS_AUTH", value_name = "WAY", value_delimiter = ',')]
    pub auth: Vec<Way>,
    /// Audience that a caller's ServiceAccount token must be meant for (--auth kubernetes)
    #[arg(
        long,
        env = "DFS_AUTH_AUDIENCE",
        value_name = "NAME",
        default_value = "distributed-file-server"
    )]
    pub auth_audience: String,
    /// Namespace in which callers need their rights (--auth kubernetes); the manager's own where it is missing
    #[arg(long, env = "DFS_AUTH_NAMESPACE", value_name = "NAME")]
    pub auth_namespace: Option<String>,
    /// How long what the API server said about a caller is used (--auth kubernetes)
    #[arg(long, env = "DFS_AUTH_CACHE_TIME", value_name = "TIME", default_value = "60s",
          value_parser = time)]
    pub auth_cache_time: Duration,
    /// How much longer it is used while the API server does not answer; after that such callers get 503 (--auth kubernetes)
    #[arg(long, env = "DFS_AUTH_STALE_TIME", value_name = "TIME", default_value = "10m",
          value_parser = time)]
    pub auth_stale_time: Duration,
    /// Callers of which this is kept (--auth kubernetes)
    #[arg(long, env = "DFS_AUTH_CACHED_CALLERS", value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub auth_cached_callers: u32,
    /// Files and bytes that the ServiceAccounts of a namespace may have stored together, such as team-a=1000/10GiB, separated by commas; *=0/1TiB holds for each namespace that is not named; 0 is no bound (--auth kubernetes)
    #[arg(
        long,
        env = "DFS_NAMESPACE_QUOTAS",
        value_name = "NAMESPACE=FILES/BYTES",
        value_delimiter = ','
    )]
    pub namespace_quotas: Vec<NamespaceQuota>,
    /// File with the key that signs links, or with two that are accepted, the first to sign; it is read again when it changes; without it the store keeps a key
    #[arg(long, env = "DFS_LINK_KEY_FILE", value_name = "FILE")]
    pub link_key_file: Option<PathBuf>,
    /// What links begin with, such as https://files.example.com; without it, the host that the link was asked of
    #[arg(long, env = "DFS_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// Whether changes and refusals are logged, with target audit: on, off, or auto (where callers are known)
    #[arg(
        long,
        env = "DFS_AUDIT",
        value_name = "WHEN",
        default_value = "auto",
        value_enum
    )]
    pub audit: Audit,
}

impl AuthArgs {
    /// Whether anyone may call.
    ///
    /// # Errors
    /// Where ways contradict each other, or none is given for an address that other
    /// machines reach.
    pub(super) fn open(&self, http: &[(&str, SocketAddr)]) -> Result<bool, String> {
        let count = |wanted: fn(&Way) -> bool| self.auth.iter().filter(|way| wanted(way)).count();
        let open = count(|way| *way == Way::Open);
        let tokens = count(|way| matches!(way, Way::Tokens(_)));
        let kubernetes = count(|way| *way == Way::Kubernetes);
        if open > 0 && self.auth.len() > 1 {
            return Err("--auth: none lets anyone in, and stands alone".to_owned());
        }
        if tokens > 1 || kubernetes > 1 {
            return Err("--auth: each way is given once".to_owned());
        }
        once(&self.namespace_quotas).map_err(|why| format!("--namespace-quotas: {why}"))?;
        if kubernetes == 0 && !self.namespace_quotas.is_empty() {
            return Err(
                "--namespace-quotas: bounds callers whose namespace is known, by --auth kubernetes"
                    .to_owned(),
            );
        }
        match http.iter().find(|(_, address)| !address.ip().is_loopback()) {
            Some((flag, reached)) if self.auth.is_empty() => Err(format!(
                "--auth: other machines reach {flag} {reached}, so it must be given: none (anyone \
                 may do everything), tokens:FILE or kubernetes"
            )),
            _ => Ok(open > 0 || self.auth.is_empty()),
        }
    }

    /// The file of tokens.
    pub(super) fn tokens(&self) -> Option<&PathBuf> {
        self.auth.iter().find_map(|way| match way {
            Way::Tokens(file) => Some(file),
            Way::Open | Way::Kubernetes => None,
        })
    }
}

/// `http://HOST` or `https://HOST`, with a port and a path if need be.
fn public_url(text: &str) -> Result<String, String> {
    let wrong = || "must be http://HOST or https://HOST, without a query".to_owned();
    let uri: axum::http::Uri = text.parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https")) && !text.contains(['#', '@']);
    match known && uri.host().is_some() && uri.query().is_none() {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        auth: AuthArgs,
    }

    fn open(flags: &[&str], http: &str) -> Result<bool, String> {
        let flags = ["manager"].iter().chain(flags);
        let flags = Flags::try_parse_from(flags).map_err(|error| error.to_string())?;
        flags
            .auth
            .open(&[("--http", http.parse().expect("an address"))])
    }

    #[test]
    fn on_an_open_address_who_may_call_must_be_said() {
        let (here, everywhere) = ("127.0.0.1:8000", "0.0.0.0:8000");
        assert_eq!(open(&[], here), Ok(true));
        assert_eq!(open(&["--auth=none"], everywhere), Ok(true));
        assert_eq!(open(&["--auth=tokens:a"], everywhere), Ok(false));
        assert_eq!(open(&["--auth=tokens:a"], here), Ok(false));
        let refused = open(&[], everywhere).expect_err("open");
        assert!(
            refused.contains("--auth") && refused.contains(everywhere),
            "{refused}"
        );
        assert!(open(&[], "[::]:8000").is_err());
    }

    #[test]
    fn ways_that_contradict_each_other_are_refused() {
        let here = "127.0.0.1:8000";
        for flags in [
            &["--auth=none,tokens:a"][..],
            &["--auth=none", "--auth=none"],
            &["--auth=tokens:a,tokens:b"],
            &["--auth=everyone"],
            &["--auth=tokens"],
            &["--auth=tokens:"],
            &["--public-url=files.example"],
            &["--public-url=https://files.example?a"],
            &["--public-url=https://files.example/a#b"],
            &["--public-url=https://user@files.example"],
            &["--audit=maybe"],
            &["--auth-cached-callers=0"],
            &["--auth=tokens:a", "--namespace-quotas=*=1/1"],
            &["--namespace-quotas=*=1"],
        ] {
            assert!(open(flags, here).is_err(), "{flags:?}");
        }
    }

    #[cfg(feature = "kubernetes")]
    #[test]
    fn tokens_and_kubernetes_go_together() {
        assert_eq!(
            open(&["--auth=tokens:a,kubernetes"], "0.0.0.0:8000"),
            Ok(false)
        );
        assert_eq!(
            open(&["--auth=tokens:a", "--auth=kubernetes"], "0.0.0.0:1"),
            Ok(false)
        );
        assert!(open(&["--auth=kubernetes,kubernetes"], "0.0.0.0:1").is_err());
        let bounded = |quotas| open(&["--auth=kubernetes", quotas], "0.0.0.0:1");
        assert_eq!(bounded("--namespace-quotas=a=1/1,*=2/2"), Ok(false));
        assert!(bounded("--namespace-quotas=a=1/1,a=2/2").is_err());
    }
}
