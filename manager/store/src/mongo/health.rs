//! Whether the database answers, and still is that of the cluster. A prober
//! asks it all the time, so that a call to a database that is away fails at once
//! instead of waiting for its own deadline, and calls under way end when it goes.
//! What comes over a new connection is believed only once the database was asked
//! anew: behind the same address there may be another one.

use super::connect::CLUSTER;
use super::document::ClusterDocument;
use manager_protocol::store::{Cause, StoreError};
use mongodb::Collection;
use mongodb::bson::doc;
use parking_lot::Mutex;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How often the database is asked.
const PROBE: Duration = Duration::from_millis(500);
/// How long an answer to that may take.
const PROBE_ANSWER: Duration = Duration::from_secs(2);
/// The deadline of every call but the prober's.
const CALL: Duration = Duration::from_secs(10);

/// Why the database is away, if it is.
type Away = Option<Cause>;

/// The prober, which ends when this is dropped.
pub(super) struct Health {
    state: watch::Receiver<Away>,
    probe: Arc<Probe>,
    prober: JoinHandle<()>,
    /// Connections made so far.
    connections: Arc<AtomicU64>,
    /// Of these, how many had been made when the database was last asked.
    believed: AtomicU64,
}

impl Drop for Health {
    fn drop(&mut self) {
        self.prober.abort();
    }
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("the database gave no answer within {0:?}")]
    Late(Duration),
    #[error("the database was emptied: it belongs to no cluster")]
    Emptied,
    #[error("the database is another one: it belongs to cluster {found}, not to {wanted}")]
    Swapped { found: Uuid, wanted: Uuid },
}

/// What the database is asked.
struct Probe {
    clusters: Collection<ClusterDocument>,
    wanted: Mutex<Uuid>,
}

impl Probe {
    async fn ask(&self) -> Result<(), Cause> {
        let asked = self.clusters.find_one(doc! {"_id": CLUSTER});
        let found = match tokio::time::timeout(PROBE_ANSWER, asked).await {
            Ok(Ok(found)) => found.ok_or_else(|| cause(Wrong::Emptied))?,
            Ok(Err(error)) => return Err(cause(error)),
            Err(_) => return Err(cause(Wrong::Late(PROBE_ANSWER))),
        };
        let found = super::uuid_of(&found.cluster_id).map_err(cause)?;
        let wanted = *self.wanted.lock();
        match found == wanted {
            true => Ok(()),
            false => Err(cause(Wrong::Swapped { found, wanted })),
        }
    }
}

impl Health {
    /// Starts the prober of a database of the cluster `wanted`.
    pub(super) fn watch(
        clusters: Collection<ClusterDocument>,
        wanted: Uuid,
        connections: Arc<AtomicU64>,
    ) -> Self {
        let (tell, state) = watch::channel(None);
        let wanted = Mutex::new(wanted);
        let probe = Arc::new(Probe { clusters, wanted });
        let prober = tokio::spawn({
            let probe = probe.clone();
            async move {
                loop {
                    tokio::time::sleep(PROBE).await;
                    let away = probe.ask().await.err();
                    tell.send_if_modified(|told| {
                        match (&*told, &away) {
                            (None, Some(why)) => tracing::error!(%why, "the database is away"),
                            (Some(_), None) => tracing::info!("the database is back"),
                            (None, None) | (Some(_), Some(_)) => return false,
                        }
                        *told = away;
                        true
                    });
                }
            }
        });
        Self {
            state,
            probe,
            prober,
            connections,
            believed: AtomicU64::new(0),
        }
    }

    /// From now on the database is of another cluster, as a rebuild wants it.
    pub(super) fn expect(&self, cluster: Uuid) {
        let wanted = &self.probe.wanted;
        *wanted.lock() = cluster;
    }

    /// Asks the database now whether it still is that of the cluster.
    ///
    /// # Errors
    /// [`StoreError::Refused`], as by a database that is away.
    pub(super) async fn ask(&self) -> Result<(), StoreError> {
        self.probe.ask().await.map_err(StoreError::Refused)
    }

    /// Why the database is away, if it is.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: nothing was sent.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.state.borrow() {
            Some(why) => Err(StoreError::Refused(why.clone())),
            None => Ok(()),
        }
    }

    /// Asks the database whether it still is that of the cluster, if a connection
    /// was made since it was last asked.
    async fn confirm(&self) -> Result<(), StoreError> {
        let made = self.connections.load(Ordering::SeqCst);
        if self.believed.load(Ordering::SeqCst) < made {
            self.probe.ask().await.map_err(StoreError::Unavailable)?;
            self.believed.fetch_max(made, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Makes a call unless the database is away, and ends it when the database goes
    /// away or the deadline has passed.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when nothing was sent, else
    /// [`StoreError::Unavailable`], or what `call` itself says.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.check()?;
        let mut state = self.state.clone();
        let believed = async {
            let done = call.await?;
            self.confirm().await?;
            Ok(done)
        };
        tokio::select! {
            done = believed => done,
            away = state.wait_for(Option::is_some) => Err(match away {
                Ok(why) => match &*why {
                    Some(why) => StoreError::Unavailable(why.clone()),
                    None => StoreError::unavailable("the database is away"),
                },
                Err(closed) => StoreError::unavailable(closed),
            }),
            () = tokio::time::sleep(CALL) => Err(StoreError::unavailable(Wrong::Late(CALL))),
        }
    }
}

fn cause(error: impl Error + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}
