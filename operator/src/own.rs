//! The operator's own certificate of the inner ports, whoever makes it.

use anyhow::Result;
use kit::tls::{Mutual, Texts, TlsError};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often it is checked what has to be renewed, or read again.
const EVERY: Duration = Duration::from_secs(10);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// The operator's own certificate, cheap to clone: all clones have the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own(Arc<State>);

#[derive(Debug, Default)]
struct State {
    mutual: OnceLock<Mutual>,
    /// Why it was not kept good at the last turn.
    why: Mutex<Option<String>>,
}

impl Own {
    /// What connections are made with, once there is a certificate.
    pub(crate) fn get(&self) -> Option<Mutual> {
        self.0.mutual.get().cloned()
    }

    /// Why there is none yet, where that is known.
    pub(crate) fn why(&self) -> Option<String> {
        self.0.why.lock().clone()
    }

    /// Takes the first certificate, or another one in its place.
    ///
    /// # Errors
    /// Where it can't be used; what was there stays.
    pub(crate) fn take(&self, texts: &Texts) -> Result<(), TlsError> {
        match self.0.mutual.get() {
            Some(mutual) => mutual.replace(texts),
            None => {
                let mutual = Mutual::of(texts)?;
                // One task alone does this.
                let _ = self.0.mutual.set(mutual);
                Ok(())
            }
        }
    }

    /// Does something again and again that keeps certificates good; never ends. What
    /// fails is logged as `what`, once for each reason.
    pub(crate) async fn keep(
        &self,
        what: &'static str,
        failing: &Gauge,
        turn: impl AsyncFn() -> Result<()>,
    ) {
        // Whoever leads anew reports anew.
        *self.0.why.lock() = None;
        loop {
            let why = turn().await.err().map(|error| format!("{error:#}"));
            failing.set(i64::from(why.is_some()));
            let pause = if why.is_some() { RETRY } else { EVERY };
            let before = std::mem::replace(&mut *self.0.why.lock(), why.clone());
            if let Some(error) = &why
                && why != before
            {
                tracing::warn!(error, "{what}");
            }
            tokio::time::sleep(pause).await;
        }
    }
}
