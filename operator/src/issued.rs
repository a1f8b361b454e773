//! Certificates of the inner ports that cert-manager issues: what is asked of it for a
//! pool, whether it has done so, and the operator's own, which it writes into a Secret.

use crate::adopt::Owner;
use crate::apply::{Applier, ApplyError, Change, Prepared};
use crate::differs::lacks;
use crate::names::{FIELD_MANAGER, MANAGED_BY, component, selects};
use crate::own::Own;
use crate::release::{IssuedTerms, Release};
use crate::requested::Certificate;
use crate::trouble::Uncertified;
use anyhow::{Context as _, Result, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kit::tls::{FILES, Texts};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;

/// The Certificates of a namespace's pools, as they were a moment ago.
pub(crate) type Found = Arc<Vec<Certificate>>;

/// Who makes the operator's own certificate, and how that goes.
pub(crate) struct Issued {
    terms: IssuedTerms,
    own: Own,
    failing: Gauge,
}

impl Issued {
    /// Nothing is read yet.
    pub(crate) fn new(terms: IssuedTerms, failing: Gauge) -> Self {
        Self {
            terms,
            own: Own::default(),
            failing,
        }
    }

    /// The operator's own certificate.
    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// Reads the operator's own certificate again and again. Never ends.
    pub(crate) async fn keep(&self, client: &Client, release: &Release) {
        let what = "the operator's inner certificate can't be used";
        let turn = async || self.read(client, release).await;
        self.own.keep(what, &self.failing, turn).await;
    }

    async fn read(&self, client: &Client, release: &Release) -> Result<()> {
        let (namespace, name) = (&release.namespace, &self.terms.operator_secret);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let what = || format!("Secret {namespace}/{name}");
        let Some(found) = secrets.get_opt(name).await.with_context(what)? else {
            bail!(
                "{} is not there yet; cert-manager makes it: kubectl -n {namespace} describe \
                 certificates",
                what()
            );
        };
        self.own.take(&texts(&found).with_context(what)?)?;
        Ok(())
    }
}

/// The files that a Secret of cert-manager's has; pure.
fn texts(secret: &Secret) -> Result<Texts> {
    let mut texts = Texts::default();
    for (text, name) in texts.iter_mut().zip(FILES) {
        let data = secret.data.as_ref();
        let found = data.and_then(|data| data.get(name));
        let Some(ByteString(bytes)) = found.filter(|found| !found.0.is_empty()) else {
            // An issuer that does not say who signs leaves it out.
            bail!("it has no {name}");
        };
        *text = String::from_utf8(bytes.clone()).with_context(|| format!("{name}: is no text"))?;
    }
    Ok(texts)
}

/// Whether a namespace's Certificates have one as it is wanted, which is issued; pure.
pub(crate) fn is_in(found: &[Certificate], wanted: &Certificate) -> Result<bool> {
    let name = wanted.name_any();
    let Some(there) = found.iter().find(|there| there.name_any() == name) else {
        return Ok(false);
    };
    let json = serde_json::to_value;
    Ok(there.not_ready().is_none() && !lacks(&json(there)?, &json(wanted)?))
}

/// Asks cert-manager for the certificate of a pool's nodes, and returns all Certificates of
/// its namespace once that one is issued.
///
/// # Errors
/// `Uncertified` where the cluster has no cert-manager, or it has not issued the
/// certificate. `NameConflict` where somebody else's Certificate has the name.
pub(crate) async fn ask(
    client: &Client,
    applier: &Applier,
    release: &Release,
    wanted: Certificate,
    owner: Owner<'_>,
) -> Result<(Change, Found), ApplyError> {
    let namespace = wanted.namespace().unwrap_or_default();
    let name = wanted.name_any();
    let what = format!("Certificate {namespace}/{name}");
    let applied = applier.apply(Prepared::new(wanted), Some(owner), None);
    let applied = applied.await.map_err(unknown)?;
    let mut labels = component(release, "node");
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    let ours = ListParams::default().labels(&selects(&labels));
    let there: Api<Certificate> = Api::namespaced(client.clone(), &namespace);
    let there = there.list(&ours).await;
    let there = there.map_err(|source| unknown(ApplyError::of(&what, source)))?;
    let found = there.items.iter().find(|there| there.name_any() == name);
    let Some(found) = found else {
        return Err(ApplyError::Raced(what));
    };
    match found.not_ready() {
        Some(why) => Err(ApplyError::Uncertified(Uncertified::NotReady {
            namespace,
            name,
            why,
        })),
        None => Ok((applied.change().clone(), Arc::new(there.items))),
    }
}

/// The API server answers 404 where it does not know the kind: the namespace is there,
/// since the pool is.
fn unknown(error: ApplyError) -> ApplyError {
    match error {
        ApplyError::Api {
            what,
            source: kube::Error::Api(status),
        } if status.code == 404 => ApplyError::Uncertified(Uncertified::NoCertManager {
            what,
            says: status.message.trim().to_owned(),
        }),
        error => error,
    }
}

#[cfg(test)]
mod tests;
