//! Where the manager keeps its records: the engines of the protocol's `Store`, and one
//! behaviour suite that runs on each of them. Knows neither gRPC nor HTTP.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod embedded;
mod encoding;
#[cfg(feature = "mongodb")]
pub mod mongo;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod term;
#[cfg(test)]
mod testing;

use manager_protocol::store::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;

pub use embedded::Embedded;
#[cfg(feature = "mongodb")]
pub use mongo::Mongo;

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
