//! The token of the inner ports: made once where the release has none, and never
//! overwritten.

use crate::names::{FIELD_MANAGER, MANAGED_BY, component, unowned, unpruned};
use crate::release::Release;
use anyhow::{Context, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use rand::RngExt;
use rand::distr::Alphanumeric;

/// Characters of a token that is made here: 238 bits.
const LENGTH: usize = 40;

/// The release's token, or the two that are accepted, each on a line; made where it is
/// absent, if that is permitted.
///
/// # Errors
/// Where it is absent and somebody else's to make, or can't be read.
pub(crate) async fn token(client: &Client, release: &Release) -> anyhow::Result<String> {
    let source = &release.token;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &release.namespace);
    let what = format!("Secret {}/{}", release.namespace, source.secret);
    let found = secrets.get_opt(&source.secret).await;
    let found = match found.with_context(|| what.clone())? {
        Some(found) => found,
        None if source.make => make(&secrets, release)
            .await
            .with_context(|| what.clone())?,
        None => bail!("{what} is missing; make it, with the key {}", source.key),
    };
    let data = found.data.unwrap_or_default();
    let Some(ByteString(token)) = data.get(&source.key) else {
        bail!("{what} has no key {}", source.key);
    };
    let token = String::from_utf8(token.clone()).with_context(|| what.clone())?;
    // Checked as managers and nodes do: no key is made of what they would refuse.
    let lines = kit::token::parse(&token, "the token")
        .with_context(|| format!("{what}, key {}", source.key))?;
    Ok(lines.join("\n"))
}

async fn make(secrets: &Api<Secret>, release: &Release) -> kube::Result<Secret> {
    let token: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(LENGTH)
        .map(char::from)
        .collect();
    let mut secret = Secret::default();
    secret.metadata.name = Some(release.token.secret.clone());
    let mut labels = unowned(component(release, "token"));
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(unpruned());
    secret.string_data = Some([(release.token.key.clone(), token)].into());
    match secrets.create(&PostParams::default(), &secret).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            // Another replica was quicker.
            secrets.get(&release.token.secret).await
        }
        made => {
            tracing::info!(
                secret = release.token.secret,
                "the inner ports' token was made"
            );
            made
        }
    }
}
