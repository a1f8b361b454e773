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
    /// Why there is none yet.
    why: Mutex<String>,
}

impl Own {
    /// What connections are made with, once there is a certificate.
    pub(crate) fn get(&self) -> Option<Mutual> {
        self.0.mutual.get().cloned()
    }

    /// Why there is none yet, where that is known.
    pub(crate) fn why(&self) -> String {
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
        let mut told = String::new();
        loop {
            let turned = turn().await;
            failing.set(i64::from(turned.is_err()));
            let pause = match turned {
                Ok(()) => {
                    told.clear();
                    EVERY
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    if why != told {
                        tracing::warn!(error = why, "{what}");
                        self.0.why.lock().clone_from(&why);
                        told = why;
                    }
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}
