//! Reaches a service in a Kubernetes cluster from outside of it: finds it through the
//! kubeconfig, forwards connections to its managers, and takes a token.

mod caller;
mod find;
mod forward;
mod own;
mod patience;
mod token;
mod words;

#[cfg(test)]
mod tests;

use crate::out::Out;
use crate::outcome::NotReached;
use crate::release::{Account, Release, Wanted};
use anyhow::Result;
use caller::{Asks, Caller};
use client::Builder;
use find::Found;
pub(crate) use forward::Door;
use forward::Pods;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::ListParams;
use kube::config::{AuthInfo, KubeConfigOptions};
use kube::{Api, Client, Config};
use patience::asked;
use std::path::PathBuf;
use std::sync::Arc;
use token::Tokens;
use words::Doing;

/// A service that is reached while it is held.
pub(crate) struct Reached {
    pub(crate) url: String,
    /// Makes a client of it.
    pub(crate) builder: Builder,
    pub(crate) door: Door,
}

/// Finds the service, and forwards connections to it from now on.
pub(crate) async fn reach(wanted: Wanted, out: &Arc<Out>) -> Result<Reached> {
    // Kube takes what the program has chosen; whoever chose before has chosen well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = KubeConfigOptions {
        context: wanted.context.clone(),
        ..Default::default()
    };
    let config = Config::from_kubeconfig(&options).await;
    let config = config.map_err(|error| words::kubeconfig(&error))?;
    let (user, usual) = (config.auth_info.clone(), config.default_namespace.clone());
    let namespace = wanted.release.namespace.clone().unwrap_or(usual);
    let client = Client::try_from(config).map_err(|error| NotReached(error.to_string()))?;
    let found = service(&client, &namespace, &wanted.release).await?;
    let url = found.url.clone();
    let mut builder = client::Client::builder(&url)?;
    if let (false, Some((secret, key))) = (wanted.has_ca, &found.ca) {
        builder = builder.ca_pem(authority(&client, &namespace, secret, key).await?);
    }
    let pods = Pods::new(client.clone(), &namespace, found);
    let manager = pods.wait(wanted.patience).await?;
    if !wanted.has_token {
        // All of a release ask for the same.
        let asks = caller::asks(&manager);
        builder = called(builder, client, &namespace, (asks, wanted.account, &user)).await?;
    }
    // What is not allowed is known before anything is tried again.
    pods.connect().await?.0.abort();
    let door = forward::open(pods, out)?;
    let builder = builder.unix_socket(&door.path);
    Ok(Reached { url, builder, door })
}

async fn service(client: &Client, namespace: &str, release: &Release) -> Result<Found> {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let managers = ListParams::default().labels(find::MANAGERS);
    let listed = asked(services.list(&managers), Doing::ListServices, namespace).await?;
    Ok(find::service(&listed.items, namespace, release)?)
}

async fn authority(client: &Client, namespace: &str, secret: &str, key: &str) -> Result<Vec<u8>> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let read = asked(secrets.get(secret), Doing::ReadSecret(secret), namespace).await?;
    let pem = read.data.and_then(|mut data| data.remove(key));
    let pem = pem.ok_or_else(|| {
        let text = format!("Secret {namespace}/{secret} has no {key}: give it with --ca");
        NotReached(text)
    })?;
    Ok(pem.0)
}

/// The client as whoever is to call.
async fn called(
    builder: Builder,
    client: Client,
    namespace: &str,
    (asks, account, user): (Asks, Option<Account>, &AuthInfo),
) -> Result<Builder> {
    let own = own::token(user);
    let (account, audience) = match caller::caller(asks, account, own.as_deref())? {
        Caller::Nobody => return Ok(builder),
        Caller::User { audience } => return Ok(as_user(builder, user, own, audience)?),
        Caller::Account { account, audience } => (account, audience),
    };
    let of = account.namespace.as_deref().unwrap_or(namespace);
    let tokens = Tokens::new(client, of, &account.name, &audience);
    tokens.token(None).await?;
    Ok(builder.token_source(move |refused| tokens.clone().read(refused)))
}

/// The client with the token of the kubeconfig's user.
fn as_user(
    builder: Builder,
    user: &AuthInfo,
    own: Option<String>,
    audience: String,
) -> Result<Builder, client::Error> {
    match (&user.token, &user.token_file, own) {
        (None, Some(file), _) => {
            let file = PathBuf::from(file);
            let read = move |_| own::read(file.clone(), audience.clone());
            Ok(builder.token_source(read))
        }
        (_, _, Some(token)) => builder.token(&token),
        (_, _, None) => Ok(builder),
    }
}
