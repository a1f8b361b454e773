//! The service that the browser looks at, and what can be done to it.

use crate::callers::Closed;
use crate::cluster::{Cluster, Options, SOON};
use crate::older_store::with_an_older_store;
use crate::tree;
use anyhow::{Context, Result};
use client::Status;
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// What the script wants done.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Order {
    /// Another service, in place of the one there is.
    Start {
        nodes: usize,
        #[serde(default)]
        manager_args: Vec<String>,
        #[serde(default)]
        node_args: Vec<String>,
        /// Whether callers have to be known.
        #[serde(default)]
        closed: bool,
    },
    /// The same, with ten copies in quarantine.
    StartSetBack,
    /// A token for a caller of a closed service.
    Token {
        rights: String,
        prefix: Option<String>,
    },
    AddNode,
    KillNode {
        at: usize,
    },
    StartNode {
        at: usize,
    },
    KillManager,
    StartManager,
    Drain {
        node: String,
    },
    /// Small files, many at once.
    Store {
        prefix: String,
        files: u64,
        bytes: usize,
    },
    /// One file.
    Put {
        name: String,
        text: String,
    },
    /// Flips a bit of a file on its node's disk.
    Damage {
        name: String,
    },
    /// Removes a file from its node's disk.
    Lose {
        name: String,
    },
    /// Runs a command of the manager.
    Ask {
        args: Vec<String>,
    },
    /// The description of the API.
    Describe,
}

/// Uploads at once.
const CLIENTS: usize = 64;

/// The service there is.
#[derive(Default)]
pub(super) struct Stage {
    cluster: Option<Cluster>,
    /// A closed service has its cluster here.
    closed: Option<Closed>,
}

impl Stage {
    fn cluster(&mut self) -> Result<&mut Cluster> {
        let closed = self.closed.as_mut().map(|closed| &mut closed.cluster);
        closed
            .or(self.cluster.as_mut())
            .context("no service was started")
    }

    /// Does one thing to the end.
    ///
    /// # Errors
    /// Why it could not be done.
    pub(super) async fn perform(&mut self, order: Order) -> Result<Value> {
        match order {
            Order::Start {
                nodes,
                manager_args,
                node_args,
                closed,
            } => {
                let options = Options {
                    nodes,
                    manager_args,
                    node_args,
                    ..Options::default()
                };
                self.start(options, closed).await?;
            }
            Order::StartSetBack => {
                (self.cluster, self.closed) = (None, None);
                self.cluster = Some(with_an_older_store().await?);
            }
            Order::Token { rights, prefix } => return self.token(&rights, prefix).await,
            Order::AddNode => {
                self.cluster()?.add_node().await?;
            }
            Order::KillNode { at } => self.cluster()?.kill_node(at).await?,
            Order::StartNode { at } => self.cluster()?.start_node(at).await?,
            Order::KillManager => self.cluster()?.kill_manager().await?,
            Order::StartManager => self.cluster()?.start_manager().await?,
            Order::Drain { node } => {
                self.cluster()?.ask(&["drain", "--node", &node]).await?;
            }
            Order::Store {
                prefix,
                files,
                bytes,
            } => self.store(&prefix, files, bytes).await?,
            Order::Put { name, text } => {
                let client = self.cluster()?.client()?;
                client.put(&name, text).await?;
            }
            Order::Damage { name } => tree::flip(&self.path_of(&name)?)?,
            Order::Lose { name } => std::fs::remove_file(self.path_of(&name)?)?,
            Order::Ask { args } => {
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                let (_, said) = self.cluster()?.ask(&args).await?;
                return Ok(said.into());
            }
            Order::Describe => {
                let cluster = Cluster::start(0).await?;
                let answer = cluster.wire().call(Method::GET, "/openapi.json").await?;
                return answer.expect(200)?.json();
            }
        }
        let url = self.cluster()?.client()?.url();
        Ok(json!({ "url": url }))
    }

    async fn start(&mut self, options: Options, closed: bool) -> Result<()> {
        (self.cluster, self.closed) = (None, None);
        if closed {
            let mut closed = Closed::prepare(options, &[]).await?;
            closed.run().await?;
            self.closed = Some(closed);
        } else {
            self.cluster = Some(Cluster::start_with(options).await?);
        }
        Ok(())
    }

    async fn token(&mut self, rights: &str, prefix: Option<String>) -> Result<Value> {
        let closed = self.closed.as_mut().context("the service is open")?;
        let mut flags = vec![format!("--name=c{}", closed.lines.len())];
        flags.push(format!("--rights={rights}"));
        flags.extend(prefix.map(|prefix| format!("--prefix={prefix}")));
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let (client, token) = closed.add(&flags).await?;
        crate::callers::known(&[client]).await?;
        Ok(json!({ "token": token }))
    }

    async fn store(&mut self, prefix: &str, files: u64, bytes: usize) -> Result<()> {
        let client = self.cluster()?.client()?;
        let put = |number: u64| {
            let (client, name) = (client.clone(), format!("{prefix}{number:06}.txt"));
            async move {
                let text = format!("{number:>bytes$}");
                client.put(&name, text).await.map(drop)
            }
        };
        stream::iter((0..files).map(put))
            .buffer_unordered(CLIENTS)
            .try_collect::<()>()
            .await?;
        // So that each node holds what a situation says of it.
        let cluster = self.cluster()?;
        cluster
            .wait_status("balance", SOON, Status::is_balanced)
            .await?;
        Ok(())
    }

    /// Where a file lies.
    fn path_of(&mut self, name: &str) -> Result<std::path::PathBuf> {
        let trees = self.cluster()?.trees()?;
        let mut found = trees.iter().filter_map(|tree| tree.files.get(name));
        found
            .next()
            .cloned()
            .with_context(|| format!("{name} is on no disk"))
    }
}
