//! Where the manager keeps its records: one trait, its engines, and one
//! behaviour suite that runs on each of them. Knows neither gRPC nor HTTP.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod embedded;
mod encoding;
mod error;
#[cfg(feature = "mongodb")]
pub mod mongo;
mod record;
mod stats;
mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
#[cfg(test)]
mod testing;

use std::path::Path;
use std::sync::Arc;

pub use embedded::Embedded;
pub use error::{Cause, StoreError};
#[cfg(feature = "mongodb")]
pub use mongo::Mongo;
pub use record::{Copy, Lease, NodeRow, Record, State, Stay, Totals};
pub use stats::StoreStats;
pub use store::{CountStep, Insert, Store, Swap, Which};

/// Opens the store that `--store` names: `embedded:DIR`, a directory that is made
/// if it is missing, or the `mongodb://` URL of a database.
///
/// # Errors
/// [`StoreError::Url`], which names the flag, when `url` names no store; otherwise
/// what the engine says.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':') {
        Some(("embedded", "")) => Err(StoreError::Url(
            "embedded: needs a directory, as in embedded:/data/store".into(),
        )),
        Some(("embedded", dir)) => Ok(Arc::new(Embedded::open(Path::new(dir)).await?)),
        #[cfg(feature = "mongodb")]
        Some(("mongodb" | "mongodb+srv", _)) => Ok(Arc::new(Mongo::open(url).await?)),
        #[cfg(not(feature = "mongodb"))]
        Some(("mongodb" | "mongodb+srv", _)) => Err(StoreError::Url(
            "this manager was built without MongoDB's driver".into(),
        )),
        // Not repeated: it may hold a password.
        _ => Err(StoreError::Url(
            "names no store, expected embedded:DIR or mongodb://…".into(),
        )),
    }
}
