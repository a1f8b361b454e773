//! Waiting for what must become true, with a deadline and never by a bare sleep.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Tries `check` until it succeeds.
///
/// # Errors
/// The last failure, where it did not succeed within the time.
pub async fn until<T>(within: Duration, check: impl AsyncFn() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match check().await {
            Ok(value) => return Ok(value),
            Err(e) if start.elapsed() > within => bail!("not within {within:?}: {e:#}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// Fails where `work` takes longer.
pub async fn at_most<T>(within: Duration, work: impl Future<Output = T>) -> Result<T> {
    match tokio::time::timeout(within, work).await {
        Ok(value) => Ok(value),
        Err(_) => bail!("not done within {within:?}"),
    }
}
