//! The flags of `operator run`. In a pod the chart sets them by their variables.

mod certificates;

use crate::egress::{self, EgressRules};
use crate::release::{self, Release, TokenSource};
use certificates::CertificateArgs;
use clap::Args;
use k8s_openapi::api::core::v1::ResourceRequirements;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Which release a command is about.
#[derive(Debug, Args)]
pub(crate) struct OfRelease {
    /// Namespace of the release, whose pools are served
    #[arg(long, env = "DFS_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) namespace: String,
    /// Further namespaces whose pools are served (repeat the flag or separate by commas)
    #[arg(
        long,
        env = "DFS_WATCH_NAMESPACES",
        value_name = "NAMESPACES",
        value_delimiter = ','
    )]
    pub(crate) watch_namespaces: Vec<String>,
    /// Name of the release
    #[arg(long, env = "DFS_RELEASE", value_name = "NAME")]
    pub(crate) release: String,
}

impl OfRelease {
    /// Its namespace and the watched ones, each once.
    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        let watched = self.watch_namespaces.iter().filter(|n| !n.is_empty());
        let own = std::iter::once(&self.namespace);
        own.chain(watched).cloned().collect()
    }

    /// The owner that its objects name.
    pub(crate) fn owner(&self) -> String {
        release::owner(&self.namespace, &self.release)
    }
}

/// The flags of `operator run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which release it is part of
    #[command(flatten)]
    pub(crate) of: OfRelease,
    /// Name of the chart, by which pods of the release are selected
    #[arg(
        long,
        env = "DFS_NAME",
        value_name = "NAME",
        default_value = "distributed-file-server"
    )]
    pub(crate) name: String,
    /// Where nodes and operator find the managers, as http://HOST:PORT
    #[arg(long, env = "DFS_MANAGER", value_name = "URL")]
    pub(crate) manager: String,
    /// Image of nodes whose pool names none
    #[arg(long, env = "DFS_NODE_IMAGE", value_name = "IMAGE")]
    node_image: String,
    /// When that image is pulled: Always, IfNotPresent or Never; the cluster decides if unset
    #[arg(long, env = "DFS_NODE_PULL_POLICY", value_name = "POLICY", value_parser = ["", "Always", "IfNotPresent", "Never"])]
    node_pull_policy: Option<String>,
    /// Secrets to pull that image with (repeat the flag or separate by commas)
    #[arg(
        long,
        env = "DFS_NODE_PULL_SECRETS",
        value_name = "SECRETS",
        value_delimiter = ','
    )]
    node_pull_secrets: Vec<String>,
    /// What nodes ask of their machines whose pool says nothing of it, as JSON
    #[arg(long, env = "DFS_NODE_RESOURCES", value_name = "JSON", value_parser = resources)]
    node_resources: Option<ResourceRequirements>,
    /// Let nodes reach DNS, the managers and one another alone: true or false
    #[arg(long, env = "DFS_NODE_EGRESS", value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    node_egress: bool,
    /// What they may reach beside that, as JSON: egress rules of a NetworkPolicy
    #[arg(long, env = "DFS_NODE_EGRESS_EXTRA", value_name = "JSON", value_parser = egress::rules)]
    node_egress_extra: Option<EgressRules>,
    /// Secret with the token of the inner ports, in the release's namespace
    #[arg(long, env = "DFS_TOKEN_SECRET", value_name = "SECRET")]
    token_secret: String,
    /// Key in that Secret
    #[arg(
        long,
        env = "DFS_TOKEN_KEY",
        value_name = "KEY",
        default_value = "token"
    )]
    token_key: String,
    /// Make that Secret where it is absent: true or false
    #[arg(long, env = "DFS_MAKE_TOKEN", value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    make_token: bool,
    /// Secret with the keys of pools, in the release's namespace; elsewhere the namespace and a dot stand before it
    #[arg(long, env = "DFS_KEYS_SECRET", value_name = "SECRET")]
    keys_secret: String,
    /// The certificates of the inner ports
    #[command(flatten)]
    certificates: CertificateArgs,
    /// Lease by which one of several operators leads
    #[arg(long, env = "DFS_LEASE", value_name = "LEASE")]
    pub(crate) lease: String,
    /// This operator's name among them; the pod's in a cluster
    #[arg(long, env = "DFS_IDENTITY", value_name = "NAME")]
    pub(crate) identity: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "DFS_OPS",
        value_name = "ADDR:PORT",
        default_value = "[::]:8080"
    )]
    pub(crate) ops: SocketAddr,
}

fn resources(text: &str) -> Result<ResourceRequirements, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("must be JSON with requests and limits: {error}"))
}

impl RunArgs {
    /// Checks the flags against one another.
    ///
    /// # Errors
    /// Names the flag and its limit.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.certificates.check()
    }

    /// What is the same for every pool.
    pub(crate) fn release(&self) -> Release {
        let full = |text: &&String| !text.is_empty();
        Release {
            namespace: self.of.namespace.clone(),
            name: self.of.release.clone(),
            chart: self.name.clone(),
            namespaces: self.of.namespaces().into_iter().collect(),
            manager: self.manager.clone(),
            node_image: self.node_image.clone(),
            pull_policy: self.node_pull_policy.iter().find(full).cloned(),
            pull_secrets: self
                .node_pull_secrets
                .iter()
                .filter(full)
                .cloned()
                .collect(),
            node_resources: self
                .node_resources
                .clone()
                .filter(|own| *own != ResourceRequirements::default()),
            node_egress: self
                .node_egress
                .then(|| self.node_egress_extra.clone().unwrap_or_default()),
            token: TokenSource {
                secret: self.token_secret.clone(),
                key: self.token_key.clone(),
                make: self.make_token,
            },
            keys: self.keys_secret.clone(),
            certificates: self.certificates.source(),
            plain_nodes: self.certificates.plain_nodes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parsed(more: &[&str]) -> Result<RunArgs, String> {
        let needed = [
            "operator",
            "--namespace=dfs",
            "--release=files",
            "--manager=http://managers:9000",
            "--node-image=node:1",
            "--token-secret=token",
            "--keys-secret=keys",
            "--lease=lease",
            "--identity=me",
        ];
        let cli = Cli::try_parse_from(needed.iter().chain(more));
        cli.map(|cli| cli.run).map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_the_inner_ports_have_no_certificates() {
        let args = parsed(&[]).expect("parsed");
        args.check().expect("the times fit each other");
        assert!(args.release().certificates.is_none());
    }

    #[test]
    fn what_nodes_reach_is_limited_unless_a_flag_says_otherwise() {
        let rules = |further: &[&str]| parsed(further).map(|args| args.release().node_egress);
        assert_eq!(rules(&[]), Ok(Some(EgressRules::default())));
        assert_eq!(rules(&["--node-egress=false"]), Ok(None));
        let extra = r#"--node-egress-extra=[{"to":[]}]"#;
        let added = rules(&[extra]).expect("rules").expect("limited");
        assert_eq!(added.0.len(), 1);
        assert_eq!(rules(&[extra, "--node-egress=false"]), Ok(None));
        for (flag, wrong) in [
            ("--node-egress-extra", "--node-egress-extra=[{\"port\":[]}]"),
            ("--node-egress", "--node-egress=perhaps"),
        ] {
            let told = parsed(&[wrong]).expect_err(wrong);
            assert!(told.contains(flag), "{told}");
        }
    }
}
