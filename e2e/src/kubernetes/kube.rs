//! kubectl, helm and the cluster's own script.

use crate::library::calling_once;
use crate::tools::{Told, feed};
use crate::wire;
use anyhow::{Context, Result, bail};
use client::Client;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// A cluster that `KUBECONFIG` names.
#[derive(Debug, Clone)]
pub struct Kube {
    reach: Reach,
}

/// How its pods are reached.
#[derive(Debug, Clone)]
pub enum Reach {
    /// This process is in its network, and `e2e/cluster`, whose path this is, made it.
    Own(PathBuf),
    /// `kubectl proxy` listens here. Nothing is known of its machines.
    Proxy(SocketAddr),
}

impl Kube {
    /// The cluster that the environment names.
    ///
    /// # Errors
    /// Where it names none.
    pub fn new(reach: Reach) -> Result<Self> {
        std::env::var_os("KUBECONFIG").context("KUBECONFIG is not set")?;
        Ok(Self { reach })
    }

    /// Whether its machines are this one, so that their disks and processes can be
    /// examined.
    pub fn is_own(&self) -> bool {
        matches!(self.reach, Reach::Own(_))
    }

    /// A client of a REST API, by the Service that leads to it.
    ///
    /// # Errors
    /// Where there is no such Service.
    pub fn client(&self, namespace: &str, service: &str, port: u16) -> Result<Client> {
        let (address, path) = self.reached_at(namespace, service, port)?;
        Ok(calling_once(&format!("http://{address}{path}"))?.build()?)
    }

    /// What sends requests to a REST API as they are written.
    ///
    /// # Errors
    /// Where there is no such Service.
    pub fn wire(&self, namespace: &str, service: &str, port: u16) -> Result<wire::Client> {
        let (address, path) = self.reached_at(namespace, service, port)?;
        Ok(wire::Client::below(address, &path))
    }

    /// The address through which a Service is reached, and the path below which it is there.
    fn reached_at(
        &self,
        namespace: &str,
        service: &str,
        port: u16,
    ) -> Result<(SocketAddr, String)> {
        let found = self.get(namespace, "service", service)?;
        if let Reach::Proxy(proxy) = self.reach {
            let path = format!("/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy");
            return Ok((proxy, path));
        }
        let ip = found["spec"]["clusterIP"].as_str();
        let ip = ip.context("a cluster IP")?.parse()?;
        Ok((SocketAddr::new(ip, port), String::new()))
    }

    /// Runs a program with `input` on its stdin.
    ///
    /// # Errors
    /// Where it can't be run.
    pub fn run(program: &str, args: &[&str], input: &str) -> Result<Told> {
        let mut command = Command::new(program);
        command.args(args);
        feed(command, input)
    }

    /// kubectl, whatever it answers.
    ///
    /// # Errors
    /// Where it can't be run.
    pub fn try_kubectl(&self, args: &[&str], input: &str) -> Result<Told> {
        Self::run("kubectl", args, input)
    }

    /// kubectl, which has to succeed.
    ///
    /// # Errors
    /// With what it said where it did not.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.try_kubectl(args, "")?
            .expect(&format!("kubectl {}", args.join(" ")))
    }

    /// Applies a manifest.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn apply(&self, manifest: &Value) -> Result<()> {
        let told = self.try_kubectl(&["apply", "-f", "-"], &manifest.to_string())?;
        told.expect("kubectl apply").map(drop)
    }

    /// An object as JSON.
    ///
    /// # Errors
    /// Where there is none.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value> {
        let text = self.kubectl(&["-n", namespace, "get", kind, name, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The objects of a kind, by a selector or all.
    ///
    /// # Errors
    /// Where they can't be listed.
    pub fn list(&self, namespace: &str, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let text = self.kubectl(&["-n", namespace, "get", kind, "-l", selector, "-o", "json"])?;
        let mut list: Value = serde_json::from_str(&text)?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("no list of {kind}"),
        }
    }

    /// helm, which has to succeed.
    ///
    /// # Errors
    /// With what it said where it did not.
    pub fn helm(&self, args: &[&str], input: &str) -> Result<String> {
        Self::run("helm", args, input)?.expect(&format!("helm {}", args.join(" ")))
    }

    /// A verb of `e2e/cluster`, which has to succeed.
    ///
    /// # Errors
    /// With what it said where it did not.
    pub fn cluster(&self, args: &[&str]) -> Result<String> {
        let Reach::Own(script) = &self.reach else {
            bail!("e2e/cluster {}: the cluster is another's", args.join(" "));
        };
        let program = script.to_string_lossy();
        Self::run(&program, args, "")?.expect(&format!("e2e/cluster {}", args.join(" ")))
    }
}
