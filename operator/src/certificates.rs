//! The certificates of the inner ports, where the operator makes them: the release's
//! authorities lie in a Secret that it alone reads, the managers have one with their
//! certificate, and nodes find theirs beside the keys of their pools. All are renewed at
//! two thirds of their life, and an authority is trusted everywhere before it signs.

mod secret;

use crate::kept::{Entries, Kept};
use crate::names::PoolName;
use crate::own::Own;
use crate::release::{CertificateTerms, Release};
use anyhow::{Context as _, Result};
use authority::{Certificate, Chain, Pair};
use k8s_openapi::ByteString;
use kit::tls::FILES;
use kube::Client;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use proto::identity::{Identity, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What the Secrets of the release itself are for.
const COMPONENT: &str = "certificates";
/// The entry with the authorities that are trusted.
const TRUST: &str = FILES[2];

/// The certificates of a release.
pub(crate) struct Certificates {
    terms: CertificateTerms,
    /// The release, as identities name it.
    release: String,
    /// As it was kept last; nothing before that.
    chain: Mutex<Option<Arc<Chain>>>,
    /// The operator's own, and what it was made of.
    own: Own,
    entries: Mutex<Entries>,
    /// What trust all Secrets have, and since when.
    given: Mutex<Option<(String, Instant)>>,
    failing: Gauge,
}

/// The pools that there are in a namespace, where that is known.
pub(crate) type Pools<'a> = &'a (dyn Fn(&str) -> Option<BTreeSet<String>> + Sync);

/// Under which names a Secret has a certificate and its key.
struct Names {
    cert: String,
    key: String,
}

impl Names {
    /// Those of the files, where there is one certificate.
    fn of_files() -> Self {
        Self {
            cert: FILES[0].to_owned(),
            key: FILES[1].to_owned(),
        }
    }

    fn of_pool(pool: &PoolName) -> Self {
        Self {
            cert: pool.certificate(),
            key: pool.private_key(),
        }
    }
}

impl Certificates {
    /// Those of a release, none of which is made yet.
    pub(crate) fn new(release: &Release, terms: CertificateTerms, failing: Gauge) -> Self {
        Self {
            terms,
            release: release.in_identities(),
            chain: Mutex::default(),
            own: Own::default(),
            entries: Mutex::default(),
            given: Mutex::default(),
            failing,
        }
    }

    /// Renews what has to be renewed, for as long as the operator leads.
    pub(crate) async fn keep(&self, client: &Client, release: &Release, pools: Pools<'_>) {
        let what = "the inner certificates are not renewed";
        let turn = async || self.turn(client, release, pools, SystemTime::now()).await;
        self.own.keep(what, &self.failing, turn).await;
    }

    /// The operator's own, once they are made.
    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    async fn turn(
        &self,
        client: &Client,
        release: &Release,
        pools: Pools<'_>,
        now: SystemTime,
    ) -> Result<()> {
        let authorities = Kept::new(client, release, &self.terms.authority_secret, COMPONENT);
        let found = secret::read(&authorities).await?;
        let empty = Entries::new();
        let entries = secret::entries(found.as_ref()).unwrap_or(&empty);
        let mut chain = match &found {
            Some(_) => {
                Chain::from_entries(&secret::texts(entries)?).with_context(|| authorities.what())?
            }
            None => self.lost_or_first(now)?,
        };
        let advanced = self.may_advance(&chain, now) && chain.advance(&self.terms.terms, now)?;
        if advanced || found.is_none() {
            // Only what is kept may be trusted by anybody.
            let kept = secret::bytes(chain.entries());
            let gone = entries.keys().filter(|name| !kept.contains_key(*name));
            let gone: Vec<String> = gone.cloned().collect();
            secret::change(&authorities, found.as_ref(), kept, &gone).await?;
        }
        let (trust, chain) = (chain.trust(), Arc::new(chain));
        // Reconciles sign with the same ones from here on.
        *self.chain.lock() = Some(chain.clone());
        let given = self.give(client, release, pools, &chain, now).await;
        let all_have_it = given.as_ref().is_ok_and(|changed| !changed);
        let mut before = self.given.lock();
        let before_now = before.take().filter(|(given, _)| *given == trust);
        let since = before_now.map_or_else(Instant::now, |(_, since)| since);
        *before = all_have_it.then_some((trust, since));
        drop(before);
        given.map(drop)
    }

    /// Whether the next step may be taken. An authority that comes next signs only once
    /// all Secrets have had it for long enough, however long they could not be written.
    fn may_advance(&self, chain: &Chain, now: SystemTime) -> bool {
        let given = self.given.lock();
        let of_now = given.as_ref().filter(|(trust, _)| *trust == chain.trust());
        let spread = of_now.is_some_and(|(_, since)| since.elapsed() >= self.terms.terms.spread);
        spread || !chain.has_next() || chain.current().validity().has_expired(now)
    }

    /// Writes certificates and trust to all that have to be renewed; pools that nobody
    /// reconciles now, such as a paused one, are among them. Returns whether anybody's
    /// trust was another one.
    async fn give(
        &self,
        client: &Client,
        release: &Release,
        pools: Pools<'_>,
        chain: &Chain,
        now: SystemTime,
    ) -> Result<bool> {
        self.renew_own(chain, now)?;
        let managers = Kept::new(client, release, &self.terms.managers_secret, COMPONENT);
        let there = secret::read(&managers).await?;
        let has = secret::entries(there.as_ref());
        let wanted = self.renewed(chain, has, &Names::of_files(), Role::Manager, now)?;
        let mut changed = wanted.contains_key(TRUST);
        if !wanted.is_empty() {
            secret::change(&managers, there.as_ref(), wanted, &[]).await?;
        }
        // Each namespace stands by itself, and one that is gone holds up nothing.
        let mut failed = None;
        for namespace in &release.namespaces {
            let kept = Kept::of_pools(client, release, namespace);
            let pools = pools(namespace);
            match self.give_pools(&kept, pools.as_ref(), chain, now).await {
                Ok(pools_changed) => changed |= pools_changed,
                Err(_) if secret::is_gone(client, namespace).await => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(changed), Err)
    }

    /// The same for the pools of a namespace that have had certificates before. Of a pool
    /// that there is no more the entries are left until they have expired.
    async fn give_pools(
        &self,
        kept: &Kept<'_>,
        pools: Option<&BTreeSet<String>>,
        chain: &Chain,
        now: SystemTime,
    ) -> Result<bool> {
        let found = secret::read_if_ours(kept).await?;
        let Some(there) = secret::entries(found.as_ref()) else {
            return Ok(false);
        };
        let (mut wanted, mut gone) = (Entries::new(), Vec::new());
        for pool in certified(kept.namespace(), there) {
            let is_there = pools.is_none_or(|pools| pools.contains(&pool.name));
            if is_there {
                wanted.extend(self.of(chain, &pool, Some(there), now)?);
            } else if has_expired(there, &pool.certificate(), now) {
                gone.extend([pool.certificate(), pool.private_key()]);
            }
        }
        let changed = wanted.contains_key(TRUST);
        if !wanted.is_empty() || !gone.is_empty() {
            secret::change(kept, found.as_ref(), wanted, &gone).await?;
        }
        Ok(changed)
    }

    /// The authorities that were kept before somebody deleted their Secret, or new ones.
    fn lost_or_first(&self, now: SystemTime) -> Result<Chain> {
        match self.kept() {
            Some(kept) => Ok(Chain::from_entries(&kept.entries())?),
            None => Ok(Chain::first(&self.release, &self.terms.terms, now)?),
        }
    }

    fn renew_own(&self, chain: &Chain, now: SystemTime) -> Result<()> {
        let mut entries = self.entries.lock();
        let wanted = self.renewed(
            chain,
            Some(&entries),
            &Names::of_files(),
            Role::Operator,
            now,
        )?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mut made = entries.clone();
        made.extend(wanted);
        let mut texts = secret::texts(&made)?;
        let texts = FILES.map(|name| texts.remove(name).unwrap_or_default());
        self.own.take(&texts)?;
        *entries = made;
        Ok(())
    }

    /// The entries of a pool that have to be written, beside those that are there.
    ///
    /// # Errors
    /// Where no authority is kept yet.
    pub(crate) fn of_pool(&self, pool: &PoolName, there: Option<&Entries>) -> Result<Entries> {
        let chain = self.kept();
        let chain = chain.context("the inner ports have no authority yet")?;
        self.of(&chain, pool, there, SystemTime::now())
    }

    fn kept(&self) -> Option<Arc<Chain>> {
        self.chain.lock().clone()
    }

    fn of(
        &self,
        chain: &Chain,
        pool: &PoolName,
        there: Option<&Entries>,
        now: SystemTime,
    ) -> Result<Entries> {
        let role = Role::Node {
            pool: pool.at_manager(),
        };
        self.renewed(chain, there, &Names::of_pool(pool), role, now)
    }

    /// Whether nothing of a pool has to be written.
    pub(crate) fn are_in(&self, there: &Entries, pool: &PoolName) -> bool {
        let role = Role::Node {
            pool: pool.at_manager(),
        };
        let identity = Identity::new(&self.release, role);
        match (self.kept(), identity) {
            (Some(chain), Ok(identity)) => {
                let names = Names::of_pool(pool);
                is_trusted(&chain, there)
                    && !is_due(&chain, there, &names, &identity, SystemTime::now())
            }
            _ => false,
        }
    }

    /// What has to be written of a certificate and the trust beside it; pure but for the
    /// key that is drawn.
    fn renewed(
        &self,
        chain: &Chain,
        there: Option<&Entries>,
        names: &Names,
        role: Role,
        now: SystemTime,
    ) -> Result<Entries> {
        let identity = Identity::new(&self.release, role)?;
        let empty = Entries::new();
        let there = there.unwrap_or(&empty);
        let mut wanted = BTreeMap::new();
        if is_due(chain, there, names, &identity, now) {
            let pair = chain.sign(&identity, &self.terms.terms, now)?;
            wanted.insert(names.cert.clone(), ByteString(pair.cert.into_bytes()));
            wanted.insert(names.key.clone(), ByteString(pair.key.into_bytes()));
        }
        if !is_trusted(chain, there) {
            wanted.insert(TRUST.to_owned(), ByteString(chain.trust().into_bytes()));
        }
        Ok(wanted)
    }
}

/// The pools that have a certificate in the Secret of their namespace; pure.
fn certified(namespace: &str, there: &Entries) -> Vec<PoolName> {
    let pool = |name: &String| {
        let of = name.strip_suffix(".tls.crt").unwrap_or_default();
        let pool = PoolName {
            namespace: namespace.to_owned(),
            name: of.to_owned(),
        };
        (!of.is_empty() && pool.certificate() == *name).then_some(pool)
    };
    there.keys().filter_map(pool).collect()
}

/// Whether a certificate has ended, or can't be read; pure.
fn has_expired(there: &Entries, name: &str, now: SystemTime) -> bool {
    let text = there.get(name).map(|ByteString(bytes)| bytes.as_slice());
    let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let read = text.and_then(|text| Certificate::from_pem(text).ok());
    read.is_none_or(|read| read.validity().has_expired(now))
}

/// Whether a Secret's trust is that of now; pure.
fn is_trusted(chain: &Chain, there: &Entries) -> bool {
    let trust = there.get(TRUST).map(|ByteString(bytes)| bytes.as_slice());
    trust == Some(chain.trust().as_bytes())
}

/// Whether a Secret's certificate has to be made anew; pure.
fn is_due(
    chain: &Chain,
    there: &Entries,
    names: &Names,
    identity: &Identity,
    now: SystemTime,
) -> bool {
    let text = |name: &String| {
        let ByteString(bytes) = there.get(name)?;
        std::str::from_utf8(bytes).ok()
    };
    match (text(&names.cert), text(&names.key)) {
        (Some(cert), Some(key)) => {
            let (cert, key) = (cert.to_owned(), key.to_owned());
            chain.is_due(&cert, identity, now) || !Pair { cert, key }.fits()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
