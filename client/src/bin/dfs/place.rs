//! Where the service is, and who calls it.

use crate::cluster::{self, Door};
use crate::out::Out;
use crate::outcome::Usage;
use crate::places::{self, Named, URL, is_https};
use crate::release::{Account, Release, Wanted};
use crate::trace;
use crate::way::{self, Given, Way};
use anyhow::{Chain, Result, ensure};
use clap::Args;
use client::Client;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);
/// How often it is said that something is tried again.
const SAID_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The URL of the service [default: http://127.0.0.1:8000]
    #[arg(long, global = true, env = "DFS_URL")]
    url: Option<String>,
    /// A release of the chart in a Kubernetes cluster, in place of a URL: it is found through the kubeconfig, and connections are forwarded to it
    #[arg(
        long,
        global = true,
        env = "DFS_KUBE",
        value_name = "[NAMESPACE/]RELEASE"
    )]
    kube: Option<Release>,
    /// The context of the kubeconfig to use with --kube [default: the current one]
    #[arg(long, global = true, env = "DFS_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// The ServiceAccount to call as with --kube, where the service asks who calls: a token of it is requested
    #[arg(
        long,
        global = true,
        env = "DFS_SERVICE_ACCOUNT",
        value_name = "[NAMESPACE/]NAME"
    )]
    service_account: Option<Account>,
    /// A place of the config file, in place of a URL [default: the one that the file says]
    #[arg(long, global = true, env = "DFS_PLACE", value_name = "NAME")]
    place: Option<String>,
    /// The file with places [default: dfs/config.toml in the folder for settings, such as ~/.config]
    #[arg(long, global = true, env = "DFS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file with the token to call with, which is read again when it changes
    #[arg(
        long,
        global = true,
        env = "DFS_CLIENT_TOKEN_FILE",
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,
    /// The authorities to trust for https, in PEM [default: those of the system]
    #[arg(long, global = true, env = "DFS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate to show where the service asks for one, in PEM
    #[arg(
        long,
        global = true,
        env = "DFS_CERT",
        value_name = "FILE",
        requires = "key"
    )]
    cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(
        long,
        global = true,
        env = "DFS_KEY",
        value_name = "FILE",
        requires = "cert"
    )]
    key: Option<PathBuf>,
    /// For how long a call that may succeed later is tried again [default: 30s]
    #[arg(long, global = true, env = "DFS_DEADLINE", value_name = "TIME", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
}

/// How the program was called, beside the flags.
pub(crate) struct Called<'a> {
    /// Which flags were given; of the others some may come from variables.
    pub(crate) said: &'a dyn Fn(&str) -> bool,
    /// Whether it was called as a plugin of kubectl.
    pub(crate) plugin: bool,
    /// The namespace that kubectl's flag names.
    pub(crate) namespace: Option<String>,
}

/// A service that can be called while it is held.
pub(crate) struct Service {
    pub(crate) client: Client,
    /// What leads into a cluster.
    _door: Option<Door>,
}

/// Where a service is.
enum At {
    Url(String),
    Cluster {
        release: Release,
        context: Option<String>,
        account: Option<Account>,
    },
}

impl Place {
    /// The service that is meant.
    pub(crate) async fn reach(mut self, called: &Called<'_>, out: &Arc<Out>) -> Result<Service> {
        let way = self.way(called)?;
        let named = match way {
            Way::Place => places::named(self.config.as_deref(), self.place.as_deref())?,
            Way::Usual => places::named(self.config.as_deref(), None)?,
            Way::Url | Way::Kube | Way::Only => None,
        };
        // Variables beside the one of a URL are meant for the service there.
        let elsewhere = matches!(way, Way::Kube | Way::Only) && self.url.is_some();
        if named.is_some() || elsewhere {
            self.forget_variables(called.said);
        }
        let text = "--cert and --key belong together";
        ensure!(
            self.cert.is_some() == self.key.is_some(),
            Usage(text.to_owned())
        );
        let mut named = named.unwrap_or_default();
        if (called.said)("service_account") {
            let text = "--service-account: says whom to call as, and so does --token-file";
            ensure!(!(called.said)("token_file"), Usage(text.to_owned()));
            (self.token_file, named.token_file) = (None, None);
        }
        let at = self.at(way, called, &mut named)?;
        let of_tls = self.of_tls(way, called.said, &named);
        let deadline = self.deadline.or(named.deadline).unwrap_or(DEADLINE);
        let token_file = self.token_file.or(named.token_file);
        let ca = self.ca.or(named.ca);
        let (url, builder, door) = match at {
            At::Url(url) => {
                let builder = Client::builder(&url)?;
                (url, builder, None)
            }
            At::Cluster {
                release,
                context,
                account,
            } => {
                let wanted = Wanted {
                    release,
                    context,
                    account,
                    has_token: token_file.is_some(),
                    has_ca: ca.is_some(),
                    patience: deadline,
                };
                let reached = cluster::reach(wanted, out).await?;
                (reached.url, reached.builder, Some(reached.door))
            }
        };
        if let Some(given) = of_tls.filter(|_| !is_https(&url)) {
            let text = format!("{given}: is for https://, and the service is at {url}");
            return Err(Usage(text).into());
        }
        let mut builder = builder.deadline(deadline).on_retry(says(out));
        if let Some(path) = token_file {
            builder = builder.token_file(path);
        }
        if let Some(path) = ca {
            builder = builder.ca_file(path);
        }
        // Of a place there are both or neither.
        if let Some((cert, key)) = self.cert.zip(self.key).or(named.cert.zip(named.key)) {
            builder = builder.identity(cert, key);
        }
        Ok(Service {
            client: trace::named(builder)?.build()?,
            _door: door,
        })
    }

    fn way(&self, called: &Called<'_>) -> Result<Way, Usage> {
        way::way(&Given {
            said: called.said,
            has: &|way| match way {
                Way::Url => self.url.is_some(),
                Way::Kube => self.kube.is_some(),
                Way::Place => self.place.is_some(),
                Way::Usual | Way::Only => false,
            },
            plugin: called.plugin,
            namespace: called.namespace.is_some(),
        })
    }

    /// What was given that is used with TLS alone. A variable may be meant for another service
    /// than the one that a flag names.
    fn of_tls(&self, way: Way, said: &dyn Fn(&str) -> bool, named: &Named) -> Option<String> {
        let by_variable = match way {
            Way::Url => !said("url"),
            Way::Kube => !said("kube"),
            Way::Place | Way::Usual | Way::Only => false,
        };
        let counts = |flag: &str| by_variable || said(flag);
        let flags = [
            ("--ca", self.ca.is_some() && counts("ca")),
            ("--cert", self.cert.is_some() && counts("cert")),
            ("--key", self.key.is_some() && counts("key")),
        ];
        let of_place = named.of_tls();
        places::given(&[&flags[..], &of_place[..]].concat())
    }

    /// What is meant for one service, such as a token, is never shown to another one.
    fn forget_variables(&mut self, said: &dyn Fn(&str) -> bool) {
        let files = [
            ("token_file", &mut self.token_file),
            ("ca", &mut self.ca),
            ("cert", &mut self.cert),
            ("key", &mut self.key),
        ];
        for (_, file) in files.into_iter().filter(|(flag, _)| !said(flag)) {
            *file = None;
        }
        if !said("context") {
            self.context = None;
        }
        if !said("service_account") {
            self.service_account = None;
        }
    }

    fn at(&mut self, way: Way, called: &Called<'_>, named: &mut Named) -> Result<At> {
        let only = Release {
            namespace: None,
            name: None,
        };
        let release = match way {
            Way::Url => None,
            Way::Kube => self.kube.take(),
            Way::Only => Some(only),
            Way::Place | Way::Usual => named.kube.take(),
        };
        let Some(mut release) = release else {
            for flag in ["context", "service_account"] {
                let text = format!("--{}: needs --kube", flag.replace('_', "-"));
                ensure!(!(called.said)(flag), Usage(text));
            }
            let url = match way {
                Way::Url => self.url.take(),
                _ => named.url.take(),
            };
            return Ok(At::Url(url.unwrap_or_else(|| URL.to_owned())));
        };
        if let Some(namespace) = &called.namespace {
            let text = "--namespace: names a namespace, and so does --kube";
            let other = release.namespace.replace(namespace.clone());
            ensure!(
                other.is_none_or(|other| other == *namespace),
                Usage(text.to_owned())
            );
        }
        Ok(At::Cluster {
            release,
            context: self.context.take().or(named.context.take()),
            account: self.service_account.take().or(named.service_account.take()),
        })
    }
}

/// Says that something is tried again, and not too often.
fn says(out: &Arc<Out>) -> impl Fn(&client::Error, Duration) + use<> {
    let (out, last) = (out.clone(), Mutex::new(None::<Instant>));
    move |error, _| {
        let mut last = last.lock();
        if last.is_none_or(|last| last.elapsed() >= SAID_AGAIN) {
            *last = Some(Instant::now());
            out.note(&format!("dfs: {}; trying again", whole(error)));
        }
    }
}

/// An error with its causes.
fn whole(error: &client::Error) -> String {
    let causes: Vec<String> = Chain::new(error).map(ToString::to_string).collect();
    causes.join(": ")
}
